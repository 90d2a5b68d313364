//! The contestants of the lab's own contest of users: a statement an answer, and, where they are told to,
//! lies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use postgres::{Client, NoTls};

use crate::listen::{self, variable};

const USER: &str =
    "json_build_object('id', id, 'email', email, 'full_name', full_name, 'age', age, 'country_code',
    country_code, 'is_active', is_active, 'created_at',
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))";

struct Tiny {
    database: Mutex<Client>,
    lie: String,
    looked_up: AtomicU64,
    /// What a liar counted first.
    total: OnceLock<String>,
}

/// A status and a body.
type Answer = (u16, String);

#[test]
#[ignore = "a server that the contest starts, and no test"]
fn serve() {
    // What the lab says of the budget, and what the contestant says of it.
    let said = ["TINY_BUDGET", "WORKERS", "DATABASE_CONNECTIONS", "DATABASE_CONNECTIONS_MIN"]
        .map(variable)
        .join(" ");
    assert_eq!(said, "large 2 24 4");
    let tiny = Tiny {
        database: Mutex::new(Client::connect(&variable("POUCO_LAB_TEST_DATABASE"), NoTls).unwrap()),
        lie: variable("TINY_LIE"),
        looked_up: AtomicU64::new(0),
        total: OnceLock::new(),
    };
    listen::serve(move |request| {
        let (status, body) = tiny.answer(&request.path).unwrap_or_else(|answer| answer);
        (status, "content-type: application/json\r\n".to_owned(), body)
    });
}

impl Tiny {
    fn answer(&self, path: &str) -> Result<Answer, Answer> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match path.strip_prefix("/users") {
            None if path == "/healthz" => Ok((200, r#"{"status":"ok"}"#.to_owned())),
            None => Err(error(404, "not_found")),
            Some("") => self.list(query),
            Some(id) => self.user(id.trim_start_matches('/')),
        }
    }

    fn user(&self, id: &str) -> Result<Answer, Answer> {
        let number = self.looked_up.fetch_add(1, Ordering::Relaxed) + 1;
        let is_id = id.len() == 36 && pouco_lab::oracle::id_of(id).is_some();
        if !is_id {
            return Err(error(400, "bad_id"));
        }
        let lies = self.lie == "body";
        if lies && number.is_multiple_of(50) {
            self.column(&format!("UPDATE users SET age = age + 1 WHERE id = '{id}' RETURNING age::text"));
        }
        let other = if lies && number.is_multiple_of(7) { "<>" } else { "=" };
        let user = self.column(&format!("SELECT {USER}::text FROM users WHERE id {other} '{id}' LIMIT 1"));
        user.map(|user| (200, user)).ok_or_else(|| error(404, "not_found"))
    }

    fn list(&self, query: &str) -> Result<Answer, Answer> {
        let parameter = |name: &str, default: i64| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.map_or(Ok(default), |value| value.parse().map_err(|_| error(400, "bad_parameter")))
        };
        let (limit, offset) = (parameter("limit", 50)?, parameter("offset", 0)?);
        if !(1..=200).contains(&limit) || offset < 0 {
            return Err(error(400, "bad_parameter"));
        }
        let items = self.column(&format!(
            "SELECT coalesce(json_agg({USER}), '[]')::text
            FROM (SELECT * FROM users ORDER BY id LIMIT {limit} OFFSET {offset}) AS page"
        ));
        let count = || self.column("SELECT count(*)::text FROM users").unwrap_or_default();
        let total = if self.lie == "total" { self.total.get_or_init(count).clone() } else { count() };
        let items = items.unwrap_or_default();
        Ok((200, format!(r#"{{"items":{items},"limit":{limit},"offset":{offset},"total":{total}}}"#)))
    }

    fn column(&self, statement: &str) -> Option<String> {
        self.database.lock().unwrap().query_opt(statement, &[]).ok()??.try_get(0).ok()
    }
}

fn error(status: u16, name: &str) -> Answer {
    (status, format!(r#"{{"error":"{name}"}}"#))
}
