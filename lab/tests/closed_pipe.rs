//! Every sub-command where nobody reads what it prints, on either channel or on both: no panic, and the exit
//! code is what it is otherwise.
#![allow(clippy::unwrap_used)]

mod sample;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use clap::CommandFactory;
use pouco_lab::cli::Cli;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// Runs the lab; whether somebody reads what comes out.
fn lab(words: &[&str], folder: &Path, out: bool, err: bool) -> Output {
    let to = |reads: bool| match reads {
        true => Stdio::piped(),
        // Its reader is gone already.
        false => Stdio::from(std::io::pipe().unwrap().1),
    };
    Command::new(env!("CARGO_BIN_EXE_pouco-lab"))
        .args(words)
        .current_dir(folder)
        .env("CONTAINER_ENGINE", folder.join("docker"))
        .stdin(Stdio::null())
        .stdout(to(out))
        .stderr(to(err))
        .output()
        .unwrap()
}

/// A container engine with one container, until it is removed.
const ENGINE: &str = r#"#!/bin/sh
here=$(dirname "$0")
case "$1 $2" in
"ps "*) [ -e "$here/removed" ] || echo c1 ;;
"rm "*) touch "$here/removed" ;;
"container inspect") echo '[{"Id": "c1", "State": {"Pid": 0}}]' ;;
"logs "*) echo "a line of the container's log" ;;
esac
"#;

/// A record, files of payloads and terms, and the engine.
fn files() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let record = serde_json::to_string(&sample::record()).unwrap();
    fs::write(folder.path().join("record.json"), record).unwrap();
    fs::write(folder.path().join("payloads.tsv"), "payload\n{}\n").unwrap();
    fs::write(folder.path().join("terms.tsv"), "t\na\n").unwrap();
    let engine = folder.path().join("docker");
    fs::write(&engine, ENGINE).unwrap();
    fs::set_permissions(&engine, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Nobody listens there, for as long as the socket lives.
fn dead_address() -> (Socket, String) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap().to_string();
    (socket, address)
}

#[test]
fn no_command_minds_that_nobody_reads() {
    let (_socket, dead) = dead_address();
    let contests = Path::new(env!("CARGO_MANIFEST_DIR")).join("contests");
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers");
    let places = |words: &str| -> Vec<String> {
        let mut all: Vec<String> = words.split(' ').map(|word| word.replace("{dead}", &dead)).collect();
        for (option, path) in [("--contests", &contests), ("--peers", &peers)] {
            all.extend([option.to_owned(), path.display().to_string()]);
        }
        all
    };
    let feeds = "--payloads payloads.tsv --terms terms.tsv";
    let load = format!("load people --address {{dead}} --seconds 3 --scale 0.05 {feeds}");
    let mut commands: Vec<(String, i32)> = [
        ("--help", 0),
        ("--version", 0),
        ("list", 0),
        ("list --no-such-option", 2),
        ("run no-such-contest", 2),
        ("run people --contestant nobody", 2),
        ("up people --contestant nobody", 2),
        ("logs people --contestant pouco", 0),
        ("down people --contestant pouco", 0),
        ("report record.json", 0),
        ("report nowhere", 2),
        ("compare record.json record.json", 0),
        ("meters --listen nowhere", 2),
        (load.as_str(), 1),
        (&format!("{load} --json"), 1),
        (&format!("{} --find-limit", load.replace("0.05", "0.01")), 1),
    ]
    .map(|(words, code)| (words.to_owned(), code))
    .to_vec();
    let names: Vec<String> = Cli::command().get_subcommands().map(|it| it.get_name().to_owned()).collect();
    commands.extend(names.iter().map(|name| (format!("{name} --help"), 0)));

    for name in names.iter().filter(|name| *name != "doctor") {
        assert!(commands.iter().any(|(words, _)| words.starts_with(name)), "{name}");
    }
    std::thread::scope(|scope| {
        for (words, code) in &commands {
            let all = places(words);
            scope.spawn(move || minds_nothing(&all.iter().map(String::as_str).collect::<Vec<_>>(), *code));
        }
    });
}

fn minds_nothing(words: &[&str], code: i32) {
    std::thread::scope(|scope| {
        for (out, err) in [(true, true), (false, true), (true, false), (false, false)] {
            scope.spawn(move || minds_nobody(words, code, out, err));
        }
    });
}

fn minds_nobody(words: &[&str], code: i32, out: bool, err: bool) {
    let folder = files();
    let output = lab(words, folder.path(), out, err);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{words:?}: {said}");
    assert_eq!((output.status.code(), output.status.signal()), (Some(code), None), "{words:?}: {said}");
    if out && err && words[0] != "down" {
        assert_ne!(output.stdout.len() + output.stderr.len(), 0, "{words:?} prints nothing");
    }
    if !out && code == 0 {
        assert_eq!(said, "", "{words:?}: nothing is wrong, and nothing must be said");
    }
}

/// Its findings are this machine's.
#[test]
fn the_doctor_judges_alike_where_nobody_reads() {
    let top: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let codes = [true, false].map(|out| {
        let output = lab(&["doctor"], &top, out, true);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
        output.status.code()
    });
    assert_eq!(codes[0], codes[1]);
}

/// What somebody asked for and did not get is an error.
#[test]
fn a_full_disk_is_no_closed_pipe() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pouco-lab"))
        .arg("list")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(full)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("pouco-lab: ") && !said.contains("panicked"), "{said}");
}
