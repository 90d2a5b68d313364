//! Files that cannot be used, and secrets that are in files: one line each that names the setting.

use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::authority::write;
use crate::server::{PASSWORD, Server, count, counts, refuses};
use crate::support::replica::{command, run};
use crate::support::{Log, Replica, open_tempdir};

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let server = Server::shared();
    let folder = server.folder.path();
    let identity = server.authority.client("by_certificate");
    let another = server.authority.client("by_certificate");
    let file = |name: &str, text: &str, mode| write(folder, name, text, mode).display().to_string();
    let certificate = file("files.pem", &identity.certificate, 0o644);
    let key = file("files.key", &identity.key, 0o600);
    let open = file("open.key", &identity.key, 0o644);
    let other = file("other-files.key", &another.key, 0o600);
    let junk = file("junk.pem", "S3cret nonsense\n", 0o600);
    let broken = "-----BEGIN PRIVATE KEY-----\nS3cret!\n-----END PRIVATE KEY-----\n";
    let broken = file("broken.key", broken, 0o600);
    let locked = broken_by_password();
    let locked = file("locked.key", &locked, 0o600);
    let long = file("long.pem", &"x".repeat(2 << 20), 0o644);
    let folder = folder.display();
    for (options, why) in [
        (format!("sslmode=verify-ca sslrootcert={folder}/nowhere.pem"), "nowhere.pem: No such file"),
        (format!("sslmode=verify-ca sslrootcert={folder}"), "directory"),
        (format!("sslmode=verify-ca sslrootcert={junk}"), "no certificate in it"),
        (format!("sslmode=verify-ca sslrootcert={long}"), "more than 1048576 bytes"),
        (format!("sslcert={certificate} sslkey={folder}/nowhere.key"), "sslkey="),
        (format!("sslcert={certificate} sslkey={open}"), "permissions have to be 600"),
        (format!("sslcert={certificate} sslkey={other}"), "is not the key of sslcert="),
        (format!("sslcert={certificate} sslkey={junk}"), "no private key in it"),
        (format!("sslcert={certificate} sslkey={broken}"), "no private key in it"),
        (format!("sslcert={certificate} sslkey={locked}"), "not encrypted by a password"),
        (format!("sslcert={key} sslkey={key}"), "no certificate in it"),
        (format!("passfile={folder}/nowhere"), "PGPASSFILE="),
        (format!("passfile={open}"), "permissions have to be 600"),
    ] {
        refuses(&server.url("either", &options), why);
    }
}

/// As `openssl pkcs8` writes it.
fn broken_by_password() -> String {
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGjMF8=\n-----END ENCRYPTED PRIVATE KEY-----\n".to_owned()
}

#[test]
fn a_password_comes_from_a_file() {
    let server = Server::shared();
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    let line = |host: &str, password: &str| format!("{host}:{}:pouco:by_password:{password}\n", server.port);
    let text = format!("# S3cret\n{}{}", line("elsewhere", "S3cret-wrong"), line("localhost", &escaped));
    let passfile = write(server.folder.path(), "passwords", &text, 0o600);
    counts(&server.url("by_password", &format!("passfile={}", passfile.display())));
    with_passfile(&server.url("by_password", "sslmode=require channel_binding=require"), &passfile, 0);
    // A password in the URL counts more.
    with_passfile(&server.url("by_password", "password=S3cret-other"), &passfile, 1);
    with_passfile(&server.url_as("127.0.0.1", "by_password", ""), &passfile, 2);
}

/// Each character that ASCII shows, and others: in both forms of `DATABASE_URL`, and in a file.
#[test]
fn a_password_may_have_any_characters() {
    let server = Server::shared();
    let password: String = "S3cret".chars().chain(' '..='~').chain("é日".chars()).collect();
    let quoted = password.replace('\'', "''");
    let role = format!("CREATE ROLE by_any LOGIN SUPERUSER PASSWORD '{quoted}'");
    server.client().batch_execute(&role).unwrap();

    let encoded = utf8_percent_encode(&password, NON_ALPHANUMERIC).to_string();
    let url = |password: &str| {
        let place = format!("localhost:{}/pouco?hostaddr=127.0.0.1&sslmode=require", server.port);
        format!("postgres://by_any:{password}@{place}")
    };
    counts(&url(&encoded));
    let escaped = password.replace('\\', "\\\\").replace('\'', "\\'");
    counts(&server.url("by_any", &format!("password='{escaped}'")));
    let line = password.replace('\\', "\\\\").replace(':', "\\:");
    let line = format!("localhost:{}:pouco:by_any:{line}\n", server.port);
    let passfile = write(server.folder.path(), "any", &line, 0o600);
    counts(&server.url("by_any", &format!("passfile={}", passfile.display())));
    let file = write(server.folder.path(), "any-url", &format!("{}\n", url(&encoded)), 0o600);
    let (code, _, err) = run(command().env("DATABASE_URL_FILE", file).args(["count", "people"]));
    assert_eq!(code, Some(0), "{err}");
    // One character less is another password.
    let (code, said) = count(&url(&encoded[..encoded.len() - 9]));
    assert!(code == Some(1) && said.contains("28P01"), "{code:?} {said}");
}

/// The environment and the words of a process can be read by others, its log by more.
#[test]
fn a_url_from_a_file_is_shown_nowhere() {
    let server = Server::shared();
    let password = PASSWORD.replace('\\', "\\\\");
    let url = server.url("by_password", &format!("sslmode=require password='{password}'"));
    let folder = open_tempdir();
    let file = write(folder.path(), "url", &format!("{url}\r\n"), 0o600);
    let mut serve = command();
    serve.env("DATABASE_URL_FILE", &file).env("POUCO_APIS", "people").env("POUCO_LOG", "debug");
    let log = Log::of(&mut serve);
    let replica = Replica::spawn_with(&mut serve);
    assert_eq!(replica.get("/contagem-pessoas").status, 200);
    let process = format!("/proc/{}", replica.pid().as_raw_nonzero());
    for shown in
        [format!("{process}/cmdline"), format!("{process}/environ"), log.path().display().to_string()]
    {
        let text = String::from_utf8_lossy(&std::fs::read(&shown).unwrap()).into_owned();
        assert!(!text.contains("S3cret"), "{shown}: {text}");
    }
    assert!(replica.stop().success());
    for (settings, why) in [
        (
            vec![("DATABASE_URL_FILE", "/nowhere")],
            "DATABASE_URL_FILE=`/nowhere` is not allowed: No such file",
        ),
        (vec![("DATABASE_URL_FILE", file.to_str().unwrap()), ("DATABASE_URL", &url)], "DATABASE_URL is set"),
    ] {
        let (code, out, err) = run(command().envs(settings));
        assert_eq!((code, out.as_str(), err.lines().count()), (Some(2), "", 1), "{err}");
        assert!(err.contains(why) && !err.contains("S3cret"), "{err}");
    }
}

fn with_passfile(url: &str, passfile: &Path, expected: i32) {
    let mut count = command();
    count.env("DATABASE_URL", url).env("PGPASSFILE", passfile).args(["count", "people"]);
    let (code, _, err) = run(&mut count);
    assert!(code == Some(expected) && !err.contains("S3cret"), "{url}: {code:?} {err}");
}
