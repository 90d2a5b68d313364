//! The contestants of the scenarios: a statement an answer, and, where they are told to, lies in each of
//! them; or all that made figures of the original the wrong ones, at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use postgres::types::ToSql;
use postgres::{Client, NoTls};
use serde_json::{Value, json};

use crate::listen::{self, Request, variable};
use crate::tiny_advanced::{self, Caches};

pub(crate) const USER: &str = "json_build_object('id', id, 'name', name, 'email', email, 'created_at',
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))";
const GROWS: &str = "INSERT INTO users (name, email)
    VALUES ('Grown', 'grown' || gen_random_uuid() || '@example.com') RETURNING email";
const READS: &str = "SELECT email FROM users LIMIT 1";
const READS_AS_ORIGINAL: usize = 10;
const SHORT: Duration = Duration::from_millis(1);
const EXTERNAL: Duration = Duration::from_millis(100);
/// More clients than there are but for the spike.
const MANY: usize = 15;
const SLOW: Duration = Duration::from_secs(6);

pub(crate) struct Tiny {
    database: Mutex<Client>,
    lies: bool,
    /// Of its many, in the advanced scenarios.
    pub(crate) lie: String,
    pub(crate) caches: Mutex<Caches>,
    /// There were many clients once.
    is_slow: AtomicBool,
    /// Shows its statements, refuses with a 200, closes each connection, and writes a row where it is to look
    /// at a token.
    as_original: bool,
    /// For the connection: up to [`SHORT`], and longer ones.
    waits: [AtomicU64; 2],
}

/// A status and a body.
pub(crate) type Answer = (u16, String);

#[test]
#[ignore = "a server that the contest starts, and no test"]
fn serve() {
    let mut database = Client::connect(&variable("POUCO_LAB_TEST_DATABASE"), NoTls).unwrap();
    database.batch_execute("SET search_path TO bench").unwrap();
    let lies = variable("TINY_LIES");
    let as_original = lies == "as-original";
    let lie = std::env::var("TINY_LIE").unwrap_or_default();
    let tiny = Tiny {
        database: Mutex::new(database),
        lies: lies == "yes",
        lie,
        caches: Mutex::default(),
        is_slow: AtomicBool::default(),
        as_original,
        waits: Default::default(),
    };
    listen::serve(move |request| {
        tiny.wait_in_line();
        let (status, body) = tiny.answer(request).unwrap_or_else(|| told(404, &json!({"detail": "nothing"})));
        let body = if status == 204 { String::new() } else { body };
        let status = if as_original && status >= 400 { 200 } else { status };
        let kept = if as_original { "connection: close\r\n" } else { "" };
        (status, format!("content-type: application/json\r\n{kept}"), body)
    });
}

impl Tiny {
    /// Whoever stays slow is so for ever once it has had many clients at a time.
    fn wait_in_line(&self) {
        if listen::connections() > MANY && self.lie == "stays slow" {
            self.is_slow.store(true, Ordering::Relaxed);
        }
        if self.is_slow.load(Ordering::Relaxed) {
            std::thread::sleep(SLOW);
        }
    }

    /// Nothing where there is no such thing.
    fn answer(&self, request: &Request) -> Option<Answer> {
        let lie = self.lies;
        if let Some(answer) = tiny_advanced::answer(self, request) {
            return Some(answer);
        }
        Some(match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/health") => {
                told(200, &json!({"status": if lie { "up" } else { "ok" }, "server": "tiny"}))
            }
            ("POST", "/echo") => echo(&request.body, lie),
            ("GET", "/users") => (200, self.list(lie)?),
            ("POST", "/users") => self.create(&request.body, lie)?,
            ("GET", "/external") => external(lie),
            ("GET", "/protected") => {
                if self.as_original {
                    self.column(GROWS, &[])?;
                    // Enough to be seen, however few requests a busy machine has time for.
                    (0..READS_AS_ORIGINAL).try_for_each(|_| self.column(READS, &[]).map(drop))?;
                }
                protected(&request.authorization, lie)
            }
            ("GET", "/waits") => (200, self.waits()),
            ("POST", "/upload") => upload(&request.body, lie),
            (method, path) => {
                self.user(method, path.strip_prefix("/users/")?.parse().ok()?, &request.body)?
            }
        })
    }

    fn list(&self, lie: bool) -> Option<String> {
        let limit = if lie { 100 } else { i64::MAX };
        let page = "SELECT * FROM users ORDER BY id LIMIT $1";
        self.column(
            &format!("SELECT coalesce(json_agg({USER}), '[]')::text FROM ({page}) AS page"),
            &[&limit],
        )
    }

    fn create(&self, body: &[u8], lie: bool) -> Option<Answer> {
        let Some((name, email)) = named(body) else { return Some(refused()) };
        if lie {
            return Some(told(201, &json!({"id": 1_000_000, "name": name, "email": email})));
        }
        let insert = "INSERT INTO users (name, email) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let created = self.column(&format!("{insert} RETURNING {USER}::text"), &[&name, &email]);
        Some(created.map_or_else(refused, |user| (201, user)))
    }

    pub(crate) fn user(&self, method: &str, id: i64, body: &[u8]) -> Option<Answer> {
        let column = |statement: &str, values: &[&(dyn ToSql + Sync)]| {
            self.column(&format!("{statement} WHERE id = $1 RETURNING {USER}::text"), values)
        };
        match method {
            "GET" => self.column(&format!("SELECT {USER}::text FROM users WHERE id = $1"), &[&id]),
            "DELETE" => column("DELETE FROM users", &[&id]),
            "PUT" => {
                let Some((name, email)) = named(body) else { return Some(refused()) };
                column("UPDATE users SET name = $2, email = $3", &[&id, &name, &email])
            }
            _ => None,
        }
        .map(|user| (if method == "DELETE" { 204 } else { 200 }, user))
    }

    fn waits(&self) -> String {
        let [short, long] = self.waits.each_ref().map(|count| count.load(Ordering::Relaxed));
        let bucket = |le, count| format!("wait_seconds_bucket{{le=\"{le}\"}} {count}\n");
        bucket("0.001", short) + &bucket("+Inf", short + long)
    }

    /// The one column of the one row, a document. Nothing where the statement is refused, too.
    pub(crate) fn column(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Option<String> {
        if self.as_original {
            eprintln!("INFO {statement}\nINFO {} parameters", values.len());
        }
        let began = Instant::now();
        let mut database = self.database.lock().unwrap();
        self.waits[usize::from(began.elapsed() > SHORT)].fetch_add(1, Ordering::Relaxed);
        database.query_opt(statement, values).ok()??.try_get(0).ok()
    }
}

pub(crate) fn told(status: u16, document: &Value) -> Answer {
    (status, document.to_string())
}

fn refused() -> Answer {
    told(400, &json!({"detail": "this is not allowed"}))
}

fn named(body: &[u8]) -> Option<(String, String)> {
    let user: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| user[name].as_str().map(str::to_owned);
    Some((text("name")?, text("email")?))
}

fn echo(body: &[u8], lie: bool) -> Answer {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    match body["message"].as_str() {
        Some(_) if lie => told(200, &json!({"message": "message", "data": body["data"]})),
        Some(message) => told(200, &json!({"message": message, "data": body["data"]})),
        None => refused(),
    }
}

fn external(lie: bool) -> Answer {
    let started = Instant::now();
    if lie {
        return told(200, &json!({"source": "tiny", "latency_ms": 100.0, "data": {}}));
    }
    std::thread::sleep(EXTERNAL);
    told(200, &json!({"source": "tiny", "latency_ms": started.elapsed().as_secs_f64() * 1e3, "data": {}}))
}

fn protected(authorization: &str, lie: bool) -> Answer {
    match authorization.strip_prefix("Bearer ").filter(|token| token.len() >= 10) {
        Some(_) if lie => told(200, &json!({"message": "Welcome", "user": {"id": 1}})),
        Some(_) => told(200, &json!({"message": "Access granted", "user": {"id": 1}})),
        None => told(401, &json!({"detail": "no access"})),
    }
}

fn upload(body: &[u8], lie: bool) -> Answer {
    let Some((filename, content_type, size)) = file(&String::from_utf8_lossy(body)) else { return refused() };
    let size = if lie { size - 1 } else { size };
    told(200, &json!({"filename": filename, "size": size, "content_type": content_type}))
}

/// Name, type and bytes of the file in a body of one part, whose bytes are text.
fn file(body: &str) -> Option<(String, String, usize)> {
    let (boundary, part) = body.split_once("\r\n")?;
    let (head, rest) = part.split_once("\r\n\r\n")?;
    let content = &rest[..rest.find(&format!("\r\n{boundary}"))?];
    let filename = head.split_once("name=\"file\"; filename=\"")?.1.split_once('"')?.0;
    let content_type = head.split_once("Content-Type: ")?.1.lines().next()?;
    Some((filename.to_owned(), content_type.to_owned(), content.len()))
}
