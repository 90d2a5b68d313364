//! The contestants of the lab's own contest of pages: a page that is kept for as long as the process lives,
//! and, where they are told to, lies. They have no database.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use pouco_lab::oracle::edge::{OLDEST, STATIC_TEXT};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::listen::{self, Request, variable};

struct Tiny {
    lie: String,
    kept: Mutex<BTreeMap<String, String>>,
    metrics: AtomicU64,
    texts: AtomicU64,
}

/// Status, media type, what the cache says, and the body.
type Answer = (u16, &'static str, Option<&'static str>, String);

#[test]
#[ignore = "a server that the contest starts, and no test"]
fn serve() {
    assert!(std::env::var_os("DATABASE_CONNECTIONS").is_none(), "there is no database");
    let tiny = Tiny {
        lie: variable("TINY_LIE"),
        kept: Mutex::default(),
        metrics: AtomicU64::new(0),
        texts: AtomicU64::new(0),
    };
    listen::serve(move |request| {
        let (status, kind, cache, body) = tiny.answer(request);
        let cache = cache.map(|word| format!("X-Cache-Status: {word}\r\n")).unwrap_or_default();
        (status, format!("content-type: {kind}\r\n{cache}"), body)
    });
}

impl Tiny {
    fn answer(&self, request: &Request) -> Answer {
        const PLAIN: &str = "text/plain";
        let path = request.path.as_str();
        if request.method != "GET" {
            return (405, PLAIN, None, String::new());
        }
        match path {
            "/" => {
                let link = |path| format!("<a href=\"/{path}\">{path}</a>\n");
                (200, "text/html", None, ["static-text", "time", "metrics"].map(link).concat())
            }
            "/static-text" | "/time" => {
                let mut kept = self.kept.lock().unwrap();
                let cache = if kept.contains_key(path) { "HIT" } else { "MISS" };
                let body = kept.entry(path.to_owned()).or_insert_with(|| self.made(path)).clone();
                let lies = self.lie == "text"
                    && path == "/static-text"
                    && self.texts.fetch_add(1, Ordering::Relaxed) % 7 == 6;
                (200, PLAIN, Some(cache), if lies { body.to_uppercase() } else { body })
            }
            "/metrics" => {
                let asked = self.metrics.fetch_add(1, Ordering::Relaxed) + 1;
                let line =
                    |path, count| format!("http_total_requests{{path=\"{path}\",method=\"GET\"}} {count}\n");
                (200, PLAIN, None, line("/time", 9) + &line("/metrics", asked))
            }
            _ => (404, PLAIN, None, String::new()),
        }
    }

    fn made(&self, path: &str) -> String {
        if path == "/static-text" {
            return STATIC_TEXT.to_owned();
        }
        let before = if self.lie == "old" { OLDEST } else { OLDEST / 2 };
        (OffsetDateTime::now_utc() - before).format(&Rfc3339).unwrap() + "\n"
    }
}
