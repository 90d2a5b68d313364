//! The exporter over recorded trees: the figures, who is in it, the names in the document, and the program
//! itself over HTTP.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use pouco_lab::exporter::Exporter;
use pouco_lab::meters::{Cgroup, Periods};
use pouco_lab::record::Limits;

use crate::trees::{CONTAINER, Tree};

/// A tree in which podman's monitor watches the recorded container.
fn watched(name: &str) -> Tree {
    let tree = Tree::new(name);
    monitor(&tree, 900, CONTAINER, "pouco-api1");
    tree
}

fn monitor(tree: &Tree, pid: u32, id: &str, name: &str) {
    let words = ["/usr/bin/conmon", "--api-version", "1", "-c", id, "-u", id, "-n", name, "-P", "/run/pid"];
    tree.write(&format!("proc/{pid}/cmdline"), &(words.join("\0") + "\0"));
}

fn with_processes(tree: &Tree) {
    let own = format!("sys/fs/cgroup/memory/libpod_parent/libpod-{CONTAINER}");
    tree.write(&format!("{own}/cgroup.procs"), "4711\n4712\n");
}

/// The value of the only line that begins so.
fn value(text: &str, series: &str) -> f64 {
    let values: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(series)).collect();
    assert_eq!(values.len(), 1, "{series}\n{text}");
    values[0].rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn figures_are_the_kernel_s_under_c_advisor_s_names() {
    let tree = watched("hybrid");
    with_processes(&tree);
    let oom = format!("sys/fs/cgroup/memory/libpod_parent/libpod-{CONTAINER}/memory.oom_control");
    tree.write(&oom, "under_oom 0\noom_kill 2\n");
    let text = Exporter::new(tree.root().into(), None).text().unwrap();
    let id = format!("id=\"/libpod_parent/libpod-{CONTAINER}\"");
    let of = |name: &str| value(&text, &format!("{name}{{{id},name=\"pouco-api1\"}}"));
    let cpu = format!("container_cpu_usage_seconds_total{{cpu=\"total\",{id},name=\"pouco-api1\"}}");
    assert!((value(&text, &cpu) - 61.234_567_89).abs() < 1e-9);
    assert_eq!(of("container_cpu_cfs_periods_total"), 4_964.0);
    assert_eq!(of("container_cpu_cfs_throttled_periods_total"), 483.0);
    assert!((of("container_cpu_cfs_throttled_seconds_total") - 17.002_762_173).abs() < 1e-9);
    assert_eq!(of("container_spec_cpu_quota") / of("container_spec_cpu_period"), 0.4);
    assert_eq!(of("container_memory_usage_bytes"), 104_505_344.0);
    assert_eq!(of("container_memory_working_set_bytes"), 4_128_768.0);
    assert_eq!(of("container_memory_max_usage_bytes"), 104_857_600.0);
    assert_eq!(of("container_spec_memory_limit_bytes"), 104_857_600.0);
    assert_eq!(of("container_oom_events_total"), 2.0);
    assert_eq!(of("container_processes"), 2.0);
    assert!(of("container_last_seen") > 1.7e9);
    assert_eq!(value(&text, "container_scrape_error "), 0.0);
}

#[test]
fn a_container_is_found_by_its_id_as_it_is_by_its_process() {
    for name in ["hybrid", "rootless-v2", "docker-v2"] {
        let tree = Tree::new(name);
        let mut by_id = Cgroup::of_container(tree.root(), CONTAINER).unwrap();
        let mut by_process = Cgroup::open(&tree.container()).unwrap();
        assert_eq!(by_id.sample().unwrap(), by_process.sample().unwrap(), "{name}");
        assert_eq!(by_id.limits().unwrap(), by_process.limits().unwrap(), "{name}");
        assert_eq!(by_id.periods(), by_process.periods(), "{name}");
    }
    let tree = Tree::new("hybrid");
    let found = Cgroup::of_container(tree.root(), CONTAINER).unwrap();
    assert_eq!(found.periods(), Some(Periods { all: 4_964, throttled: 483 }));
    assert_ne!(found.limits().unwrap(), Limits::default());
    let error = format!("{:#}", Cgroup::of_container(tree.root(), "4242").unwrap_err());
    assert!(error.contains("stands for"), "{error}");
}

#[test]
fn who_is_asked_for_comes_and_goes() {
    let tree = watched("hybrid");
    with_processes(&tree);
    let mut all = Exporter::new(tree.root().into(), None);
    let mut project = Exporter::new(tree.root().into(), Some("pouco".into()));
    let mut other = Exporter::new(tree.root().into(), Some("pouc".into()));
    let names = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("container_last_seen{"));
        lines.map(|line| line.split('"').nth(3).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&project.text().unwrap()), ["pouco-api1"]);
    assert_eq!(names(&other.text().unwrap()), Vec::<String>::new());

    // One with a monitor and no cgroup is an error, and hides nobody.
    monitor(&tree, 901, "4242", "redis");
    let text = all.text().unwrap();
    assert_eq!((names(&text), value(&text, "container_scrape_error ")), (vec!["pouco-api1".into()], 1.0));
    assert_eq!(value(&project.text().unwrap(), "container_scrape_error "), 0.0);

    std::fs::remove_dir_all(tree.file("proc/900")).unwrap();
    assert_eq!(names(&project.text().unwrap()), Vec::<String>::new());
    monitor(&tree, 902, CONTAINER, "pouco-api1");
    assert_eq!(names(&project.text().unwrap()), ["pouco-api1"]);
}

#[test]
fn the_document_lists_what_is_exported_and_nothing_else() {
    let tree = watched("hybrid");
    with_processes(&tree);
    let oom = format!("sys/fs/cgroup/memory/libpod_parent/libpod-{CONTAINER}/memory.oom_control");
    tree.write(&oom, "oom_kill 0\n");
    let text = Exporter::new(tree.root().into(), None).text().unwrap();
    let exported: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/observability.md")).unwrap();
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `container_"));
    let documented: BTreeSet<String> =
        rows.map(|row| format!("container_{}", row.split('`').next().unwrap())).collect();
    assert!(documented.iter().eq(exported), "{documented:?}\n{text}");
}

/// The program with a recorded tree; it ends with the test.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(tree: &Tree) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pouco-lab"))
            .args(["meters", "--listen", "tcp:127.0.0.1:0", "--root"])
            .arg(tree.root())
            // Not in the repository: it needs none.
            .current_dir(tree.root())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        assert!(line.contains("cgroups v1, 1 containers"), "{line}");
        Self { child, address }
    }

    fn ask(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_program_answers_and_outlives_bad_clients() {
    let tree = watched("hybrid");
    with_processes(&tree);
    let program = Program::start(&tree);
    // One that never asks is left behind in time, or what follows would wait for ever.
    let silent = TcpStream::connect(&program.address).unwrap();
    let answer = program.ask(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("version=0.0.4"), "{answer}");
    assert!(answer.contains("name=\"pouco-api1\"} 4128768\n"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    drop(silent);

    let begins = |request: &[u8], status: &str| {
        let answer = program.ask(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
        answer
    };
    assert!(begins(b"HEAD /metrics HTTP/1.1\r\n\r\n", "200").ends_with("\r\n\r\n"));
    assert!(begins(b"POST /metrics HTTP/1.1\r\n\r\n", "405").contains("Allow: GET, HEAD\r\n"));
    begins(b"GET /healthz?x HTTP/1.1\r\n\r\n", "200");
    begins(b"GET /other HTTP/1.1\r\n\r\n", "404");
    begins(b"\x16\x03\x01\r\n\r\n", "400");
    begins(format!("GET /{} HTTP/1.1\r\n", "x".repeat(8 * 1024 - 16)).as_bytes(), "400");

    // Without the file systems there is nothing to tell, and that is said.
    std::fs::remove_dir_all(tree.file("proc")).unwrap();
    let answer = begins(b"GET /metrics HTTP/1.1\r\n\r\n", "503");
    assert!(answer.contains("proc"), "{answer}");
}
