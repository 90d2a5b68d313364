//! The side of a service manager: what it is told, and sockets of its own that outlive a process.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::replica::{command, run};
use crate::support::{Database, Replica, Target, open_tempdir};

const ANA: &str = r#"{"apelido":"ana","nome":"Ana","nascimento":"2000-10-01","stack":null}"#;

/// The program with this socket as its descriptor 3, as a manager starts it.
fn activated(socket: OwnedFd, name: &str) -> Command {
    let program = command();
    let mut shell = Command::new("sh");
    shell.args(["-c", "export LISTEN_PID=$$; exec \"$0\" 3<&0 </dev/null"]).arg(program.get_program());
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("POUCO_LISTEN", "systemd:api").env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", name);
    shell.stdin(Stdio::from(socket));
    shell
}

fn socket(listener: &TcpListener) -> OwnedFd {
    listener.try_clone().unwrap().into()
}

/// New connections, each with one request, while the process behind the socket is another three times.
#[test]
fn no_request_fails_while_the_process_is_another() {
    let database = Database::create();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::Tcp(listener.local_addr().unwrap().to_string());
    let start = || {
        let mut activated = activated(socket(&listener), "api");
        let replica =
            Replica::spawn(activated.env("DATABASE_URL", database.url()).env("POUCO_APIS", "people"));
        let Target::Tcp(shown) = &replica.api else { panic!("tcp") };
        assert_eq!(*shown, listener.local_addr().unwrap().to_string());
        replica
    };
    let (ended, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut replica = start();
    assert_eq!(replica.post("/pessoas", ANA).status, 201);
    let replica = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    // Whoever is not answered panics, and with it the test.
                    let answer = target.get("/contagem-pessoas");
                    assert_eq!((answer.status, answer.text()), (200, "1"));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..3 {
            let before = answered.load(Ordering::Relaxed);
            crate::support::eventually("it serves", || answered.load(Ordering::Relaxed) > before + 50);
            assert!(replica.stop().success());
            replica = start();
        }
        ended.store(true, Ordering::Relaxed);
        replica
    });
    assert!(answered.load(Ordering::Relaxed) > 150);
    assert!(replica.stop().success());
}

/// The file is the manager's: the next process needs it.
#[test]
fn a_unix_socket_that_was_handed_over_keeps_its_path() {
    let folder = open_tempdir();
    let path = folder.path().join("api.sock");
    let listener = UnixListener::bind(&path).unwrap();
    for _ in 0..2 {
        let mut activated = activated(listener.try_clone().unwrap().into(), "api");
        let replica = Replica::spawn(activated.env("POUCO_APIS", "edge"));
        assert_eq!(Target::Unix(path.clone()).get("/healthz").status, 200);
        assert!(replica.stop().success());
        assert!(path.exists());
    }
}

#[test]
fn sockets_that_are_not_what_is_asked_for_are_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let failed = |command: &mut Command| {
        let (code, out, err) = run(command.env("POUCO_APIS", "edge"));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
        err.lines().last().unwrap().to_owned()
    };
    let none = "pouco: cannot bind systemd:api: no socket of this name was handed over";
    assert_eq!(failed(&mut activated(socket(&listener), "other")), none);
    assert_eq!(failed(command().env("POUCO_LISTEN", "systemd:api")), none);
    // Meant for another process.
    let mut of_other = command();
    of_other.env("POUCO_LISTEN", "systemd:api").env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    assert_eq!(failed(&mut of_other), none);
    // A socket that does not listen, and none at all.
    let datagram = UnixDatagram::unbound().unwrap();
    let said = failed(&mut activated(datagram.into(), "api"));
    assert!(said.contains("no stream socket that listens"), "{said}");
    let mut two = activated(socket(&listener), "api");
    assert!(failed(two.env("LISTEN_FDS", "2")).contains("Bad file descriptor"));
}

/// What was said, with the time of each word.
struct Manager(UnixDatagram);

impl Manager {
    fn hear(&self) -> String {
        let mut said = [0; 512];
        let count = self.0.recv(&mut said).unwrap();
        String::from_utf8_lossy(&said[..count]).into_owned()
    }

    fn hear_until(&self, word: &str) -> Vec<String> {
        let mut heard = Vec::new();
        while !heard.last().is_some_and(|last: &String| last.contains(word)) {
            heard.push(self.hear());
        }
        heard
    }
}

#[test]
fn the_manager_is_told_of_start_life_and_end() {
    let folder = open_tempdir();
    let path = folder.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    manager.0.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = command();
    command.env("POUCO_APIS", "edge").env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut replica = Replica::spawn(&mut command);
    let began = manager.hear_until("READY=1");
    assert!(began.first().unwrap().starts_with("STATUS="), "{began:?}");
    for _ in 0..3 {
        assert_eq!(manager.hear(), "WATCHDOG=1");
    }
    replica.signal(Signal::TERM);
    let heard = manager.hear_until("STOPPING=1");
    assert!(heard[..heard.len() - 1].iter().all(|word| word == "WATCHDOG=1"), "{heard:?}");
    assert!(replica.wait().success());
}

/// A name in no file system, and a manager that does not listen any more.
#[test]
fn a_manager_that_does_not_listen_is_no_fault() {
    for path in ["@pouco-nobody-listens", "/nowhere/notify"] {
        let mut command = command();
        let replica = Replica::spawn(command.env("POUCO_APIS", "edge").env("NOTIFY_SOCKET", path));
        assert_eq!(replica.get("/healthz").status, 200);
        assert!(replica.stop().success());
    }
}
