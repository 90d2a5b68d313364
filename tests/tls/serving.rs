//! A replica whose every session is encrypted: its rules leave no other way.

use std::fmt::Write;
use std::time::Duration;

use pouco::database_url::{Mode, Target};
use pouco::store::{Connector, Lane, Pool, Purpose, Session};
use pouco::waiting::Janitor;

use crate::authority::{Authority, Validity, write};
use crate::server::Server;
use crate::support::replica::{command, run};
use crate::support::{Log, Replica, eventually, open_tempdir};

fn person(nick: &str, stack: &str) -> String {
    format!(r#"{{"apelido":"{nick}","nome":"Ana","nascimento":"2000-10-01","stack":[{stack}]}}"#)
}

fn encrypted(server: &Server) -> (i64, i64) {
    let sql =
        "SELECT count(*) FILTER (WHERE ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
               WHERE usename = 'tls_only'";
    let row = server.client().query_one(sql, &[]).unwrap();
    (row.get(0), row.get(1))
}

/// Writer, readers, feed: creations in batches, answers of many records, sessions that are lost.
#[test]
fn every_session_is_encrypted() {
    let server = Server::without_tls();
    server.present(&server.authority.server(&["localhost"], Validity::Now));
    let options = format!("sslmode=verify-full sslrootcert={}", server.root.display());
    let url = server.url("tls_only", &options);
    let seeded = run(command().env("DATABASE_URL", &url).args(["seed", "users", "--rows", "2000"]));
    assert_eq!(seeded.0, Some(0), "{seeded:?}");
    let mut serve = command();
    serve.env("DATABASE_URL", &url).env("POUCO_APIS", "people,users");
    let (one, two) = (Replica::spawn(&mut serve), Replica::spawn(&mut serve));
    let mut stack = String::new();
    (0..120).for_each(|number| write!(stack, "\"language-{number:020}\",").unwrap());
    let stack = stack.trim_end_matches(',');
    std::thread::scope(|scope| {
        for number in 0..16 {
            let one = &one;
            let body = person(&format!("large-{number}"), stack);
            scope.spawn(move || assert_eq!(one.post("/pessoas", &body).status, 201));
        }
    });
    assert_eq!(one.post("/pessoas", &person("large-3", "")).status, 422);
    eventually("the other replica has them", || {
        two.get("/pessoas?t=language-").text().matches("large-").count() == 16
    });
    let page = two.get("/users?limit=100");
    assert_eq!((page.status, page.text().len() > 5_000), (200, true), "{}", page.text());
    let (ssl, all) = encrypted(&server);
    assert!(ssl == all && all >= 6, "{ssl} of {all}");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tls_only'";
    server.client().batch_execute(end).unwrap();
    eventually("it is written to again", || {
        one.post("/pessoas", &person(&format!("late-{}", fastrand::u32(..)), "")).status == 201
    });
    eventually("it is found again", || two.get("/pessoas?t=late-").text().contains("late-"));
    eventually("all are back", || encrypted(&server).1 >= 6);
    let (ssl, all) = encrypted(&server);
    assert_eq!(ssl, all);
    assert_eq!(one.admin.get("/readyz").status, 200);
    assert!(one.stop().success() && two.stop().success());
    // Who leaves says so.
    let log = server.log();
    assert!(!log.contains("could not receive data") && !log.contains("unexpected eof"), "{log}");
}

/// The wish to cancel goes the session's own way; on the other one nobody would take it.
#[test]
fn a_wish_to_cancel_is_encrypted() {
    let server = Server::without_tls();
    server.present(&server.authority.server(&["localhost"], Validity::Now));
    let mut target = Target::from(server.url("tls_only", "").parse::<postgres::Config>().unwrap());
    target.tls.mode = Mode::Require;
    let (connector, janitor) = (Connector::new(target), Janitor::start().unwrap());
    let (pool, threads) = Pool::start(&connector, 1, 16, Duration::from_secs(8), &janitor).unwrap();
    let one = |session: &mut Session| session.query("SELECT 1", &[]).map(drop);
    eventually("it reads", || pool.read(Lane::Scan, one) == Ok(()));
    // It waits for the only connection, so its caller leaves long before Postgres would end it by itself.
    let first = pool.clone();
    let nap = |session: &mut Session| session.query("SELECT pg_sleep(4)", &[]).map(drop);
    let first = std::thread::spawn(move || first.read(Lane::Scan, nap));
    let naps = "SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(4)' AND state = 'active'";
    eventually("the first sleeps", || !server.client().query(naps, &[]).unwrap().is_empty());
    let sleep = |session: &mut Session| session.query("SELECT pg_sleep(3600)", &[]).map(drop);
    assert!(pool.read(Lane::Scan, sleep).is_err());
    assert_eq!(first.join().unwrap(), Ok(()));
    eventually("it is cancelled", || server.log().contains("canceling statement due to user request"));
    eventually("it reads again", || pool.read(Lane::Scan, one) == Ok(()));
    pool.close();
    connector.stop_waiting();
    assert!(threads.join());
}

/// On as much stack as a coroutine of the pool has in optimised code, which needs less than half of what this
/// does: answers and statements of many records.
#[test]
fn a_session_fits_into_a_coroutine_s_stack() {
    const STACK_BYTES: usize = 64 * 1024;
    let server = Server::shared();
    let mut target = Target::from(server.url("tls_only", "").parse::<postgres::Config>().unwrap());
    target.tls.mode = Mode::Require;
    let mut session = Connector::new(target).open(Purpose::Read).unwrap();
    let work = move || {
        let text = "x".repeat(300_000);
        for _ in 0..3 {
            let rows = session.query("SELECT $1::text, generate_series(1, 4)", &[&text]).unwrap();
            assert!(rows.len() == 4 && rows.iter().all(|row| row.get::<_, &str>(0) == text));
        }
        assert!(session.query("SELECT 1 / $1::int", &[&0]).is_err());
        drop(session);
    };
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap();
}

/// A certificate that is replaced in time is read without a restart, and one that cannot be read changes
/// nothing.
#[test]
fn files_are_read_anew() {
    let server = Server::without_tls();
    let folder = open_tempdir();
    let next = Authority::new("the next");
    let root = write(folder.path(), "root.pem", &server.authority.certificate, 0o644);
    server.present(&server.authority.server(&["localhost"], Validity::Now));
    let options = format!("sslmode=verify-full sslrootcert={}", root.display());
    let mut serve = command();
    serve.env("DATABASE_URL", server.url("tls_only", &options)).env("POUCO_APIS", "people");
    let log = Log::of(&mut serve);
    let replica = Replica::spawn_with(&mut serve);
    let lose = || {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tls_only'";
        server.client().batch_execute(end).unwrap();
    };
    write(folder.path(), "root.pem", "nonsense", 0o644);
    lose();
    eventually("it goes on", || replica.post("/pessoas", &person("ana", "")).status != 503);
    eventually("it is told", || log.has("what was read before is used on"));
    server.present(&next.server(&["localhost"], Validity::Now));
    lose();
    eventually("nobody is believed", || log.has("by an authority that is not known here"));
    write(folder.path(), "root.pem", &next.certificate, 0o644);
    eventually("the next is believed", || replica.post("/pessoas", &person("bob", "")).status != 503);
    assert!(replica.stop().success());
}

/// Said once, and only where somebody else might read along.
#[test]
fn plain_text_is_told() {
    let server = Server::without_tls();
    for (options, told) in [("", 1), ("sslmode=disable", 0)] {
        let mut serve = command();
        serve.env("DATABASE_URL", server.url("either", options)).env("POUCO_APIS", "people");
        let log = Log::of(&mut serve);
        let replica = Replica::spawn_with(&mut serve);
        assert_eq!(replica.get("/contagem-pessoas").status, 200);
        assert!(replica.stop().success());
        let text = log.text();
        assert_eq!(text.matches("in plain text").count(), told, "{text}");
    }
}
