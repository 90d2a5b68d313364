//! Starts on a database that is not all that could be wished for, and the terminal that goes away.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::replica::{command, run};
use crate::support::{Database, Log, Replica, eventually, open_tempdir};

const ANA: &str = r#"{"apelido":"ana","nome":"Ana","nascimento":"2000-10-01","stack":null}"#;
const BOB: &str = r#"{"apelido":"bob","nome":"Bob","nascimento":"2000-10-01","stack":null}"#;

#[test]
fn a_role_that_may_not_create_serves_tables_that_are_there() {
    let database = Database::create();
    let migrated = run(command().env("DATABASE_URL", database.url()).arg("migrate"));
    assert_eq!(migrated.0, Some(0), "{migrated:?}");
    // Roles are the cluster's, which other tests use too.
    let role = format!("served_{}", fastrand::u64(..));
    let grants = format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA public TO {role};
         GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {role}"
    );
    database.execute(&grants);
    let url = database.url().replace("user=pouco", &format!("user={role}"));
    let mut serve = command();
    let replica = Replica::spawn(serve.env("DATABASE_URL", url).env("POUCO_APIS", "people"));
    assert_eq!(replica.post("/pessoas", ANA).status, 201);
    assert_eq!(replica.get("/contagem-pessoas").text(), "1");
    eventually("it is found", || replica.get("/pessoas?t=ana").text().contains("Ana"));
    drop(replica);
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_server_that_is_read_only_serves_reads() {
    let database = Database::create();
    let settings = [("POUCO_APIS", "people"), ("POUCO_COMMIT_DEADLINE_MS", "300")];
    let replica = Replica::start_with(&database, &settings[..1]);
    let created = replica.post("/pessoas", ANA);
    let path = created.header("location").unwrap().to_owned();
    drop(replica);
    let alter = |what: &str| {
        database.set(what);
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'pouco'",
        );
    };
    alter("SET default_transaction_read_only = on");
    let replica = Replica::start_with(&database, &settings);
    assert_eq!(replica.get(&path).json()["nome"], "Ana");
    assert_eq!(replica.get("/contagem-pessoas").text(), "1");
    let refused = replica.post("/pessoas", BOB);
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true));
    alter("RESET default_transaction_read_only");
    eventually("it is written to again", || replica.post("/pessoas", BOB).status == 201);
}

/// A wrong role and a database that is not there: nobody waits for ever for what does not pass.
#[test]
fn a_refusal_that_does_not_pass_ends_the_start() {
    let database = Database::create();
    let right = database.url();
    let name = right.rsplit_once("dbname=").unwrap().1;
    for (url, code) in [
        (right.replace(name, "nowhere"), "3D000"),
        (right.replace("user=pouco", "user=nobody_here password=S3cretWord"), "28000"),
    ] {
        let (exit, out, err) = run(command().env("DATABASE_URL", url));
        assert_eq!((exit, out.as_str()), (Some(1), ""), "{err}");
        let last = err.lines().last().unwrap();
        assert!(last.starts_with("pouco: DATABASE_URL: ") && last.contains(code), "{err}");
        assert!(!err.contains("S3cretWord"), "{err}");
    }
}

/// ... but a server that makes its roles only now is waited for.
#[test]
fn a_role_that_is_being_made_is_waited_for() {
    let database = Database::create();
    let role = format!("late_{}", fastrand::u64(..));
    let mut late = command();
    late.env("DATABASE_URL", database.url().replace("user=pouco", &format!("user={role}")));
    let log = Log::of(&mut late);
    let replica = std::thread::spawn(move || Replica::spawn_with(&mut late));
    let mut client = database.client();
    eventually("it waits", || log.has("waiting for Postgres"));
    client.batch_execute(&format!("CREATE ROLE {role} LOGIN SUPERUSER")).unwrap();
    let replica = replica.join().unwrap();
    assert_eq!(replica.post("/pessoas", ANA).status, 201);
    drop(replica);
    client.batch_execute(&format!("REASSIGN OWNED BY {role} TO pouco; DROP ROLE {role}")).unwrap();
}

/// A program that env(1) starts, whatever whoever started the tests wants of SIGHUP.
fn with_hang_ups(wish: &str, words: &[&str]) -> Command {
    let mut started = Command::new("env");
    started.arg(format!("--{wish}-signal=HUP")).args(words);
    started.envs(command().get_envs().filter_map(|(name, value)| Some((name, value?))));
    started
}

fn program() -> String {
    command().get_program().to_str().unwrap().to_owned()
}

/// Without a terminal that could go away, SIGHUP asks to read the settings anew (daemon(7)).
#[test]
fn a_hang_up_without_a_terminal_ends_nothing() {
    let database = Database::create();
    let mut serve = with_hang_ups("default", &["setsid", &program()]);
    let log = Log::of(serve.env("DATABASE_URL", database.url()));
    let replica = Replica::spawn_with(&mut serve);
    replica.signal(Signal::HUP);
    eventually("it is logged", || log.has("SIGHUP"));
    assert_eq!(replica.post("/pessoas", ANA).status, 201);
    assert!(replica.stop().success());
}

/// Whoever operates it changes the level without a restart.
#[test]
fn a_hang_up_without_a_terminal_reads_the_level_anew() {
    let folder = open_tempdir();
    let level = folder.path().join("level");
    std::fs::write(&level, "warn\n").unwrap();
    let mut serve = with_hang_ups("default", &["setsid", &program()]);
    serve.env("POUCO_APIS", "edge").env("POUCO_LOG_LEVEL_FILE", &level).env("POUCO_LOG", "error");
    let log = Log::of(&mut serve);
    let replica = Replica::spawn_with(&mut serve);
    for (text, expected) in [
        ("debug", "the level of the log is DEBUG, it was WARN"),
        ("loud", "the level of the log stays: POUCO_LOG_LEVEL_FILE="),
        ("info\n", "the level of the log is INFO, it was DEBUG"),
        ("error", "the level of the log is ERROR, it was INFO"),
    ] {
        std::fs::write(&level, text).unwrap();
        replica.signal(Signal::HUP);
        eventually(expected, || log.has(expected));
    }
    assert!(replica.stop().success());
    assert!(!log.has("stopping"), "{}", log.text());
    // A start without its file is refused.
    std::fs::remove_file(&level).unwrap();
    let (exit, _, err) = run(command().env("POUCO_LOG_LEVEL_FILE", &level));
    assert_eq!(exit, Some(2));
    assert!(err.starts_with("pouco: POUCO_LOG_LEVEL_FILE="), "{err}");
}

/// nohup(1) has it ignored, and so it stays.
#[test]
fn a_hang_up_that_is_ignored_stays_so() {
    let database = Database::create();
    let mut serve = with_hang_ups("ignore", &[&program()]);
    let replica = Replica::spawn(serve.env("DATABASE_URL", database.url()));
    let status = std::fs::read_to_string(format!("/proc/{}/status", replica.pid().as_raw_nonzero())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 1, 1, "{ignored}");
    replica.signal(Signal::HUP);
    assert_eq!(replica.post("/pessoas", ANA).status, 201);
    assert!(replica.stop().success());
}

#[test]
fn a_terminal_that_goes_away_ends_it_in_order() {
    let database = Database::create();
    let folder = open_tempdir();
    let file = |name: &str| folder.path().join(name);
    let within = format!("exec {} >{} 2>{}", program(), file("out").display(), file("log").display());
    // script(1) has the other end of the terminal.
    let mut terminal = with_hang_ups("default", &["script", "-q", "-e", "-c", &within, "/dev/null"]);
    terminal.stdin(Stdio::null()).stdout(Stdio::null());
    let mut terminal = terminal.env("DATABASE_URL", database.url()).process_group(0).spawn().unwrap();
    let says =
        |name: &str, what: &str| std::fs::read_to_string(file(name)).is_ok_and(|text| text.contains(what));
    eventually("it serves", || says("out", "stop:"));
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    eventually("it ends in order", || says("log", "INFO  stopped"));
}

/// A Postgres that loses commits when its machine crashes is told of once, or refused.
#[test]
fn a_server_that_can_lose_commits_is_told_of_or_refused() {
    let database = Database::create_with(&["fsync=off", "full_page_writes=off"]);
    database.set("SET synchronous_commit = off");
    let mut serve = command();
    let log = Log::of(serve.env("DATABASE_URL", database.url()));
    let replica = Replica::spawn_with(&mut serve);
    assert_eq!(replica.post("/pessoas", ANA).status, 201);
    // Lost sessions are opened anew, and say nothing new.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pouco'";
    database.execute(end);
    eventually("it is written to again", || replica.post("/pessoas", BOB).status == 201);
    assert!(replica.stop().success());
    let said = log.text();
    assert_eq!(said.matches("fsync and full_page_writes are off in Postgres").count(), 1, "{said}");
    assert_eq!(said.matches("synchronous_commit is too weak").count(), 1, "{said}");

    let refused = |words: &[&str]| {
        let mut refused = command();
        run(refused.env("DATABASE_URL", database.url()).env("POUCO_DURABILITY", "refuse").args(words))
    };
    for words in [&[][..], &["migrate"]] {
        let (exit, out, err) = refused(words);
        assert_eq!((exit, out.as_str()), (Some(1), ""), "{err}");
        let last = err.lines().last().unwrap();
        assert!(
            last.contains("fsync and full_page_writes are off, so what is committed may be lost"),
            "{err}"
        );
    }
}
