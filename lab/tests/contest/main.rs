//! A contest of two seconds on plain processes and a real Postgres: an honest contestant, one that lies about
//! its rows, and one whose limits do not hold. The other contests' kinds are in files of their own.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod added;
mod advanced;
mod artefacts;
mod contestants;
mod edge;
mod ended;
mod experiments;
mod listen;
mod live;
mod scenarios;
mod shop;
mod started;
mod tiny;
mod tiny_advanced;
mod tiny_auth;
mod tiny_edge;
mod tiny_scenarios;
mod tiny_shop;
mod tiny_users;
mod users;

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use postgres::NoTls;
use pouco::embedded::Cluster;
use pouco_lab::oracle;
use pouco_lab::record::{Attempt, Killed, Record, Status};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

const PAYLOADS: usize = 4_000;

/// A port that stays ours: bound, and not listened on. The contestant binds it beside us.
fn reserved_port() -> (Socket, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    (socket, port)
}

fn database() -> (Cluster, TempDir) {
    database_with(&[])
}

/// With settings of its own.
fn database_with(settings: &[String]) -> (Cluster, TempDir) {
    let folder = tempfile::Builder::new().prefix("pouco-test-").tempdir().unwrap();
    // The database runs as another user where root runs the tests.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let cluster = Cluster::start_with(Some(folder.path().join("data")), None, settings)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut client = cluster.config_of("postgres").connect(NoTls).unwrap();
    // Not the role that the database was made with: that is a superuser, and so disqualified.
    client.batch_execute("CREATE ROLE tiny LOGIN").unwrap();
    client.batch_execute("CREATE DATABASE tiny OWNER tiny").unwrap();
    (cluster, folder)
}

/// A contest in a folder of its name beside this file.
struct Contest {
    name: &'static str,
    /// What else belongs to it, below the lab's folder.
    files: &'static [&'static str],
    peers: &'static str,
    has_database: bool,
}

/// What a run of the lab has left.
struct Ran {
    /// Its exit code was 0.
    good: bool,
    said: String,
    record: Record,
    /// In Markdown.
    report: String,
    folder: TempDir,
}

impl Contest {
    /// Runs it on a free port, in `folder`.
    fn run(&self, folder: TempDir, arguments: &[&str]) -> Ran {
        let database = self.has_database.then(database);
        let (_reserved, port) = reserved_port();
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let here = top.join("tests/contest");
        let contest = folder.path().join(self.name);
        fs::create_dir(&contest).unwrap();
        let source = fs::read_to_string(here.join(self.name).join("contest.toml")).unwrap();
        fs::write(contest.join("contest.toml"), source.replace("{port}", &port.to_string())).unwrap();
        for file in self.files.iter().map(|file| top.join(file)) {
            fs::copy(&file, contest.join(file.file_name().unwrap())).unwrap();
        }
        let out = folder.path().join("out");
        let mut lab = Command::new(env!("CARGO_BIN_EXE_pouco-lab"));
        lab.current_dir(top).env_remove("POUCO_LAB_TEST_DATABASE");
        if let Some((cluster, _)) = &database {
            let url = format!("host={} user=tiny dbname=tiny", cluster.sockets().display());
            lab.env("POUCO_LAB_TEST_DATABASE", url);
        }
        lab.env("POUCO_LAB_TEST_SERVER", std::env::current_exe().unwrap());
        lab.env("POUCO_LAB_TEST_SOCKETS", folder.path());
        let peers = contestants::laid_out(self.peers, folder.path());
        lab.arg("--contests").arg(folder.path()).arg("--peers").arg(peers);
        let output = lab.args(["run", self.name, "--out"]).arg(&out).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let record = pouco_lab::runner::read(&out).unwrap().unwrap_or_else(|| panic!("no record\n{said}"));
        let report =
            fs::read_to_string(out.join("report.md")).unwrap_or_else(|_| panic!("no report\n{said}"));
        if let Some((cluster, _)) = database {
            cluster.stop();
        }
        Ran { good: output.status.success(), said, record, report, folder }
    }
}

fn attempt<'a>(record: &'a Record, name: &str) -> &'a Attempt {
    record.attempts.iter().find(|attempt| attempt.contestant == name).unwrap()
}

/// The contest of people, with payloads and terms of its own.
fn people(contestants: &str) -> Ran {
    let contest = Contest {
        name: "tiny",
        files: &["tests/contest/tiny/conformance.toml"],
        peers: "peers",
        has_database: true,
    };
    let folder = tempfile::tempdir().unwrap();
    let mut payloads = String::from("payload\n");
    for number in 0..PAYLOADS {
        // Each seventh nick is that of the line before, and each eleventh date is none.
        let nick = if number % 7 == 6 { number - 1 } else { number };
        let month = if number % 11 == 10 { 13 } else { number % 12 + 1 };
        let stack = if number % 3 == 0 { "null" } else { r#"["Rust","C"]"# };
        writeln!(
            payloads,
            r#"{{"apelido":"nick{nick}","nome":"Número {number}","nascimento":"19{:02}-{month:02}-15","stack":{stack}}}"#,
            number % 100
        )
        .unwrap();
    }
    let written = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.into_os_string().into_string().unwrap()
    };
    let (payloads, terms) = (written("payloads.tsv", &payloads), written("terms.tsv", "t\nRust\nnick1\n"));
    let feeds = ["--payloads", &payloads, "--terms", &terms];
    let options = ["--tool", "native", "--times", "1", "--contestant", contestants];
    contest.run(folder, &[feeds.as_slice(), &options].concat())
}

#[test]
fn the_honest_is_exact() {
    let Ran { good, said, record, .. } = people("honest");
    assert!(good, "{said}");

    let honest = attempt(&record, "honest");
    assert_eq!(honest.verdict.status, Status::Valid, "{:?}\n{said}", honest.verdict);
    let conformance = honest.conformance.as_ref().unwrap();
    assert_eq!((conformance.passed, conformance.total), (3, 3), "{conformance:?}");
    let stored = honest.stored.as_ref().unwrap();
    assert!(stored.exact(), "{stored:?}");
    assert_eq!(stored.counted, Some(stored.rows));
    // 40 to 80 users a second for 2 s; of eleven lines one is no date, and of seven one repeats a nick.
    let load = honest.load.as_ref().unwrap();
    assert_eq!(stored.sent, 120, "{load:?}");
    assert_eq!((load.total.failed, load.users_started), (0, 160), "{load:?}");
    assert!((90..=100).contains(&stored.rows), "{stored:?}");
    let killed = honest.killed.as_ref().unwrap();
    assert_eq!(killed.stored.lost, 0, "{killed:?}");
    assert!(killed.stored.acknowledged > 0 && killed.unavailable_seconds.is_some(), "{killed:?}");
    // It names no address of its own, so the contest's address was asked.
    assert!(killed.kept() && killed.invisible == Some(0), "{killed:?}");
    let [asked] = killed.asked.as_slice() else { panic!("{killed:?}") };
    // A row whose acknowledgement the kill has cut off is stored, and nobody is asked for it.
    assert_eq!((asked.replica.as_deref(), asked.people), (None, killed.stored.acknowledged), "{killed:?}");
    assert!(asked.people > 10 && asked.counted == Some(asked.rows), "{killed:?}");
}

#[test]
fn the_liar_is_caught_and_the_unbounded_is_disqualified() {
    let Ran { good, said, record, folder, .. } = people("unbuilt,liar,unbounded");
    assert!(!good, "a disqualified contestant must show in the exit code\n{said}");

    // One that cannot be built is no reason for the others not to run.
    let unbuilt = attempt(&record, "unbuilt");
    assert_eq!(unbuilt.verdict.status, Status::Failed);
    assert!(unbuilt.verdict.reasons.iter().any(|reason| reason.contains("built")), "{:?}", unbuilt.verdict);

    let liar = attempt(&record, "liar");
    let stored = liar.stored.as_ref().unwrap();
    assert_eq!(liar.verdict.status, Status::Valid, "{:?}", liar.verdict);
    assert!(!stored.exact() && stored.lost >= 5, "{stored:?}");

    let unbounded = attempt(&record, "unbounded");
    assert_eq!(unbounded.verdict.status, Status::Disqualified, "{:?}", unbounded.verdict);
    assert!(unbounded.verdict.reasons.iter().any(|reason| reason.contains("CPU")), "{:?}", unbounded.verdict);

    let report = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(report.to_lowercase().contains("disqualified"));
}

#[test]
fn who_finds_all_that_it_stored_by_id_alone_after_a_kill_is_caught() {
    let (killed, report) = killed_and_invisible("forgetful", false, "not found by search: api2");
    let names: Vec<_> = killed.asked.iter().map(|asked| asked.replica.as_deref()).collect();
    assert_eq!(names, [Some("api1"), Some("api2")]);
    assert_eq!(killed.asked[0].missing_in_search, 0, "{killed:?}");
    assert!(report.contains("api1; api2"), "{report}");
}

#[test]
fn who_finds_all_that_it_stored_by_search_alone_after_a_kill_is_caught() {
    killed_and_invisible("amnesic", true, "not answered by id: through the balancer");
}

/// All of the rows of `name` are there: what is missing is missing in answers alone, and there only once it
/// has been started again.
fn killed_and_invisible(name: &str, by_id: bool, told: &str) -> (Killed, String) {
    let Ran { good, said, record, report, .. } = people(name);
    assert!(good, "{said}");
    let attempt = attempt(&record, name);
    assert!(attempt.stored.as_ref().unwrap().exact(), "{name}: {:?}", attempt.stored);
    let killed = attempt.killed.as_ref().unwrap();
    assert!(killed.stored.exact() && !killed.kept(), "{name}: {killed:?}");
    let invisible = killed.invisible.unwrap();
    // Who came after the start is found.
    assert!((1..killed.stored.acknowledged).contains(&invisible), "{name}: {killed:?}");
    let missing = killed.asked.iter().map(|it| (it.missing_by_id, it.missing_in_search)).next_back();
    assert_eq!(missing, Some(if by_id { (invisible, 0) } else { (0, invisible) }), "{name}: {killed:?}");
    assert!(killed.stored.examples.iter().any(|it| it.ends_with(told)), "{name}: {killed:?}");
    assert!(report.contains("not found after kill"), "{report}");
    (killed.clone(), report)
}
