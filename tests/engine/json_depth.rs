//! Nested JSON through the socket: a parser that recursed into it would overflow a coroutine's stack, which
//! ends the process.

use crate::support::{Database, Replica};

const DEPTHS: [usize; 4] = [100, 500, 1_000, 100_000];

/// Room for objects nested 100,000 deep, so that the parser is asked and not the limit of the body.
const BODY_BYTES: &str = "1048576";

fn arrays(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

fn objects(depth: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
}

/// A person that is valid but for where the nested value stands.
fn bodies(nested: &str) -> [String; 5] {
    let person = |stack: &str, more: &str| {
        format!(r#"{{"apelido":"deep","nome":"Deep","nascimento":"2000-01-01","stack":{stack}{more}}}"#)
    };
    [
        nested.to_owned(),
        person(nested, ""),
        person(&format!("[{nested}]"), ""),
        person("null", &format!(r#","ignored":{nested}"#)),
        format!(r#"{{"ignored":{nested},{}"#, &person("null", "")[1..]),
    ]
}

#[test]
fn deep_nesting_is_a_400_wherever_it_stands() {
    let database = Database::create();
    let replica = Replica::start_with(&database, &[("POUCO_MAX_BODY_BYTES", BODY_BYTES)]);
    let mut connection = replica.api.connect();
    for depth in DEPTHS {
        // The third is never closed: what is cut off must not fare better than what is whole.
        for nested in [arrays(depth), objects(depth), "[".repeat(depth)] {
            for body in bodies(&nested) {
                let answer = connection.request("POST", "/pessoas", &body);
                assert_eq!(answer.status, 400, "{depth} in {}", &body[..80]);
                assert!(!answer.json()["error"].as_str().unwrap().is_empty());
                assert_eq!(answer.header("connection"), None, "a bad body is no broken connection");
            }
        }
    }
    assert_eq!(database.count(), 0);
    // An ignored field may be nested a little.
    let flat = bodies(&arrays(3))[3].clone();
    assert_eq!(connection.request("POST", "/pessoas", &flat).status, 201);
    assert_eq!(replica.get("/contagem-pessoas").text(), "1");
    assert!(replica.stop().success());
}

#[test]
fn with_the_limits_pouco_starts_with_the_deepest_are_a_413() {
    let database = Database::create();
    let replica = Replica::start(&database);
    for depth in DEPTHS {
        let expected = if depth == 100_000 { 413 } else { 400 };
        for nested in [arrays(depth), objects(depth)] {
            for body in bodies(&nested) {
                let mut connection = replica.api.connect();
                // The server may close before it has taken everything.
                let request = crate::support::client::request_text("POST", "/pessoas", &body);
                let _ = connection.try_send(request);
                assert_eq!(connection.answer().status, expected, "{depth} in {}", &body[..80]);
            }
        }
    }
    assert_eq!(replica.get("/contagem-pessoas").text(), "0");
    assert!(replica.stop().success());
}
