//! Start and stop: configuration, restarts, signals, addresses in use.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use crate::support::replica::{command, run};
use crate::support::{Database, Replica, Target, open_tempdir};
use pouco::api::{APIS, SELECTED};
use pouco::config::SETTINGS;
use pouco::settings::Setting;
use rustix::process::Signal;

const ANA: &str = r#"{"apelido":"ana","nome":"Ana","nascimento":"2000-10-01","stack":["Rust"]}"#;

#[test]
fn a_bad_setting_is_one_line_and_exit_code_2() {
    for (name, value) in [
        ("POUCO_MAX_CONNECTIONS", "many"),
        ("POUCO_LISTEN", "9999"),
        ("POUCO_APIS", "cats"),
        // As files of settings leave them: with quotes, with blanks, with the line ends of Windows.
        ("POUCO_MAX_CONNECTIONS", "\"8000\""),
        ("POUCO_MAX_CONNECTIONS", " 8000"),
        ("POUCO_DATA_DIR", "'/tmp/pouco-in-quotes'"),
        ("POUCO_LISTEN", "unix:/tmp/pouco.sock\r"),
        ("POUCO_LOG_LEVEL_FILE", "/etc/pouco/level\r\n"),
        ("POUCO_EDGE_CACHE", "memory\r"),
    ] {
        let (code, out, err) = run(command().env(name, value));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{name}");
        assert_eq!(err.lines().count(), 1, "{err}");
        // What would do something to a terminal is shown by its name.
        let value = value.replace('\r', "\\r").replace('\n', "\\n");
        assert!(err.starts_with(&format!("pouco: {name}=`{value}` is not allowed: ")), "{err}");
    }
    let (code, _, err) = run(command().arg("dance"));
    assert_eq!(code, Some(2));
    assert_eq!(err, "pouco: `dance` is not a command; see pouco --help\n");
}

#[test]
fn help_names_every_setting_and_so_does_the_document() {
    let (code, out, _) = run(command().arg("--help"));
    assert_eq!(code, Some(0));
    let mut document = String::from(
        "# Settings\n\nAll from the environment; an empty variable counts as not set. `pouco --help` prints the same. \
         This file\nis made of the lists in the code: a test says how when it is not what they are.\n",
    );
    let of_apis = APIS.iter().map(|api| (api.name, api.settings));
    let process = SETTINGS.iter().copied().chain([SELECTED]).collect::<Vec<_>>();
    let parts = [("the process, the engine and the store", process.as_slice())].into_iter().chain(of_apis);
    for (part, settings) in parts.filter(|(_, settings)| !settings.is_empty()) {
        document.push_str(&format!(
            "\n## Of {part}\n\n| variable | default | allowed | meaning |\n|---|---|---|---|\n"
        ));
        for setting in settings {
            assert!(out.contains(setting.name), "{} in --help", setting.name);
            let Setting { name, meaning, .. } = setting;
            let (default, allowed) = (setting.default(), setting.allowed());
            document.push_str(&format!("| `{name}` | {default} | {allowed} | {meaning} |\n"));
        }
    }
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md"));
    if kept.ok().as_ref() != Some(&document) {
        let made = concat!(env!("CARGO_TARGET_TMPDIR"), "/settings.md");
        std::fs::write(made, document).unwrap();
        panic!("docs/settings.md is old: cp {made} docs/settings.md");
    }
}

#[test]
fn embedded_data_survives_a_restart() {
    let folder = open_tempdir();
    let data = folder.path().join("data");
    let start = || Replica::spawn(command().env("POUCO_DATA_DIR", &data));
    let first = start();
    let created = first.post("/pessoas", ANA);
    assert_eq!(created.status, 201, "{}", created.text());
    assert!(first.stop().success());
    // Commands start the same Postgres, and have it until they are done.
    let on_it = |words: &[&str]| run(command().env("POUCO_DATA_DIR", &data).args(words)).1;
    assert_eq!(on_it(&["migrate"]), "0 migrations applied\n");
    assert_eq!(on_it(&["seed", "users", "--rows", "20"]), "20 of 20 users added; the others were there\n");
    assert_eq!((on_it(&["count"]).as_str(), on_it(&["count", "users"]).as_str()), ("1\n", "20\n"));
    let second = start();
    assert_eq!(second.get(created.header("location").unwrap()).status, 200);
    assert_eq!(second.get("/contagem-pessoas").text(), "1");
    // A kill leaves Postgres without its parent: it ends by itself, and the next start waits for that.
    second.kill();
    let third = start();
    assert_eq!(third.get("/contagem-pessoas").text(), "1");
    assert!(third.stop().success());
}

/// Blanks, quotes, commas and what else a list of Postgres's or a shell would take for its own.
#[test]
fn a_data_folder_may_have_any_characters() {
    let folder = open_tempdir();
    let data = folder.path().join("a b,c\"d\"e'f$g%h\\i=é");
    let start = || Replica::spawn(command().env("POUCO_DATA_DIR", &data));
    let first = start();
    assert_eq!(first.post("/pessoas", ANA).status, 201);
    assert!(first.stop().success());
    let second = start();
    assert_eq!(second.get("/contagem-pessoas").text(), "1");
    assert!(second.stop().success());
    // What is no UTF-8 would be another folder.
    let broken = std::ffi::OsStr::from_bytes(b"/tmp/pouco-\xff");
    let (code, _, err) = run(command().env("POUCO_DATA_DIR", broken));
    assert_eq!((code, err.lines().count()), (Some(2), 1), "{err}");
}

/// Whoever names a folder by mistake keeps it as it is.
#[test]
fn a_data_folder_that_is_not_ours_stays_as_it_is() {
    let folder = open_tempdir();
    let theirs = folder.path().join("theirs");
    std::fs::create_dir(&theirs).unwrap();
    std::fs::write(theirs.join("file"), "theirs").unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(&theirs, Some(1234), Some(1234)).unwrap();
    }
    let before = std::fs::metadata(&theirs).unwrap();
    let state = |known: &std::fs::Metadata| (known.uid(), known.gid(), known.mode());
    if is_root {
        let (code, out, err) = run(command().env("POUCO_DATA_DIR", &theirs));
        assert_eq!((code, out.as_str(), err.lines().count()), (Some(1), "", 1), "{err}");
        assert!(err.contains("belongs to user 1234") && err.contains("POUCO_DATA_DIR"), "{err}");
    } else {
        // One of one's own is used, and no right to it is taken from anybody.
        assert!(Replica::spawn(command().env("POUCO_DATA_DIR", &theirs)).stop().success());
    }
    assert_eq!(state(&std::fs::metadata(&theirs).unwrap()), state(&before));
    assert_eq!(std::fs::read_to_string(theirs.join("file")).unwrap(), "theirs");
    // An empty one of our own is taken, as a volume comes.
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(Replica::spawn(command().env("POUCO_DATA_DIR", &empty)).stop().success());
}

#[test]
fn a_data_folder_in_use_is_one_clear_line() {
    let folder = open_tempdir();
    let data = folder.path().join("data");
    let running = Replica::spawn(command().env("POUCO_DATA_DIR", &data));
    let (code, _, err) = run(command().env("POUCO_DATA_DIR", &data));
    assert_eq!(code, Some(1));
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("is in use by another pouco"), "{err}");
    assert!(running.stop().success());
}

#[test]
fn an_address_in_use_is_one_clear_line() {
    let database = Database::create();
    let replica = Replica::start(&database);
    let Target::Tcp(address) = &replica.api else { panic!("tcp") };
    let (code, _, err) = run(command().env("DATABASE_URL", database.url()).env("POUCO_LISTEN", address));
    assert_eq!(code, Some(1));
    assert_eq!(err, format!("pouco: tcp:{address} is in use by another process\n"));
}

#[test]
fn sigterm_removes_the_socket_and_sigkill_leaves_one_that_is_taken_over() {
    let database = Database::create();
    let folder = open_tempdir();
    let path = folder.path().join("api.sock");
    let listen = format!("unix:{}", path.display());
    let start = || Replica::start_with(&database, &[("POUCO_LISTEN", &listen)]);
    let first = start();
    assert_eq!(first.post("/pessoas", ANA).status, 201);
    first.kill();
    assert!(path.exists());
    let second = start();
    assert_eq!(second.get("/contagem-pessoas").text(), "1");
    assert!(second.stop().success());
    assert!(!path.exists());
}

#[test]
fn migrate_health_and_count_do_their_work() {
    let database = Database::create();
    let url = database.url();
    let migrate = || run(command().env("DATABASE_URL", &url).arg("migrate"));
    assert_eq!(migrate(), (Some(0), format!("{} migrations applied\n", migrations()), String::new()));
    assert_eq!(migrate(), (Some(0), "0 migrations applied\n".into(), String::new()));
    let replica = Replica::start(&database);
    assert_eq!(replica.post("/pessoas", ANA).status, 201);
    let (code, out, _) = run(command().env("DATABASE_URL", &url).arg("count"));
    assert_eq!((code, out.as_str()), (Some(0), "1\n"));
    let Target::Tcp(admin) = replica.admin.clone() else { panic!("tcp") };
    let health = || run(command().env("POUCO_ADMIN_LISTEN", &admin).arg("health")).0;
    assert_eq!(health(), Some(0));
    assert!(replica.stop().success());
    assert_eq!(health(), Some(1));
}

fn migrations() -> usize {
    APIS.iter()
        .filter(|api| api.in_all)
        .filter_map(|api| api.stored.as_ref())
        .map(|stored| stored.migrations.len())
        .sum()
}

#[test]
fn two_replicas_may_migrate_at_once() {
    let database = Database::create();
    let replicas: Vec<Replica> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..3).map(|_| scope.spawn(|| Replica::start(&database))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    for replica in replicas {
        assert_eq!(replica.get("/contagem-pessoas").text(), "0");
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_database_that_is_not_there() {
    let folder = open_tempdir();
    let mut command = command();
    command.env("DATABASE_URL", format!("host={} user=pouco dbname=pouco", folder.path().display()));
    let mut child = waiting(&mut command);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "nothing was served, so this is no success");
}

/// Starts the program and returns once it says that it waits for Postgres.
fn waiting(command: &mut Command) -> std::process::Child {
    use std::io::{BufRead, BufReader};
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("waiting for Postgres")));
    child
}
