//! `pouco check`, and the command line around it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::support::replica::{command, run};
use crate::support::{Database, Replica, Target, eventually};

/// Exit code, and each line's word by its name.
fn check(settings: &[(&str, &str)]) -> (Option<i32>, Vec<(String, String)>, String) {
    let (code, out, _) = run(command().envs(settings.iter().copied()).arg("check"));
    let line = |line: &str| {
        let (word, rest) = line.split_once(' ').unwrap();
        (rest.split_whitespace().next().unwrap().to_owned(), word.to_owned())
    };
    (code, out.lines().map(line).collect(), out)
}

fn word<'l>(lines: &'l [(String, String)], name: &str) -> &'l str {
    let found: Vec<_> = lines.iter().filter(|(known, _)| known == name).collect();
    assert_eq!(found.len(), 1, "{name} in {lines:?}");
    &found[0].1
}

#[test]
fn a_database_is_looked_at_and_left_as_it_is() {
    let database = Database::create();
    let url = database.url();
    let settings = [("DATABASE_URL", url.as_str()), ("POUCO_APIS", "people,users")];
    let (code, lines, out) = check(&settings);
    assert_eq!(code, Some(0), "{out}");
    for name in ["settings", "addresses", "database", "connections", "durability", "tables"] {
        assert_eq!(word(&lines, name), "ok", "{out}");
    }
    assert!(out.contains("not up to date: the start brings them there"), "{out}");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(database.value::<i64>(tables), 0);
    assert_eq!(run(command().envs(settings).arg("migrate")).0, Some(0));
    let (code, lines, out) = check(&settings);
    assert_eq!((code, word(&lines, "tables")), (Some(0), "ok"), "{out}");
    assert!(out.contains("may read and write them"), "{out}");
}

#[test]
fn what_a_role_may_not_do_is_told() {
    let database = Database::create();
    let role = format!("checked_{}", fastrand::u64(..));
    let mut client = database.client();
    client.batch_execute(&format!("CREATE ROLE {role} LOGIN")).unwrap();
    let url = database.url().replace("user=pouco", &format!("user={role}"));
    let settings = [("DATABASE_URL", url.as_str()), ("POUCO_APIS", "people")];
    let (code, lines, out) = check(&settings);
    assert_eq!((code, word(&lines, "tables")), (Some(2), "failed"), "{out}");
    assert!(out.contains("may not create"), "{out}");
    let own = database.url();
    assert_eq!(
        run(command().env("DATABASE_URL", &own).env("POUCO_APIS", "people").arg("migrate")).0,
        Some(0)
    );
    let grants = format!(
        "GRANT SELECT ON api_migrations, schema_migrations TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    );
    client.batch_execute(&grants).unwrap();
    let (code, lines, out) = check(&settings);
    assert_eq!((code, word(&lines, "tables")), (Some(0), "warning"), "{out}");
    assert!(out.contains("may not write to people"), "{out}");
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
}

#[test]
fn what_will_not_do_has_exit_code_2() {
    let database = Database::create();
    let url = database.url().replace("user=pouco", "user=nobody_here password=S3cretWord");
    let (code, lines, out) = check(&[("DATABASE_URL", &url)]);
    assert_eq!((code, word(&lines, "database")), (Some(2), "failed"), "{out}");
    assert!(out.contains("DATABASE_URL: ") && !out.contains("S3cretWord"), "{out}");
    let (code, lines, out) = check(&[("POUCO_LISTEN", "9999"), ("POUCO_APIS", "edge")]);
    assert_eq!((code, word(&lines, "settings")), (Some(2), "failed"), "{out}");
    assert!(out.contains("POUCO_LISTEN=`9999` is not allowed"), "{out}");
    let (code, lines, out) = check(&[("POUCO_LISTEN", "unix:/nowhere/at/all.sock"), ("POUCO_APIS", "edge")]);
    assert_eq!((code, word(&lines, "addresses")), (Some(2), "failed"), "{out}");
}

#[test]
fn a_machine_that_allows_less_is_a_warning() {
    let program = command();
    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 1000; exec \"$0\" check"]).arg(program.get_program());
    few.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    few.env("POUCO_APIS", "edge").env("POUCO_MAX_CONNECTIONS", "1000000");
    let (code, out, err) = run(&mut few);
    assert_eq!(code, Some(0), "{out}{err}");
    let line = out.lines().find(|line| line.contains("descriptors")).unwrap();
    assert!(line.starts_with("warning ") && line.contains("1000 are allowed"), "{out}");
    assert!(out.lines().any(|line| line.starts_with("ok      database ")), "{out}");
}

#[test]
fn an_address_that_a_replica_has_is_a_warning() {
    let replica = Replica::spawn(command().env("POUCO_APIS", "edge"));
    let Target::Tcp(address) = &replica.api else { panic!("tcp") };
    let (code, lines, out) = check(&[("POUCO_APIS", "edge"), ("POUCO_LISTEN", address)]);
    assert_eq!((code, word(&lines, "addresses")), (Some(0), "warning"), "{out}");
    eventually("it serves on", || replica.get("/healthz").status == 200);
}

#[test]
fn each_command_has_a_help() {
    for name in ["serve", "check", "migrate", "seed", "health", "count"] {
        for flag in ["--help", "-h"] {
            let (code, out, err) = run(command().args([name, flag]));
            assert_eq!((code, err.as_str()), (Some(0), ""), "{name}");
            assert!(
                out.starts_with(&format!("usage: pouco {name}")) && out.contains("POUCO_LISTEN"),
                "{out}"
            );
        }
    }
    for (words, said) in [
        (&["serve", "fast"][..], "pouco: `fast` is not an argument of serve; see pouco serve --help\n"),
        (&["dance", "--help"], "pouco: `dance` is not a command; see pouco --help\n"),
    ] {
        assert_eq!(run(command().args(words)), (Some(2), String::new(), said.to_owned()));
    }
}

#[test]
fn an_argument_that_is_no_text_is_one_line() {
    let (code, out, err) = run(command().arg(OsStr::from_bytes(b"serve\xff\x1b[2J")));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(err, "pouco: an argument is not UTF-8: `serve\u{fffd}\\u{1b}[2J`\n");
}
