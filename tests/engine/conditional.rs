//! Conditional requests over a real socket (RFC 9110 section 13): 304 and 412, and what follows on the
//! connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::support::client::{Connection, request_text};
use crate::support::{Answer, Engine};
use pouco::http::{EntityTag, Limits, Method, Rejection, Request, Response, Router, Status, Validators};

const THEN: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

/// A document in its versions; 0 is none.
struct Document(AtomicU64);

impl Document {
    fn validators(&self) -> Option<Validators<'static>> {
        let version = self.0.load(Ordering::Relaxed);
        (version > 0).then(|| Validators {
            entity_tag: EntityTag::strong(format!("v{version}")),
            last_modified: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500)),
        })
    }

    fn get(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let Some(validators) = self.validators() else {
            return Err(Rejection::new(Status::NotFound, "there is none"));
        };
        response.validators(&validators).header("cache-control", "no-cache").header("vary", "accept");
        request.precondition(Some(&validators))?;
        response.text(format_args!("version {}", self.0.load(Ordering::Relaxed)));
        Ok(())
    }

    fn put(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        request.precondition(self.validators().as_ref())?;
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        let status = if before == 0 { Status::Created } else { Status::NoContent };
        response.status(status).empty();
        Ok(())
    }

    fn future(&self, _: &mut Request<'_>, response: &mut Response<'_>) {
        let last_modified = Some(SystemTime::now() + Duration::from_secs(3_600));
        response.validators(&Validators { entity_tag: EntityTag::weak("w"), last_modified }).text("later");
    }
}

fn start() -> Engine {
    let mut router = Router::new();
    router
        .scope("documents", Arc::new(Document(AtomicU64::new(0))))
        .route(Method::Get, "/document", Document::get)
        .route(Method::Put, "/document", Document::put)
        .route(Method::Get, "/future", Document::future);
    Engine::start(router, Limits::default())
}

fn send(connection: &mut Connection, method: &str, fields: &str) -> Answer {
    connection.send(format!("{method} /document HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
    // What answers with 304 has no content, as what answers HEAD (RFC 9110 section 15.4.5).
    connection.answer_to(method)
}

fn status(connection: &mut Connection, method: &str, fields: &str) -> u16 {
    send(connection, method, fields).status
}

#[test]
fn rfc_9110_15_4_5_a_304_has_the_fields_of_the_200_and_no_content() {
    let engine = start();
    let mut connection = engine.targets[0].connect();
    assert_eq!(status(&mut connection, "PUT", "If-None-Match: *\r\n"), 201);
    let whole = send(&mut connection, "GET", "");
    assert_eq!((whole.status, whole.text()), (200, "version 1"));
    for method in ["GET", "HEAD"] {
        for fields in ["If-None-Match: \"v0\", W/\"v1\"\r\n", &format!("If-Modified-Since: {THEN}\r\n")] {
            let answer = send(&mut connection, method, fields);
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{method} {fields}");
            for name in ["etag", "last-modified", "cache-control", "vary"] {
                assert_eq!(answer.header(name), whole.header(name), "{name}");
                assert!(answer.header(name).is_some(), "{name}");
            }
            assert!(answer.header("date").is_some());
            for name in ["content-length", "content-type", "transfer-encoding"] {
                assert_eq!(answer.header(name), None, "{name}");
            }
        }
    }
    assert_eq!((whole.header("etag"), whole.header("last-modified")), (Some("\"v1\""), Some(THEN)));
    // Nothing is left of the 304s: the next answer begins where it should.
    let pipelined = [
        "GET /document HTTP/1.1\r\nHost: test\r\nIf-None-Match: *\r\n\r\n".to_owned(),
        request_text("GET", "/document", ""),
    ];
    connection.send(pipelined.concat());
    assert_eq!(connection.answer_to("HEAD").status, 304);
    assert_eq!(connection.answer().text(), "version 1");
}

#[test]
fn rfc_9110_13_1_1_nobody_overwrites_what_they_have_not_seen() {
    let engine = start();
    for target in &engine.targets {
        let mut connection = target.connect();
        let version = |connection: &mut Connection| {
            send(connection, "GET", "").header("etag").map(str::to_owned).unwrap_or_default()
        };
        let _ = status(&mut connection, "PUT", "");
        let seen = version(&mut connection);
        let condition = format!("If-Match: {seen}\r\n");
        assert_eq!(status(&mut connection, "PUT", &condition), 204);
        let refused = send(&mut connection, "PUT", &condition);
        assert_eq!((refused.status, refused.text()), (412, "{\"error\":\"precondition failed\"}"));
        assert_eq!(status(&mut connection, "PUT", "If-None-Match: *\r\n"), 412, "it is there");
        assert_ne!(version(&mut connection), seen);
        let since = format!("If-Unmodified-Since: {THEN}\r\n");
        assert_eq!(status(&mut connection, "PUT", &since), 204);
    }
}

#[test]
fn rfc_9110_13_2_1_conditions_do_not_turn_a_404_into_a_412() {
    let engine = start();
    let mut connection = engine.targets[0].connect();
    assert_eq!(status(&mut connection, "GET", "If-Match: \"v1\"\r\n"), 404);
    assert_eq!(status(&mut connection, "PUT", "If-Match: *\r\n"), 412, "but a PUT would have made it");
    assert_eq!(status(&mut connection, "GET", ""), 404, "and has not");
}

#[test]
fn rfc_9110_8_8_2_1_nothing_was_modified_in_the_future() {
    let engine = start();
    let answer = engine.targets[0].get("/future");
    let modified = httpdate::parse_http_date(answer.header("last-modified").unwrap()).unwrap();
    // Not before `date`, whose clock a busy machine may hold up.
    assert!(modified <= SystemTime::now(), "{modified:?}");
    assert_eq!(answer.header("etag"), Some("W/\"w\""));
}
