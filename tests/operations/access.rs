//! The access log and the names of requests, of the real program: what stands in a line and what does not,
//! that answer and lines have the same name, and that a standard error which nobody reads holds up nothing.

use serde_json::Value;

use super::logging::full_pipe;
use crate::support::replica::command;
use crate::support::{Answer, Database, Log, Replica};

const ANA: &str = r#"{"apelido":"ana","nome":"Ana","nascimento":"2000-10-01","stack":null}"#;
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A replica whose log is read when it has ended.
struct Logged {
    database: Database,
    replica: Replica,
    log: Log,
}

impl Logged {
    fn start(settings: &[(&str, &str)]) -> Self {
        let database = Database::create();
        let mut command = command();
        command
            .env("DATABASE_URL", database.url())
            .env("POUCO_APIS", "people")
            .envs(settings.iter().copied());
        let log = Log::of(&mut command);
        Self { database, replica: Replica::spawn_with(&mut command), log }
    }

    /// Sends a request with these field lines.
    fn ask(&self, method: &str, target: &str, fields: &str) -> Answer {
        let mut connection = self.replica.api.connect();
        connection.send(format!("{method} {target} HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
        connection.answer_to(method)
    }

    /// What it has logged, to its end.
    fn text(self) -> String {
        assert!(self.replica.stop().success());
        self.log.text()
    }

    /// The same as objects, and of those the lines of requests.
    fn lines(self) -> (Vec<Value>, Vec<Value>) {
        let all = self.text();
        let all: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of_requests = all.iter().filter(|line| line["target"] == "pouco::access").cloned().collect();
        (all, of_requests)
    }
}

fn members(line: &Value) -> Vec<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn nothing_is_told_of_requests_unless_that_is_asked_for() {
    let logged = Logged::start(&[]);
    let answer =
        logged.ask("GET", "/contagem-pessoas", &format!("x-request-id: a\r\ntraceparent: {PARENT}\r\n"));
    assert_eq!((answer.status, answer.header("x-request-id")), (200, None));
    assert_eq!(answer.header("traceparent"), None);
    let text = logged.text();
    assert!(!text.contains("access") && !text.contains("contagem"), "{text}");
}

#[test]
fn a_line_has_nothing_personal() {
    let logged = Logged::start(&[("POUCO_ACCESS_LOG", "all"), ("POUCO_LOG_FORMAT", "json")]);
    let created = logged.replica.post("/pessoas", ANA);
    let path = created.header("location").unwrap().to_owned();
    let private = "user-agent: Private\r\nauthorization: Private\r\ncookie: Private\r\n";
    assert_eq!(logged.ask("GET", &path, private).status, 200);
    assert_eq!(logged.ask("GET", "/pessoas?t=Private", private).status, 200);
    assert_eq!(logged.ask("GET", "/Private", private).status, 404);
    let (all, lines) = logged.lines();
    let told: Vec<_> = lines.iter().map(|line| (&line["method"], &line["route"], &line["status"])).collect();
    let expected = [
        ("POST", "/pessoas", 201),
        ("GET", "/pessoas/{id}", 200),
        ("GET", "/pessoas", 200),
        ("GET", "other", 404),
    ];
    let expected = expected.map(|(method, route, status)| (method.into(), route.into(), status.into()));
    assert_eq!(told, expected.each_ref().map(|(method, route, status)| (method, route, status)));
    for line in &lines {
        let expected =
            ["bytes", "duration_us", "level", "message", "method", "route", "status", "target", "time"];
        assert_eq!(members(line), expected);
        assert!(line["bytes"].as_u64().unwrap() > 80 && line["duration_us"].is_u64(), "{line}");
    }
    let text = format!("{all:?}");
    let id = path.rsplit('/').next().unwrap();
    for private in ["Private", "127.0.0.1", "ana", id] {
        assert!(!text.contains(private), "{private} in {text}");
    }
}

#[test]
fn what_is_asked_for_stands_in_a_line() {
    let settings = [("POUCO_ACCESS_LOG", "all"), ("POUCO_ACCESS_LOG_DETAILS", "path, query,client,agent")];
    let logged = Logged::start(&settings);
    let fields = "user-agent: a \"b\"\r\n";
    assert_eq!(logged.ask("GET", "/pessoas?t=x%20y", fields).status, 200);
    assert_eq!(logged.ask("DELETE", "/nowhere", "user-agent: \u{1b}[2J\u{202e}\r\n").status, 400);
    let long = format!("/{}", "x".repeat(2_000));
    assert_eq!(logged.ask("GET", &long, "").status, 404);
    let text = logged.text();
    let line = text.lines().find(|line| line.contains("INFO  access method=GET route=/pessoas ")).unwrap();
    assert!(line.ends_with(r#" path=/pessoas query="t=x%20y" client=127.0.0.1 agent="a \"b\"""#), "{line}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    assert!(text.contains(&format!(" path={} ", &long[..512])), "{text}");
}

#[test]
fn answer_and_lines_have_the_same_name() {
    let settings =
        [("POUCO_ACCESS_LOG", "errors"), ("POUCO_REQUEST_IDS", "on"), ("POUCO_LOG_FORMAT", "json")];
    let logged = Logged::start(&settings);
    let rename = |from: &str, to: &str| {
        logged.database.execute(&format!("ALTER TABLE {from} RENAME TO {to}"));
    };
    assert_eq!(logged.ask("GET", "/contagem-pessoas", "x-request-id: fine\r\n").status, 200);
    rename("people", "hidden");
    let fields = format!("X-Request-ID: proxy-7\r\nTraceParent: {PARENT}\r\n");
    let refused = logged.ask("GET", "/contagem-pessoas", &fields);
    assert_eq!((refused.status, refused.header("x-request-id")), (503, Some("proxy-7")));
    let passed = refused.header("traceparent").unwrap().to_owned();
    assert!(
        passed.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && passed.ends_with("-01"),
        "{passed}"
    );
    assert_ne!(passed, PARENT);
    // Whatever is not harmless, or not one, is replaced.
    for fields in ["x-request-id: a b\r\n", "x-request-id: a\r\nx-request-id: b\r\n", "traceparent: 00-0\r\n"]
    {
        let refused = logged.ask("GET", "/contagem-pessoas", fields);
        let id = refused.header("x-request-id").unwrap();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_eq!(refused.header("traceparent"), None);
    }
    rename("hidden", "people");
    let (all, lines) = logged.lines();
    assert_eq!(lines.len(), 4, "those of errors alone: {lines:?}");
    let named: Vec<_> = all.iter().filter(|line| line["request_id"] == "proxy-7").collect();
    // The line of the pool's coroutine that has failed, and that of the request.
    assert_eq!(named.len(), 2, "{all:?}");
    assert!(named[0]["message"].as_str().unwrap().starts_with("a read failed"), "{named:?}");
    assert_eq!((&named[1]["status"], &named[1]["target"]), (&503.into(), &"pouco::access".into()));
    for line in named {
        assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(line["span_id"].as_str(), passed.split('-').nth(2));
    }
    // Nobody else's line has a name.
    let of_all = all.iter().filter(|line| line.get("request_id").is_some()).count();
    assert_eq!(of_all, 8, "{all:?}");
}

/// A row goes to Postgres with those of others, and is refused alone.
#[test]
fn what_the_writer_says_of_one_row_has_the_name_of_its_request() {
    let logged = Logged::start(&[("POUCO_REQUEST_IDS", "on")]);
    let check = "ALTER TABLE people ADD CHECK (apelido <> 'ana')";
    logged.database.execute(check);
    let length = ANA.len();
    let answer = logged.ask(
        "POST",
        "/pessoas",
        &format!("x-request-id: row-1\r\ncontent-length: {length}\r\n\r\n{ANA}"),
    );
    assert_eq!((answer.status, answer.header("x-request-id")), (422, Some("row-1")));
    let text = logged.text();
    let line = text.lines().find(|line| line.contains("is refused")).unwrap();
    assert!(line.ends_with(" request_id=row-1"), "{line}");
}

/// Also where the engine answers by itself, and whoever sends more than one request at a time.
#[test]
fn every_answer_has_a_name() {
    let logged = Logged::start(&[("POUCO_REQUEST_IDS", "on"), ("POUCO_ACCESS_LOG", "all")]);
    let mut connection = logged.replica.api.connect();
    let request =
        |id: &str| format!("GET /contagem-pessoas HTTP/1.1\r\nhost: a\r\nx-request-id: {id}\r\n\r\n");
    connection.send(request("one") + &request("two") + &request("three"));
    for id in ["one", "two", "three"] {
        assert_eq!(connection.answer().header("x-request-id"), Some(id));
    }
    let body = |id: &str| {
        format!(
            "POST /pessoas HTTP/1.1\r\nhost: a\r\nx-request-id: {id}\r\ncontent-length: {}\r\n\r\n",
            ANA.len()
        )
    };
    connection.send(body("four"));
    connection.send(ANA);
    assert_eq!(connection.answer_to("POST").header("x-request-id"), Some("four"));
    for (target, status) in [("/nowhere", 404), ("*", 400)] {
        let answer = logged.ask("GET", target, "x-request-id: five\r\n");
        assert_eq!(answer.status, status);
        assert!(answer.header("x-request-id").is_some(), "{}", answer.text());
    }
    let options = logged.ask("OPTIONS", "/pessoas", "x-request-id: six\r\n");
    assert_eq!((options.status, options.header("x-request-id")), (204, Some("six")));
    connection.send("GET / HTTP/1.1\r\nno field\r\n\r\n");
    let refused = connection.answer();
    assert_eq!((refused.status, refused.header("x-request-id").unwrap().len()), (400, 32));
    let text = logged.text();
    let line = text.lines().find(|line| line.contains("method=other route=other status=400")).unwrap();
    assert!(line.contains(" request_id="), "{line}");
    for id in ["one", "two", "three", "four", "six"] {
        assert_eq!(text.matches(&format!("request_id={id}\n")).count(), 1, "{id}: {text}");
    }
}

#[test]
fn one_request_in_so_many_is_sampled_and_every_error() {
    let settings = [("POUCO_ACCESS_LOG", "sampled"), ("POUCO_ACCESS_LOG_ONE_IN", "10")];
    let logged = Logged::start(&settings);
    let mut connection = logged.replica.api.connect();
    for _ in 0..1_000 {
        assert_eq!(connection.request("GET", "/pessoas?t=x", "").status, 200);
    }
    logged.database.execute("ALTER TABLE people RENAME TO hidden");
    for _ in 0..10 {
        assert_eq!(connection.request("GET", "/contagem-pessoas", "").status, 503);
    }
    let text = logged.text();
    let count = |status: &str| text.matches(&format!("access method=GET route=/{status}")).count();
    let sampled = count("pessoas status=200");
    // 100 are expected; 50 and 160 are more than five deviations from that.
    assert!((50..160).contains(&sampled), "{sampled}");
    assert_eq!(count("contagem-pessoas status=503"), 10);
}

#[test]
fn lines_that_nobody_reads_hold_up_no_request() {
    let database = Database::create();
    let (_reader, writer) = full_pipe();
    let mut command = command();
    command.env("DATABASE_URL", database.url()).env("POUCO_ACCESS_LOG", "all");
    let replica = Replica::spawn_with(command.stderr(writer));
    let mut api = replica.api.connect();
    let dropped = || replica.metric("pouco_access_log_lines_dropped_total ");
    let mut asked = 0;
    while dropped() == 0 {
        for _ in 0..100 {
            assert_eq!(api.request("GET", "/contagem-pessoas", "").status, 200);
        }
        asked += 100;
        assert!(asked < 20_000, "none of {asked} lines was dropped");
    }
    // There is room for those that somebody waits for.
    assert_eq!(replica.metric("pouco_log_lines_dropped_total "), 0);
}
