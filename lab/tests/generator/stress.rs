//! `pouco-lab stress run`, as `stress-test/run-test.sh` calls it. A shell script takes Gatling's place: that
//! tests what is started, what it is told, what is kept, and how all of it ends. The real one runs in
//! `tests/stack/whole.sh`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

const GATLING: &str = r#"#!/usr/bin/env bash
while [ $# -gt 0 ]; do
  case $1 in -rf) results=$2; shift ;; esac
  shift
done
echo "in $LC_ALL, $POUCO_TEST_SECONDS s at $POUCO_BASE_URL"
mkdir "$results/run"
{
  printf 'RUN\tRinhaBackendSimulation\trinha\t1000\tabout\t3.9.5\n'
  printf 'USER\tcreate then look up\tSTART\t1000\n'
  printf 'REQUEST\t\tcreation\t1000\t1004\tOK\t \n'
  printf 'REQUEST\t\tlookup\t1000\t3007\tKO\tRequest timeout\n'
  [ -n "$HANGS" ] || printf 'USER\tcreate then look up\tEND\t3007\n'
} >"$results/run/simulation.log"
[ -z "$HANGS" ] || sleep 600
exit 2
"#;

/// A folder `stress-test` with payloads, a Gatling and an API that counts nobody, beside the lab's contests.
struct Scene {
    top: TempDir,
    url: String,
}

impl Scene {
    fn new() -> Self {
        let top = tempfile::Builder::new().prefix("josé").tempdir().unwrap();
        let resources = top.path().join("stress-test/user-files/resources");
        fs::create_dir_all(&resources).unwrap();
        for name in ["lab", "stress-test/oracle.py"] {
            let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
            std::os::unix::fs::symlink(own, top.path().join(name)).unwrap();
        }
        fs::write(resources.join("payloads-v1-seed7-100000.tsv"), "payload\n{}\n").unwrap();
        fs::write(resources.join("terms-v1-seed7-10000.tsv"), "t\na\n").unwrap();
        // Another process writes the programs: a file that is open for writing cannot be executed.
        let write = "mkdir -p \"$(dirname \"$0\")\" && printf %s \"$1\" >\"$0\" && chmod 755 \"$0\"";
        for (name, text) in [("gatling/bin/gatling.sh", GATLING), ("engine", "#!/bin/sh\n")] {
            let file = top.path().join(name);
            let written = Command::new("sh").args(["-c", write]).arg(file).arg(text).status().unwrap();
            assert!(written.success());
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n0");
            }
        });
        Self { top, url }
    }

    fn start(&self, hangs: &str) -> Child {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_pouco-lab"));
        lab.args(["stress", "--folder"]).arg(self.top.path().join("stress-test")).arg("run");
        lab.arg(self.top.path().join("gatling")).args(["--seed", "7", "--seconds", "030"]);
        lab.env("CONTAINER_ENGINE", self.top.path().join("engine")).env("POUCO_BASE_URL", &self.url);
        lab.env("HANGS", hangs).env("LC_ALL", "POSIX").env_remove("DATABASE_URL");
        lab.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn run(&self) -> PathBuf {
        self.top.path().join("stress-test/user-files/results/run")
    }

    fn about(&self) -> Value {
        serde_json::from_slice(&fs::read(self.run().join("run.json")).unwrap()).unwrap()
    }
}

/// The exit code, and both channels.
fn ended(child: Child) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !fs::read_to_string(path).is_ok_and(|text| text.contains("lookup")) {
        assert!(begun.elapsed() < PATIENCE, "{} does not come", path.display());
        thread::yield_now();
    }
}

#[test]
fn a_run_keeps_what_it_was_and_what_it_cost() {
    let scene = Scene::new();
    let (code, said) = ended(scene.start(""));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&format!("in C.UTF-8, 30 s at {}\n", scene.url)), "{said}");
    assert!(said.contains("failed: lookup: 1 times: Request timeout\n"), "{said}");
    assert!(said.contains("no database to ask"), "{said}");
    let about = scene.about();
    assert_eq!(about["command"], "stress-test/run-test.sh gatling --seed 7 --seconds 30");
    assert_eq!((&about["gatling_exit_code"], &about["limits_hold"]), (&2.into(), &Value::Null));
    assert!(about["generator_cpu_s"].is_f64(), "{about}");
    let kept = fs::read_to_string(scene.run().join("percentiles.txt")).unwrap();
    let expected = "creation                1        0        4        4        4        4        4\n";
    assert!(kept.contains(expected) && kept.contains("2,007"), "{kept}");
}

#[test]
fn a_signal_ends_gatling_with_all_its_processes_and_the_run_is_kept() {
    let scene = Scene::new();
    let child = scene.start("yes");
    wait_for(&scene.run().join("simulation.log"));
    let second = ended(scene.start(""));
    assert_eq!(second.0, Some(2), "{}", second.1);
    assert!(second.1.contains("another run of this test is under way"), "{}", second.1);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let (code, said) = ended(child);
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("the run was interrupted: its counts cannot be judged"), "{said}");
    assert_eq!(scene.about()["seed"], 7);
}
