//! Registration and login: every answer, every rule, and what an attempt costs.

use serde_json::{Value, json};

use crate::client::{
    EMAIL, PASSWORD, assert_unauthorized, log_in, me_with, pair, post, refusal, register, replica, tokens,
    with_user,
};
use crate::support::replica::{command, run};
use crate::support::{Database, Replica};

const REGISTER: &str = "/api/v1/auth/register";
const LOGIN: &str = "/api/v1/auth/login";

fn logins(replica: &Replica, outcome: &str) -> u64 {
    replica.metric(&format!("pouco_logins_total{{outcome=\"{outcome}\"}}"))
}

fn users(database: &Database) -> i64 {
    database.value("SELECT count(*) FROM inventory.users")
}

#[test]
fn somebody_registers_once_whatever_the_case() {
    let database = Database::create();
    let replica = replica(&database, &[]);
    let created = register(&replica, "Ana@Example.com");
    assert_eq!((created.status, created.header("content-type")), (201, Some("application/json")));
    assert_eq!(
        created.text(),
        r#"{"id":1,"email":"Ana@Example.com","full_name":"Ana Zoë","is_active":true}"#
    );
    for email in ["Ana@Example.com", "ana@example.com", "ANA@EXAMPLE.COM"] {
        assert_eq!(
            refusal(&register(&replica, email)),
            (409, "is taken".into(), Some("email".into())),
            "{email}"
        );
    }
    assert_eq!(users(&database), 1);
    assert_eq!(
        ["zoë@example.com", "ZOË@example.com"].map(|email| register(&replica, email).status),
        [201, 409]
    );
    let with_slash = json!({"email": "bob@example.com", "password": PASSWORD, "full_name": "Bob"});
    assert_eq!(replica.post("/api/v1/auth/register/", &with_slash.to_string()).status, 201);
    let hash: String = database.value("SELECT min(password_hash) FROM inventory.users");
    assert!(hash.starts_with("$2b$04$"), "{hash}");
    assert_eq!(replica.get(REGISTER).status, 405);
}

#[test]
fn of_many_who_register_one_address_at_once_one_does() {
    let database = Database::create();
    let replica = replica(&database, &[]);
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| register(&replica, EMAIL).status)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(users(&database), 1);
}

/// A registration with one member changed.
fn registration(member: &str, value: Value) -> String {
    let mut body = json!({"email": EMAIL, "password": PASSWORD, "full_name": "Ana"});
    match value {
        Value::Null => drop(body.as_object_mut().unwrap().remove(member)),
        value => body[member] = value,
    }
    body.to_string()
}

#[test]
fn what_may_not_register_is_told_the_member() {
    let database = Database::create();
    let replica = replica(&database, &[]);
    let long = "x".repeat(10_000);
    let bad = [
        ("email", json!(null), "is missing"),
        ("email", json!(7), "expected a string"),
        ("email", json!(["a@b.c"]), "expected a string"),
        ("email", json!(""), "has no @"),
        ("email", json!("ana"), "has no @"),
        ("email", json!("a@b@c.d"), "is no e-mail address"),
        ("email", json!("a@localhost"), "is no e-mail address"),
        ("email", json!("a b@c.d"), "has a blank or a control character"),
        ("email", json!("a\0@c.d"), "has a blank or a control character"),
        ("email", json!(format!("{long}@c.d")), "is longer than 254 bytes"),
        ("password", json!(null), "is missing"),
        ("password", json!(12_345_678), "expected a string"),
        ("password", json!("1234567"), "is shorter than 8 characters"),
        ("password", json!("x".repeat(73)), "is longer than 72 bytes"),
        ("password", json!("ë".repeat(37)), "is longer than 72 bytes"),
        ("password", json!("12345678\0"), "has a NUL"),
        ("full_name", json!(null), "is missing"),
        ("full_name", json!({}), "expected a string"),
        ("full_name", json!("  "), "is empty"),
        ("full_name", json!("A\0"), "has a control character"),
        ("full_name", json!(long), "is longer than 255 characters"),
    ];
    for (member, value, why) in bad {
        let body = registration(member, value);
        let (status, error, field) = refusal(&replica.post(REGISTER, &body));
        assert_eq!((status, field.as_deref()), (422, Some(member)), "{error}");
        assert!(error.contains(why), "{member}: {error}, and not {why}");
    }
    for body in ["", "nonsense", "{", "email=a&password=b", r#"{"email":"\ud800@b.c"}"#] {
        assert_eq!(refusal(&replica.post(REGISTER, body)).0, 400, "{body}");
    }
    assert_eq!(refusal(&replica.post(REGISTER, "[]")).0, 422);
    let large = registration("full_name", json!("x".repeat(70_000)));
    assert_eq!(replica.post(REGISTER, &large).status, 413);
    assert_eq!(users(&database), 0);
    assert_eq!(replica.metric("pouco_hashes_total"), 0, "nothing of that is hashed");
    // The bounds themselves are inside.
    let longest = json!({"email": EMAIL, "password": "x".repeat(72), "full_name": "ë".repeat(255)});
    assert_eq!(replica.post(REGISTER, &longest.to_string()).status, 201);
    assert_eq!(log_in(&replica, EMAIL, &"x".repeat(72)).status, 200);
    assert_eq!(log_in(&replica, EMAIL, &"x".repeat(71)).status, 401);
}

#[test]
fn a_login_is_a_form_or_json_whatever_its_content_type_says() {
    let (_database, replica) = with_user(&[]);
    let form = "username=ana%40example.com&password=correct+horse";
    let upper = "grant_type=password&username=ANA%40EXAMPLE.COM&password=correct%20horse&scope=";
    let json = r#"  {"username":"ana@example.com","password":"correct horse"}"#;
    let email = r#"{"email":"Ana@example.com","password":"correct horse","more":1}"#;
    for content_type in ["application/x-www-form-urlencoded", "application/json", "text/plain"] {
        for body in [form, upper, json, email] {
            for path in [LOGIN, "/api/v1/auth/login/"] {
                let answer = post(&replica, path, &[("Content-Type", content_type)], body);
                let (access, _) = tokens(&answer);
                assert_eq!(answer.header("cache-control"), Some("no-store"));
                let json = answer.json();
                assert_eq!(
                    (&json["token_type"], &json["expires_in"], json.as_object().unwrap().len()),
                    (&json!("bearer"), &json!(1800), 4)
                );
                assert!(answer.text().starts_with(r#"{"access_token":""#), "{}", answer.text());
                assert_eq!(me_with(&replica, &access).json()["email"], EMAIL);
            }
        }
    }
    assert_eq!(post(&replica, LOGIN, &[], form).status, 200, "without a content type");
}

#[test]
fn a_login_that_is_none_is_told_why() {
    let (_database, replica) = with_user(&[]);
    let long = "x".repeat(10_000);
    let bad = [
        (String::new(), 422, Some("username")),
        ("nonsense".into(), 422, Some("username")),
        ("[]".into(), 422, Some("username")),
        ("username=ana%40example.com".into(), 422, Some("password")),
        ("username=&password=correct+horse".into(), 422, Some("username")),
        ("username=a&username=b&password=c".into(), 422, Some("username")),
        ("username=%zz&password=c".into(), 400, Some("username")),
        ("username=a%00&password=c".into(), 422, Some("username")),
        ("username=a&password=%00".into(), 422, Some("password")),
        (format!("username={long}&password=c"), 422, Some("username")),
        (format!("username=a&password={}", "x".repeat(73)), 422, Some("password")),
        ("{".into(), 400, None),
        ("{}".into(), 422, Some("password")),
        (r#"{"password":"correct horse"}"#.into(), 422, Some("username")),
        (r#"{"username":7,"password":"c"}"#.into(), 422, Some("username")),
        (r#"{"username":"a","password":null}"#.into(), 422, Some("password")),
        (r#"{"username":"a\u0000","password":"c"}"#.into(), 422, Some("username")),
        (json!({"username": "a", "password": long}).to_string(), 422, Some("password")),
    ];
    for (body, status, field) in bad {
        let (found, error, member) = refusal(&post(&replica, LOGIN, &[], &body));
        assert_eq!((found, member.as_deref()), (status, field), "{body}: {error}");
    }
    let mut connection = replica.api.connect();
    connection.send(format!("POST {LOGIN} HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n"));
    connection.send(b"username=\xff");
    assert_eq!(connection.answer().status, 400);
}

/// By the hashes that were made, and by every byte of the answer but its date.
#[test]
fn an_unknown_address_a_wrong_password_and_an_inactive_account_are_one() {
    let (database, replica) = with_user(&[]);
    assert_eq!(register(&replica, "off@example.com").status, 201);
    let off = "UPDATE inventory.users SET is_active = false WHERE email = 'off@example.com'";
    database.execute(off);
    let mut answers = Vec::new();
    for (email, password) in
        [("nobody@example.com", PASSWORD), (EMAIL, "wrong horse"), ("off@example.com", PASSWORD), (EMAIL, "")]
    {
        let before = replica.metric("pouco_hashes_total");
        let mut answer = log_in(&replica, email, password);
        assert_unauthorized(&answer, "Bearer", email);
        assert_eq!(replica.metric("pouco_hashes_total"), before + 1, "{email}");
        answer.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
        answers.push(answer);
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    assert_eq!((logins(&replica, "failed"), logins(&replica, "succeeded")), (4, 0));
    assert_eq!(log_in(&replica, EMAIL, PASSWORD).status, 200);
    assert_eq!(logins(&replica, "succeeded"), 1);
}

#[test]
fn hashes_of_other_programs_are_good() {
    let (database, replica) = with_user(&[]);
    for kind in ["$2a$", "$2y$"] {
        let sql = "UPDATE inventory.users SET password_hash = overlay(password_hash PLACING $1 FROM 1)";
        database.client().execute(sql, &[&kind]).unwrap();
        assert_eq!(log_in(&replica, EMAIL, PASSWORD).status, 200, "{kind}");
        assert_eq!(log_in(&replica, EMAIL, "wrong horse").status, 401, "{kind}");
    }
    database.execute("UPDATE inventory.users SET password_hash = 'plain'");
    assert_eq!(log_in(&replica, EMAIL, "plain").status, 500, "which is no wrong password");
}

#[test]
fn failed_logins_of_an_account_are_limited_and_others_are_not() {
    let (_database, replica) = with_user(&[("POUCO_LOGIN_FAILURES_PER_ACCOUNT", "3")]);
    assert_eq!(register(&replica, "bob@example.com").status, 201);
    for _ in 0..20 {
        pair(&replica);
    }
    for email in [EMAIL, "Nobody@example.com"] {
        for _ in 0..3 {
            assert_eq!(log_in(&replica, email, "wrong horse").status, 401);
        }
        let hashes = replica.metric("pouco_hashes_total");
        for email in [email.to_uppercase().as_str(), email] {
            // The right password too, or the status would tell.
            let answer = log_in(&replica, email, PASSWORD);
            assert_eq!(refusal(&answer), (429, "too many logins have failed".into(), None));
            let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=60).contains(&seconds), "{seconds}");
        }
        assert_eq!(replica.metric("pouco_hashes_total"), hashes, "nothing is hashed for it");
    }
    assert_eq!(log_in(&replica, "bob@example.com", PASSWORD).status, 200);
    assert_eq!(logins(&replica, "limited"), 4);
    assert_eq!(replica.metric("pouco_login_failures_kept"), 3, "two accounts and an address");
}

#[test]
fn failed_logins_of_an_address_are_limited_and_only_a_trusted_hop_says_another() {
    let wrong = |replica: &Replica, number: usize, address: &str| {
        let body = format!("username=nobody{number}%40example.com&password=wrong+horse");
        post(replica, LOGIN, &[("X-Forwarded-For", address)], &body).status
    };
    let limit = ("POUCO_LOGIN_FAILURES_PER_ADDRESS", "3");
    let (_database, replica) = with_user(&[limit]);
    for number in 0..3 {
        assert_eq!(wrong(&replica, number, &format!("192.0.2.{number}")), 401);
    }
    assert_eq!(wrong(&replica, 3, "192.0.2.3"), 429, "over TCP the field is anybody's word");
    let (_database, replica) = with_user(&[limit, ("POUCO_TRUSTED_HOPS", "10.0.0.1, 127.0.0.1")]);
    for number in 0..3 {
        assert_eq!(wrong(&replica, number, &format!("192.0.2.{number}, 198.51.100.7")), 401);
    }
    assert_eq!(wrong(&replica, 3, "198.51.100.7"), 429, "the last one is the one that the hop has seen");
    assert_eq!(wrong(&replica, 3, "198.51.100.8"), 401);
}

#[test]
fn over_a_unix_socket_the_balancer_says_who_it_is() {
    let folder = crate::support::open_tempdir();
    let path = format!("unix:{}", folder.path().join("api.sock").display());
    let limit = ("POUCO_LOGIN_FAILURES_PER_ADDRESS", "1");
    let (_database, replica) = with_user(&[limit, ("POUCO_LISTEN", &path)]);
    let wrong = |number: u8, field: &str, address: &str| {
        let body = format!("username=nobody{number}%40example.com&password=wrong+horse");
        post(&replica, LOGIN, &[(field, address)], &body).status
    };
    assert_eq!(wrong(0, "X-Forwarded-For", "192.0.2.1"), 401);
    assert_eq!(wrong(1, "X-Forwarded-For", "192.0.2.1"), 429);
    assert_eq!(wrong(2, "X-Real-IP", "192.0.2.1"), 429);
    assert_eq!(wrong(3, "X-Forwarded-For", "2001:db8::1"), 401);
    assert_eq!(wrong(4, "X-Forwarded-For", "2001:db8::2"), 429, "a client has the whole network");
    for number in 5..8 {
        assert_eq!(wrong(number, "X-Nothing", "192.0.2.1"), 401, "nobody says who it is");
    }
}

#[test]
fn several_replicas_on_a_given_database_need_one_secret() {
    let database = Database::create();
    let mut start = command();
    start.env("POUCO_APIS", "inventory").env("DATABASE_URL", database.url()).env("POUCO_REPLICAS", "2");
    let (code, out, err) = run(&mut start);
    assert_eq!((code, out.as_str(), err.lines().count()), (Some(2), "", 1), "{err}");
    assert!(err.starts_with("pouco: POUCO_JWT_SECRET=`` is not allowed: several replicas serve"), "{err}");
    let migrated = run(start.arg("migrate"));
    assert_eq!(migrated.0, Some(0), "it signs nothing: {}", migrated.2);
}
