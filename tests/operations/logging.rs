//! Log lines of the real program: what they look like, that they are whole at the end, and that a standard
//! error which nobody reads holds up neither requests nor the end.

use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::process::Command;

use crate::support::exposition::parse;
use crate::support::replica::{command, run};
use crate::support::{Database, Engine, Log, Replica, eventually};
use log::LevelFilter;
use postgres::Client;
use pouco::http::{Limits, Method, Request, Response, Router};
use pouco::logging::{self, Format};
use rustix::process::Signal;

/// A pipe that has not room for a byte.
pub(crate) fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let error = loop {
        if let Err(error) = writer.write(&[b'.'; 4_096]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    while writer.write(b".").is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

fn dropped(replica: &Replica) -> u64 {
    replica.metric("pouco_log_lines_dropped_total ")
}

/// Lets every count fail in Postgres, which is an answer and a line in the log.
fn rename(client: &mut Client, from: &str, to: &str) {
    client.batch_execute(&format!("ALTER TABLE {from} RENAME TO {to}")).unwrap();
}

#[test]
fn a_standard_error_that_nobody_reads_holds_up_nothing() {
    let database = Database::create();
    let (mut reader, writer) = full_pipe();
    let mut command = command();
    // Without a feed, whose lines would mix with those that are counted here.
    command.env("DATABASE_URL", database.url()).env("POUCO_FEED_INTERVAL_MS", "10000");
    let replica = Replica::spawn_with(command.stderr(writer));
    drop(command);
    let mut client = database.client();
    let mut api = replica.api.connect();
    rename(&mut client, "people", "hidden");
    let mut refused = 0;
    while dropped(&replica) == 0 {
        for _ in 0..100 {
            assert_eq!(api.request("GET", "/contagem-pessoas", "").status, 503);
        }
        refused += 100;
        assert!(refused < 20_000, "none of {refused} lines was dropped");
    }
    rename(&mut client, "hidden", "people");
    assert_eq!(api.request("GET", "/contagem-pessoas", "").text(), "0");
    let lost = dropped(&replica);
    parse(replica.admin.get("/metrics").text()).unwrap();

    // Somebody reads at last: what was queued comes, then how many are missing, and then all is as it was.
    let said = format!("WARN  {lost} log lines were dropped: standard error was too slow\n");
    let mut text = String::new();
    while !text.contains(&said) {
        let mut chunk = [0; 64 * 1024];
        let count = reader.read(&mut chunk).unwrap();
        assert!(count > 0, "the end of the log, without {said}");
        text.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
    }
    let kept = text.matches("ERROR a read failed").count() as u64;
    let others = text.lines().count() as u64 - 1 - kept;
    assert!(
        kept > 500 && kept + lost >= refused && kept + lost <= refused + others,
        "{kept} of {refused}, {lost} lost"
    );
    assert!(replica.stop().success());
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    let lines: Vec<&str> = rest.lines().map(|line| line.split_once("INFO  ").unwrap().1).collect();
    assert_eq!(lines, ["stopping: finishing what has begun", "stopped"]);
}

#[test]
fn a_standard_error_that_nobody_reads_does_not_hold_up_the_end() {
    let database = Database::create();
    let (_reader, writer) = full_pipe();
    let mut command = command();
    let mut replica = Replica::spawn_with(command.env("DATABASE_URL", database.url()).stderr(writer));
    replica.signal(Signal::TERM);
    assert!(replica.wait().success());
}

#[test]
fn a_json_line_is_an_object_whatever_is_in_it() {
    let database = Database::create();
    let mut command = command();
    let log = Log::of(command.env("DATABASE_URL", database.url()).env("POUCO_LOG_FORMAT", "json"));
    let replica = Replica::spawn_with(&mut command);
    let mut client = database.client();
    // Its message holds quotes: relation "people" does not exist.
    rename(&mut client, "people", "hidden");
    assert_eq!(replica.get("/contagem-pessoas").status, 503);
    assert!(replica.stop().success());
    let text = log.text();
    let mut messages = Vec::new();
    for line in text.lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let members: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["level", "message", "target", "time"]);
        let of = |name: &str| line[name].as_str().unwrap();
        assert!(["ERROR", "WARN", "INFO"].contains(&of("level")), "{line}");
        assert!(of("target").starts_with("pouco"), "{line}");
        let time = of("time");
        assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
        messages.push(of("message").to_owned());
    }
    assert!(messages.first().unwrap().ends_with(" migrations applied"), "{messages:?}");
    assert!(
        messages.iter().any(|message| message.contains("relation \"people\" does not exist")),
        "{messages:?}"
    );
    assert_eq!(messages.last().unwrap(), "stopped");
}

/// Postgres repeats rows in the detail of an error, and whatever a table's owner wrote in its message.
#[test]
fn what_postgres_says_is_one_line_and_no_row() {
    let database = Database::create();
    let mut command = command();
    let log = Log::of(command.env("DATABASE_URL", database.url()));
    let replica = Replica::spawn_with(&mut command);
    let mut client = database.client();
    let guard = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF NEW.apelido = 'raised' THEN RAISE E'no\\n2026-01-31T12:00:00.000Z ERROR forged\\x1b[2J'
              USING DETAIL = NEW.nome, HINT = NEW.nome; END IF;
          RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION refuse();
        ALTER TABLE people ADD CHECK (apelido <> 'checked')";
    client.batch_execute(guard).unwrap();
    for nick in ["raised", "checked"] {
        let person = format!(r#"{{"apelido":"{nick}","nome":"Very Private","nascimento":"2000-10-01"}}"#);
        assert_eq!(replica.post("/pessoas", &person).status, 422);
    }
    assert!(replica.stop().success());
    let text = log.text();
    assert!(text.contains(r"forged\u{1b}[2J (P0001)"), "{text}");
    assert!(text.contains("(23514)"), "{text}");
    assert!(!text.contains("Private") && !text.contains('\u{1b}'), "{text}");
    assert!(text.lines().all(|line| !line.contains("ERROR forged") || line.contains("is refused")), "{text}");
}

/// The line of a failure is the user's, without time and level, and comes behind what was logged before.
#[test]
fn the_last_words_come_last() {
    let database = Database::create();
    let mut client = database.client();
    // The oldest migration finds a table of its name.
    client.batch_execute("CREATE TABLE people (id int)").unwrap();
    let (code, out, err) = run(command().env("DATABASE_URL", database.url()));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let last = err.lines().last().unwrap();
    assert!(last.starts_with("pouco: ") && last.contains("people"), "{err}");
    // Where nobody reads them the process ends nevertheless.
    let (_reader, writer) = full_pipe();
    let mut child = command().env("DATABASE_URL", database.url()).stderr(writer).spawn().unwrap();
    let mut status = None;
    eventually("it has ended", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(1));
}

fn panic_on_purpose(_: &mut Request<'_>, _: &mut Response<'_>) {
    panic!("on purpose, in a coroutine")
}

/// Set in the processes that the test below starts of its own program.
const PANICS: &str = "POUCO_TEST_PANICS";
const ENDED: i32 = 9;

/// Panics in a process that ends as soon as the panic is reported.
fn panic_and_end(place: &str) -> ! {
    logging::install(LevelFilter::Info, Format::Json).unwrap();
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(ENDED)
    }));
    if place == "thread" {
        let _ = std::thread::spawn(|| panic!("on purpose, in a thread")).join();
    } else {
        let mut router = Router::new();
        router.route(Method::Get, "/", panic_on_purpose);
        let engine = Engine::start(router, Limits::default());
        engine.targets[0].connect().request("GET", "/", "");
    }
    unreachable!("the process has ended")
}

/// A process may end with its panic, so the message is out before it goes on.
#[test]
fn a_panic_is_a_line_that_gets_out() {
    if let Ok(place) = std::env::var(PANICS) {
        panic_and_end(&place);
    }
    let said_by = |place: &str| {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "logging::a_panic_is_a_line_that_gets_out", "--nocapture"]).env(PANICS, place);
        let (code, _, err) = run(again.env_remove("RUST_BACKTRACE"));
        assert_eq!(code, Some(ENDED), "{err}");
        err
    };
    // A coroutine waits only a moment, which may be too short on a busy machine.
    for (place, tries) in [("thread", 1), ("coroutine", 50)] {
        let first = (0..tries).find_map(|_| said_by(place).lines().next().map(str::to_owned));
        let first = first.unwrap_or_else(|| panic!("{place}: nothing"));
        let first: serde_json::Value = serde_json::from_str(&first).unwrap();
        let message = first["message"].as_str().unwrap();
        assert!(message.contains("panicked at tests/operations/logging.rs:"), "{message}");
        assert!(message.ends_with(&format!("\non purpose, in a {place}")), "{message}");
        assert_eq!(first["level"], "ERROR");
    }
}
