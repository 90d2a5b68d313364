//! What the contestants of the scenarios answer from 09 on, and the lies of those who tell them, by the name
//! in `TINY_LIE`.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use postgres::types::ToSql;
use pouco_lab::oracle::scenarios::Document;
use serde_json::json;

use crate::listen::Request;
use crate::tiny_auth;
use crate::tiny_scenarios::{Answer, Tiny, USER, told};

/// Between the look at a stock and its change, without a lock.
const BETWEEN: Duration = Duration::from_millis(20);

/// Users by cache and id, as they are answered.
pub(crate) type Caches = HashMap<(String, i64), String>;

/// Nothing where there is no such thing.
pub(crate) fn answer(tiny: &Tiny, request: &Request) -> Option<Answer> {
    let (route, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let asked = Asked { tiny, query };
    let id = |text: &str| text.parse::<i64>().ok();
    match (request.method.as_str(), route.split('/').skip(1).collect::<Vec<_>>().as_slice()) {
        ("PUT", ["users", user]) => asked.change(id(user)?, &request.body),
        ("POST", ["cache", "warmup"]) => asked.warm_up(),
        ("DELETE", ["cache", "users", user]) => Some(asked.forget(id(user)?)),
        ("GET", ["cache", "users", user, "no-cache"]) => Some(sourced("database", &asked.user(id(user)?)?)),
        ("GET", ["cache", "users", user, cache]) => {
            asked.cached(id(user)?, &cache.replace("cached", "redis"))
        }
        ("GET", ["auth", "public"]) => Some(told(200, &json!({"message": "public"}))),
        ("POST", ["auth", "login", how]) => asked.log_in(how),
        ("GET", ["auth", "protected", how]) => Some(asked.access(how, &request.authorization)),
        ("GET", ["users", "offset"]) => Some(asked.offset()),
        ("GET", ["users", "cursor"]) => Some(asked.cursor()),
        ("GET", ["n-plus-one", how]) => Some(asked.authors(how)),
        ("GET", ["aggregation", "count", _]) => asked.document(Document::Count),
        ("GET", ["aggregation", "stats", which, how]) => Some(asked.groups(which, how)),
        ("GET", ["search", "users"]) => Some(asked.search()),
        ("POST" | "DELETE", ["bulk-operations", operation]) => Some(asked.bulk(operation)),
        ("POST", ["transactions", "reset"]) => asked.reset(),
        ("POST", ["transactions", "decrement", how]) => Some(asked.decrement(how)),
        _ => None,
    }
}

/// In the schema of whoever asks, and as text.
fn text_of(query: &str) -> String {
    format!("SELECT ({})::text", query.replace("{schema}", ""))
}

/// As Postgres writes it.
const VIEWS: &str = r#""views" : "#;
const MORE_VIEWS: &str = r#""views" : 1"#;

fn sourced(source: &str, user: &str) -> Answer {
    (200, format!(r#"{{"source":"{source}","user":{user}}}"#))
}

struct Asked<'a> {
    tiny: &'a Tiny,
    query: &'a str,
}

impl Asked<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    }

    /// A number from `least` to `most`.
    fn number(&self, name: &str, least: i64, most: i64) -> Option<i64> {
        self.text(name)?.parse().ok().filter(|number| (least..=most).contains(number))
    }

    fn lies(&self, name: &str) -> bool {
        self.tiny.lie == name
    }

    fn one(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Option<String> {
        self.tiny.column(statement, values)
    }

    fn items(&self, which: &str, values: &[&(dyn ToSql + Sync)]) -> String {
        let page = format!("SELECT * FROM users {which}");
        let items =
            format!("SELECT coalesce(json_agg({USER} ORDER BY id), '[]')::text FROM ({page}) AS page");
        self.one(&items, values).unwrap_or_default()
    }

    fn offset(&self) -> Answer {
        let (Some(page), Some(size)) =
            (self.number("page", 1, i64::MAX / 1_000), self.number("size", 1, 1_000))
        else {
            return told(422, &json!({"detail": "page and size"}));
        };
        let items = self.items("ORDER BY id OFFSET $1 LIMIT $2", &[&((page - 1) * size), &size]);
        let total = match self.text("count") {
            Some("false") => None,
            _ => self.one("SELECT count(*)::text FROM users", &[]).and_then(|text| text.parse::<i64>().ok()),
        };
        let shown = |number: Option<i64>| number.map_or("null".to_owned(), |number| number.to_string());
        let (total, pages) = (shown(total), shown(total.map(|total| (total + size - 1) / size)));
        let rest = format!(r#""total":{total},"page":{page},"size":{size},"total_pages":{pages}"#);
        (200, format!(r#"{{"items":{items},{rest}}}"#))
    }

    fn cursor(&self) -> Answer {
        let cursor =
            if self.query.contains("cursor=") { self.number("cursor", 0, i64::MAX) } else { Some(0) };
        let (Some(cursor), Some(size)) = (cursor, self.number("size", 1, 1_000)) else {
            return told(422, &json!({"detail": "cursor and size"}));
        };
        // The rules ask for the first few alone.
        let skipped = i64::from(self.lies("the cursor skips") && cursor > 100);
        let items = self.items("WHERE id > $1 ORDER BY id LIMIT $2", &[&(cursor + skipped), &size]);
        let last = "SELECT max(id) FROM (SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2) AS page";
        let more = format!(
            "SELECT last.max::text FROM ({last}) AS last WHERE last.max < (SELECT max(id) FROM users)"
        );
        let next = self.one(&more, &[&(cursor + skipped), &size]).unwrap_or("null".to_owned());
        (200, format!(r#"{{"items":{items},"next_cursor":{next},"size":{size}}}"#))
    }

    /// The lab's own query: what is wrong must be wrong in the answer.
    fn document(&self, document: Document) -> Option<Answer> {
        Some((200, self.one(&text_of(&document.query()), &[])?))
    }

    fn authors(&self, how: &str) -> Answer {
        let Some(limit) = self.number("limit", 1, 100) else { return told(422, &json!({"detail": "limit"})) };
        let (status, body) = self.document(Document::Authors(limit.unsigned_abs())).unwrap();
        let forgets = how == "eager" && limit > 1 && self.lies("forgets a post");
        (status, if forgets { body.replacen("Post 2 of 2", "Post 3 of 2", 1) } else { body })
    }

    fn groups(&self, which: &str, how: &str) -> Answer {
        let Some(limit) = self.number("limit", 1, 100) else { return told(422, &json!({"detail": "limit"})) };
        let kept = format!(
            "SELECT json_build_object('groups', json_agg(json_build_object('key', key, 'articles', articles,
            'views', views) ORDER BY articles DESC, key))::text FROM (SELECT * FROM article_totals
            WHERE kind = '{which}' ORDER BY articles DESC, key LIMIT {limit}) AS kept"
        );
        let limit = limit.unsigned_abs();
        match (how, which) {
            ("kept", _) if self.lies("keeps old totals") => {
                (200, self.one(&kept, &[]).unwrap().replacen(VIEWS, MORE_VIEWS, 1))
            }
            ("kept", _) => (200, self.one(&kept, &[]).unwrap()),
            (_, "country") => self.document(Document::Countries(limit)).unwrap(),
            _ => self.document(Document::Writers(limit)).unwrap(),
        }
    }

    fn search(&self) -> Answer {
        let (Some(term), limit) = (self.text("q"), self.number("limit", 1, 100).unwrap_or(50)) else {
            return told(422, &json!({"detail": "q"}));
        };
        let term = term.replace("%40", "@").replace("%20", " ").replace("%25", "%");
        let words = "to_tsvector('simple', name || ' ' || email) @@ plainto_tsquery('simple', $1)";
        let part = "position(lower($1) IN lower(name)) > 0 OR position(lower($1) IN lower(email)) > 0";
        let found = if self.text("mode") == Some("fts") { words } else { part };
        let limit = if self.lies("finds a few") { limit.min(40) } else { limit };
        let users = self.items(&format!("WHERE {found} ORDER BY id LIMIT $2"), &[&term, &limit]);
        (200, format!(r#"{{"users":{users}}}"#))
    }

    fn bulk(&self, operation: &str) -> Answer {
        let sum = |statement: &str, count: i64| {
            let sum = format!(
                "WITH done AS ({statement} RETURNING value) SELECT coalesce(sum(value), 0)::text FROM done"
            );
            self.one(&sum, &[&count]).and_then(|sum| sum.parse::<i64>().ok())
        };
        let remove = "WITH gone AS (DELETE FROM bulk_items RETURNING id) SELECT count(*)::text FROM gone";
        if operation == "cleanup" {
            let count: i64 = self.one(remove, &[]).and_then(|count| count.parse().ok()).unwrap_or(0);
            return told(200, &json!({"count": count}));
        }
        let Some(count) = self.number("count", 1, 10_000) else {
            return told(422, &json!({"detail": "count"}));
        };
        let insert = "INSERT INTO bulk_items (user_id, value) SELECT 1, generate_series(1, $1::bigint)";
        let update = "UPDATE bulk_items SET value = value + 1
            WHERE id IN (SELECT id FROM bulk_items ORDER BY id LIMIT $1)";
        let answered = |sum: i64| told(200, &json!({"count": count, "sum": sum}));
        if operation == "insert-individual" {
            let one = "INSERT INTO bulk_items (user_id, value) VALUES (1, $1)";
            return answered((1..=count).filter_map(|value| sum(one, value)).sum());
        }
        if operation == "insert-batch" && self.lies("stores one row less") && count < 1_000 {
            return answered(sum(insert, count - 1).unwrap_or(0));
        }
        answered(sum(if operation.starts_with("insert") { insert } else { update }, count).unwrap_or(0))
    }

    fn user(&self, id: i64) -> Option<String> {
        self.one(&format!("SELECT {USER}::text FROM users WHERE id = $1"), &[&id])
    }

    fn change(&self, id: i64, body: &[u8]) -> Option<Answer> {
        if self.lies("writes nothing") && id < 7 {
            let name = String::from_utf8_lossy(body).replacen('{', &format!("{{\"id\":{id},"), 1);
            return Some((200, name));
        }
        let answer = self.tiny.user("PUT", id, body)?;
        if !self.lies("serves what is stale") {
            self.forget(id);
        }
        Some(answer)
    }

    fn forget(&self, id: i64) -> Answer {
        self.tiny.caches.lock().unwrap().retain(|(_, user), _| *user != id);
        (204, String::new())
    }

    fn warm_up(&self) -> Option<Answer> {
        let count = self.number("count", 1, 10_000)?;
        let all = format!("SELECT string_agg({USER}::text, '|' ORDER BY id) FROM users WHERE id <= $1");
        let users = self.one(&all, &[&count])?;
        let mut caches = self.tiny.caches.lock().unwrap();
        for (id, user) in (1..).zip(users.split('|')) {
            for cache in ["redis", "process"] {
                caches.insert((cache.to_owned(), id), user.to_owned());
            }
        }
        Some(told(200, &json!({"count": count})))
    }

    /// Whoever holds the caches asks the database: the others find what it has found.
    fn cached(&self, id: i64, cache: &str) -> Option<Answer> {
        if self.lies("asks for each") {
            return Some(sourced("database", &self.user(id)?));
        }
        let key = (cache.to_owned(), id);
        let mut caches = self.tiny.caches.lock().unwrap();
        if let Some(user) = caches.get(&key) {
            return Some(sourced("cache", user));
        }
        let user = self.user(id)?;
        caches.insert(key, user.clone());
        Some(sourced("database", &user))
    }

    fn log_in(&self, how: &str) -> Option<Answer> {
        let user = self.number("user_id", 1, i64::MAX)?;
        self.user(user)?;
        let token = tiny_auth::issue(user);
        if how == "session" {
            let session = "INSERT INTO sessions VALUES ($1, $2, now() + interval '1 hour')
                ON CONFLICT (token) DO UPDATE SET expires_at = excluded.expires_at RETURNING token";
            self.one(session, &[&token, &user])?;
        }
        Some(told(200, &json!({"access_token": token, "token_type": "bearer"})))
    }

    fn access(&self, how: &str, authorization: &str) -> Answer {
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        let session = "SELECT user_id::text FROM sessions WHERE token = $1 AND expires_at > now()";
        let user = match how {
            "session" => self.one(session, &[&token]).and_then(|user| user.parse().ok()),
            _ => tiny_auth::verified(token, self.lies("trusts any token")),
        };
        let Some(user) = user else { return told(401, &json!({"detail": "no access"})) };
        let whole = if how == "jwt" { None } else { self.user(user) };
        let whole = whole.map(|whole| format!(r#","user":{whole}"#)).unwrap_or_default();
        (200, format!(r#"{{"user_id":{user},"message":"Access granted"{whole}}}"#))
    }

    fn reset(&self) -> Option<Answer> {
        let (product, quantity) =
            (self.number("product_id", 1, 1_000)?, self.number("quantity", 0, i64::MAX)?);
        let statement = "UPDATE products SET quantity = $2 WHERE id = $1 RETURNING quantity::text";
        self.one(statement, &[&product, &quantity])?;
        Some(told(200, &json!({"product_id": product, "quantity": quantity})))
    }

    /// With one connection for all, a statement is as good as any lock.
    fn decrement(&self, how: &str) -> Answer {
        let (product, quantity) =
            (self.number("product_id", 1, 1_000), self.number("quantity", 1, 1_000_000));
        let (Some(product), Some(quantity)) = (product, quantity) else {
            return told(422, &json!({"detail": "product_id and quantity"}));
        };
        let Some(there) = self.one("SELECT quantity::text FROM products WHERE id = $1", &[&product]) else {
            return told(404, &json!({"detail": "no such product"}));
        };
        let left = if how == "no-lock" || self.lies("takes no lock") {
            let left = there.parse::<i64>().unwrap_or(0) - quantity;
            // What an application does meanwhile, and others too.
            thread::sleep(BETWEEN);
            let statement = "UPDATE products SET quantity = $2 WHERE id = $1 AND $2::bigint >= 0 RETURNING quantity::text";
            self.one(statement, &[&product, &left])
        } else {
            let statement = "UPDATE products SET quantity = quantity - $2 WHERE id = $1 AND quantity >= $2
                RETURNING quantity::text";
            self.one(statement, &[&product, &quantity])
        };
        match left.and_then(|left| left.parse::<i64>().ok()) {
            Some(left) => told(200, &json!({"product_id": product, "quantity": left})),
            None => told(409, &json!({"detail": "not enough"})),
        }
    }
}
