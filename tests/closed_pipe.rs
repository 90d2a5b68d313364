//! Each of the program's commands where nobody reads what it prints: no panic, and the exit code is what it
//! is otherwise.
#![allow(clippy::unwrap_used)]

use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use pouco_tools::support::replica::command;
use pouco_tools::support::{Database, Replica, Target, eventually, open_tempdir};
use rustix::process::{Pid, Signal, kill_process};

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    Stdio::from(std::io::pipe().unwrap().1)
}

/// Runs it with either channel closed, and with both.
fn minds_nothing(build: &dyn Fn() -> Command, code: i32) {
    for (out, err) in [(false, true), (true, false), (false, false)] {
        let mut command = build();
        let to = |reads| if reads { Stdio::piped() } else { closed() };
        let output = command.stdin(Stdio::null()).stdout(to(out)).stderr(to(err)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
        assert!(!said.contains("panicked"), "{command:?}: {said}");
    }
}

#[test]
fn no_command_minds_that_nobody_reads() {
    let database = Database::create();
    let replica = Replica::start(&database);
    let Target::Tcp(admin) = replica.admin.clone() else { panic!("no TCP address") };
    for (words, code) in [
        ("--help", 0),
        ("--version", 0),
        ("dance", 2),
        ("seed cats", 2),
        ("migrate", 0),
        ("count", 0),
        ("seed users --rows 10", 0),
        ("health", 0),
    ] {
        let build = || {
            let mut command = command();
            command.args(words.split(' ')).env("DATABASE_URL", database.url());
            command.env("POUCO_ADMIN_LISTEN", admin.as_str());
            command
        };
        minds_nothing(&build, code);
    }
}

#[test]
fn a_server_whose_greeting_nobody_reads_serves_and_ends_in_order() {
    for err_is_read in [true, false] {
        let folder = open_tempdir();
        let path = folder.path().join("api.sock");
        let mut command = command();
        command.env("POUCO_APIS", "edge").env("POUCO_LISTEN", format!("unix:{}", path.display()));
        command.env("POUCO_ADMIN_LISTEN", "off").stdout(closed());
        command.stderr(if err_is_read { Stdio::piped() } else { closed() });
        let child = command.spawn().unwrap();
        eventually("it listens", || UnixStream::connect(&path).is_ok());
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}
