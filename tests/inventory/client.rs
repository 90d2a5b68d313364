//! What the tests of this API share: a replica with cheap hashes, and the requests of accounts.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::replica::command;
use crate::support::{Answer, Database, Replica};

pub(crate) const SECRET: &str = "a secret of the tests, long enough";
pub(crate) const EMAIL: &str = "ana@example.com";
pub(crate) const PASSWORD: &str = "correct horse";

const OWN: [(&str, &str); 4] = [
    ("POUCO_APIS", "inventory"),
    ("POUCO_BCRYPT_COST", "4"),
    ("POUCO_JWT_SECRET", SECRET),
    // Nobody is refused because the machine is busy.
    ("POUCO_HASH_WAIT_MS", "10000"),
];

/// A replica of this API alone, whose hashes cost as little as they may.
pub(crate) fn replica(database: &Database, settings: &[(&str, &str)]) -> Replica {
    let settings: Vec<_> = OWN.into_iter().chain(settings.iter().copied()).collect();
    Replica::start_with(database, &settings)
}

/// The same on a database by its address.
pub(crate) fn replica_at(url: &str) -> Replica {
    let mut command = command();
    command.env("DATABASE_URL", url).envs(OWN);
    Replica::spawn(&mut command)
}

/// A replica on a database of its own where one user has registered.
pub(crate) fn with_user(settings: &[(&str, &str)]) -> (Database, Replica) {
    let database = Database::create();
    let replica = replica(&database, settings);
    assert_eq!(register(&replica, EMAIL).status, 201);
    (database, replica)
}

pub(crate) fn post(replica: &Replica, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\n{fields}Content-Length: {length}\r\n\r\n");
    replica.api.ask(head + body)
}

pub(crate) fn register(replica: &Replica, email: &str) -> Answer {
    let body = json!({"email": email, "password": PASSWORD, "full_name": "Ana Zoë"});
    replica.post("/api/v1/auth/register", &body.to_string())
}

pub(crate) fn log_in(replica: &Replica, email: &str, password: &str) -> Answer {
    let body = json!({"username": email, "password": password});
    replica.post("/api/v1/auth/login", &body.to_string())
}

/// The pair of tokens of a login that succeeds.
pub(crate) fn pair(replica: &Replica) -> (String, String) {
    tokens(&log_in(replica, EMAIL, PASSWORD))
}

pub(crate) fn tokens(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let token = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    (token("access_token"), token("refresh_token"))
}

pub(crate) fn refresh(replica: &Replica, token: &str) -> Answer {
    replica.post("/api/v1/auth/refresh", &json!({"refresh_token": token}).to_string())
}

/// Asks who it is with these lines of `Authorization`.
pub(crate) fn me(replica: &Replica, lines: &[&str]) -> Answer {
    let lines: String = lines.iter().map(|line| format!("Authorization: {line}\r\n")).collect();
    replica.api.ask(format!("GET /api/v1/auth/me HTTP/1.1\r\nHost: test\r\n{lines}\r\n"))
}

pub(crate) fn me_with(replica: &Replica, token: &str) -> Answer {
    me(replica, &[&format!("Bearer {token}")])
}

/// A token made without the server.
pub(crate) fn signed(header: &Value, claims: &Value, secret: &str) -> String {
    let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(parts.as_bytes());
    format!("{parts}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// A refusal: its status, its error, the member that is to blame.
pub(crate) fn refusal(answer: &Answer) -> (u16, String, Option<String>) {
    let json = answer.json();
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    (answer.status, text("error").unwrap(), text("field"))
}

/// A 401 has a challenge, always (RFC 9110 section 15.5.2).
pub(crate) fn assert_unauthorized(answer: &Answer, challenge: &str, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    assert_eq!(answer.header("www-authenticate"), Some(challenge), "{what}");
    assert!(answer.json()["error"].is_string(), "{what}");
}
