//! Who may come in at the API `bench`, and how a client gets on that does one thing after the other.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::bench::{send, start, users};
use crate::bench_reads::refused;
use crate::support::{Answer, Connection, Database, Replica};

const SECRET: &str = "a secret of thirty-two bytes, or m";
const PROTECTED: [&str; 3] = ["jwt", "jwt-user", "session"];

fn replica() -> (Database, Replica) {
    let database = Database::create();
    let replica = start(&database, &[("POUCO_JWT_SECRET", SECRET)]);
    users(&database, 25);
    (database, replica)
}

fn login(replica: &Replica, way: &str, user: i64) -> String {
    let answer = send(replica, "POST", &format!("/auth/login/{way}?user_id={user}"), &Value::Null);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.text());
    let given = answer.json();
    assert_eq!(given["token_type"], "bearer");
    given["access_token"].as_str().unwrap().to_owned()
}

fn ask(replica: &Replica, way: &str, fields: &str) -> Answer {
    replica.api.ask(format!("GET /auth/protected/{way} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

fn with_token(replica: &Replica, way: &str, token: &str) -> Answer {
    ask(replica, way, &format!("Authorization: Bearer {token}\r\n"))
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A token made without the server.
fn signed(header: &str, claims: &Value, secret: &str) -> String {
    let parts = [header, &claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(parts.as_bytes());
    format!("{parts}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[test]
fn who_has_logged_in_comes_in() {
    let (database, replica) = replica();
    assert_eq!(replica.get("/auth/public").json(), json!({"message": "public"}));
    let (token, session) = (login(&replica, "jwt", 7), login(&replica, "session", 8));
    assert_eq!(
        with_token(&replica, "jwt", &token).json(),
        json!({"user_id": 7, "message": "Access granted"}),
        "no word of the database"
    );
    for (way, token, id) in [("jwt-user", &token, 7), ("session", &session, 8)] {
        let user = || replica.get(&format!("/users/{id}")).json();
        let granted = || with_token(&replica, way, token).json();
        assert_eq!(granted(), json!({"user_id": id, "message": "Access granted", "user": user()}), "{way}");
        send(&replica, "PUT", &format!("/users/{id}"), &json!({"name": "Renamed"}));
        assert_eq!((&granted()["user"]["name"], &granted()["user"]), (&json!("Renamed"), &user()), "{way}");
    }
    let claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("7"), &json!("bench")));
    assert!((3_500..=3_600).contains(&(claims["exp"].as_u64().unwrap() - now_s())), "{claims}");

    for way in ["jwt", "session"] {
        let path = format!("/auth/login/{way}");
        assert_eq!(send(&replica, "POST", &format!("{path}?user_id=26"), &Value::Null).status, 404);
        refused(&replica, "POST", &[(path.as_str(), "user_id"), (&format!("{path}?user_id=ana"), "user_id")]);
    }
    // A session ends with its time, and whoever has left is nobody's.
    database.client().execute("UPDATE bench.sessions SET expires_at = now()", &[]).unwrap();
    assert_eq!(with_token(&replica, "session", &session).status, 401);
    let another = login(&replica, "session", 7);
    assert_ne!(another, session);
    assert_eq!(replica.api.connect().request("DELETE", "/users/7", "").status, 204);
    assert_eq!(with_token(&replica, "session", &another).status, 401);
    assert_eq!(with_token(&replica, "jwt-user", &token).status, 401);
    assert_eq!(with_token(&replica, "jwt", &token).status, 200, "nobody was asked");
}

#[test]
fn a_token_that_is_not_good_is_nobodys() {
    let (_database, replica) = replica();
    let (token, session) = (login(&replica, "jwt", 7), login(&replica, "session", 7));
    const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
    let claims = |exp: u64| json!({"sub": "7", "iat": 1, "exp": exp});
    let later = now_s() + 600;
    assert_eq!(with_token(&replica, "jwt", &signed(HEADER, &claims(later), SECRET)).status, 200);
    let unsigned = signed(r#"{"alg":"none"}"#, &claims(later), SECRET);
    let tampered = {
        let parts: Vec<&str> = token.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(json!({"sub": "8", "iat": 1, "exp": later}).to_string());
        format!("{}.{other}.{}", parts[0], parts[2])
    };
    let bad = [
        String::new(),
        "x".repeat(2_000),
        token[..token.len() - 2].to_owned(),
        tampered,
        signed(HEADER, &claims(now_s() - 1), SECRET),
        signed(HEADER, &claims(later), "another secret, and long enough..."),
        signed(r#"{"alg":"HS512"}"#, &claims(later), SECRET),
        signed(HEADER, &json!({"sub": "7", "exp": later, "aud": "inventory"}), SECRET),
        unsigned.rsplit_once('.').unwrap().0.to_owned() + ".",
        unsigned,
        // What 32 bytes never end with.
        format!("{}_", &session[..session.len() - 1]),
        format!("{session}A"),
    ];
    for way in PROTECTED {
        for token in &bad {
            let refused = with_token(&replica, way, token);
            assert_eq!(refused.status, 401, "{way} {token}: {}", refused.text());
            assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"), "{way} {token}");
            assert!(refused.json()["error"].is_string());
        }
        let right = if way == "session" { &session } else { &token };
        let wrong = if way == "session" { &token } else { &session };
        assert_eq!(with_token(&replica, way, right).status, 200, "{way}");
        assert_eq!(with_token(&replica, way, wrong).status, 401, "{way}");
        let twice = format!("Authorization: Bearer {right}\r\n").repeat(2);
        for fields in ["", &format!("Authorization: Basic {right}\r\n"), &twice] {
            assert_eq!(ask(&replica, way, fields).status, 401, "{way} {fields}");
        }
    }
}

/// Of many who wait at once each is told who it is.
#[test]
fn sessions_that_meet_are_not_confused() {
    let (_database, replica) = replica();
    let sessions: Vec<String> = (1..=25).map(|user| login(&replica, "session", user)).collect();
    let mut waiting: Vec<Connection> = sessions
        .iter()
        .map(|token| {
            let mut connection = replica.api.connect();
            let field = format!("Authorization: Bearer {token}\r\n");
            connection.send(format!("GET /auth/protected/session HTTP/1.1\r\nHost: a\r\n{field}\r\n"));
            connection
        })
        .collect();
    for (user, connection) in (1..).zip(&mut waiting) {
        let granted = connection.answer().json();
        assert_eq!((&granted["user_id"], &granted["user"]["id"]), (&json!(user), &json!(user)));
    }
}

/// One client after the other logs in, looks at a list, changes a user and looks again.
#[test]
fn whoever_writes_reads_it() {
    let (_database, replica) = replica();
    for (login_by, list) in
        [("session", "/users/offset?page=2&size=10"), ("jwt", "/users/cursor?cursor=10&size=10")]
    {
        let token = login(&replica, login_by, 3);
        assert_eq!(with_token(&replica, login_by, &token).status, 200);
        let page = replica.get(list).json();
        let listed = page["items"].as_array().unwrap();
        assert_eq!(
            listed.iter().map(|user| user["id"].as_i64().unwrap()).collect::<Vec<_>>(),
            Vec::from_iter(11..=20)
        );
        let path = format!("/users/{}", listed[4]["id"]);
        let renamed = send(&replica, "PUT", &path, &json!({"name": format!("By {login_by}")}));
        assert_eq!((renamed.status, &renamed.json()["email"]), (200, &listed[4]["email"]));
        assert_eq!(replica.get(&path).json(), renamed.json());
        assert_eq!(replica.get(list).json()["items"][4], renamed.json());
    }
}
