//! Access tokens: whose they are, what makes them good, and what is refused.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::client::{
    EMAIL, SECRET, assert_unauthorized, me, me_with, pair, register, replica, signed, with_user,
};
use crate::support::{Database, Replica, eventually};

const INVALID: &str = "Bearer error=\"invalid_token\"";

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn hs256() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

fn claims(sub: impl Into<Value>) -> Value {
    json!({"sub": sub.into(), "iat": now_s(), "exp": now_s() + 600})
}

#[test]
fn rfc_6750_3_without_a_token_no_error_is_named() {
    let (_database, replica) = with_user(&[]);
    for lines in [&[][..], &["Basic YTpi"], &["Bearer"], &["token abc"]] {
        assert_unauthorized(&me(&replica, lines), "Bearer", &format!("{lines:?}"));
    }
    let (token, _) = pair(&replica);
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let answer = me(&replica, &[&format!("{scheme} {token}")]);
        let expected = json!({"id": 1, "email": EMAIL, "full_name": "Ana Zoë", "is_active": true});
        assert_eq!((answer.status, answer.json()), (200, expected));
    }
    let bearer = format!("Bearer {token}");
    assert_unauthorized(&me(&replica, &[&bearer, &bearer]), INVALID, "two of them");
}

#[test]
fn a_token_that_is_not_good_is_a_401() {
    let (_database, replica) = with_user(&[]);
    let good = signed(&hs256(), &claims("1"), SECRET);
    assert_eq!(me_with(&replica, &good).status, 200);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = head.split_once('.').unwrap();
    let other = signed(&hs256(), &claims("2"), SECRET);
    let others_payload = other.split('.').nth(1).unwrap();
    let none = signed(&json!({"alg": "none"}), &claims("1"), SECRET);
    let none = none.rsplit_once('.').unwrap().0;
    let expired = json!({"sub": "1", "iat": now_s() - 60, "exp": now_s() - 1});
    let bad = [
        ("a word", "abc".into()),
        ("three of nothing", "..".into()),
        ("another's claims", format!("{header}.{others_payload}.{signature}")),
        ("no signature", format!("{header}.{payload}.")),
        ("half a signature", good[..good.len() - 10].into()),
        ("alg none", format!("{none}.")),
        ("alg none, signed", signed(&json!({"alg": "none"}), &claims("1"), SECRET)),
        ("alg None", signed(&json!({"alg": "None"}), &claims("1"), SECRET)),
        ("alg HS512", signed(&json!({"alg": "HS512"}), &claims("1"), SECRET)),
        ("alg RS256", signed(&json!({"alg": "RS256"}), &claims("1"), SECRET)),
        ("another secret", signed(&hs256(), &claims("1"), "a secret of somebody else, long enough")),
        ("expired", signed(&hs256(), &expired, SECRET)),
        ("without an end", signed(&hs256(), &json!({"sub": "1"}), SECRET)),
        ("sub a number", signed(&hs256(), &claims(1), SECRET)),
        ("sub a word", signed(&hs256(), &claims("ana"), SECRET)),
        ("sub nobody", signed(&hs256(), &claims("2"), SECRET)),
        ("sub below nobody", signed(&hs256(), &claims("-1"), SECRET)),
        ("sub past all", signed(&hs256(), &claims("9223372036854775808"), SECRET)),
        ("of 10,000 characters", "x".repeat(10_000)),
    ];
    for (what, token) in bad {
        assert_unauthorized(&me_with(&replica, &token), INVALID, what);
    }
    assert_eq!(me_with(&replica, &"x".repeat(20_000)).status, 431);
}

#[test]
fn a_secret_is_replaced_without_a_log_out() {
    const NEW: &str = "the secret of tomorrow, long enough";
    let (database, before) = with_user(&[]);
    let (old, _) = pair(&before);
    let both = replica(&database, &[("POUCO_JWT_SECRET", NEW), ("POUCO_JWT_SECRET_BEFORE", SECRET)]);
    let after = replica(&database, &[("POUCO_JWT_SECRET", NEW)]);
    let (new, _) = pair(&both);
    let statuses = |token: &str| [&before, &both, &after].map(|replica| me_with(replica, token).status);
    assert_eq!(statuses(&old), [200, 200, 401]);
    assert_eq!(statuses(&new), [401, 200, 200]);
}

#[test]
fn a_token_of_one_replica_is_good_at_the_other() {
    let (database, one) = with_user(&[]);
    let other = replica(&database, &[]);
    let (access, _) = pair(&one);
    assert_eq!(me_with(&other, &access).status, 200);
    assert_eq!(register(&other, EMAIL).status, 409);
}

#[test]
fn a_user_is_asked_for_once_in_a_while_and_gone_soon_after_being_switched_off() {
    let (database, replica) = with_user(&[]);
    let (access, _) = pair(&replica);
    let asked = |replica: &Replica| replica.metric("pouco_cache_misses_total{cache=\"accounts\"}");
    assert_eq!(asked(&replica), 0);
    // The answer itself asks Postgres; the guard does once in five seconds.
    let begun = now_s();
    let mut connection = replica.api.connect();
    for _ in 0..50 {
        let lines = format!("Authorization: Bearer {access}\r\n");
        connection.send(format!("GET /api/v1/auth/me HTTP/1.1\r\nHost: test\r\n{lines}\r\n"));
        assert_eq!(connection.answer().status, 200);
    }
    let most = 2 + (now_s() - begun) / 5;
    assert!((1..=most).contains(&asked(&replica)), "{} questions, {most} at most", asked(&replica));
    let set = |active: bool| {
        database.client().execute("UPDATE inventory.users SET is_active = $1", &[&active]).unwrap();
    };
    set(false);
    eventually("an account that is switched off is refused", || me_with(&replica, &access).status == 401);
    set(true);
    assert_eq!(me_with(&replica, &access).status, 200, "that it is not there is not kept");
}

#[test]
fn without_a_secret_tokens_end_with_the_process() {
    let database = Database::create();
    let start = || replica(&database, &[("POUCO_JWT_SECRET", "")]);
    let first = start();
    assert_eq!(register(&first, EMAIL).status, 201);
    let (access, _) = pair(&first);
    assert_eq!(me_with(&first, &access).status, 200);
    assert_unauthorized(&me_with(&start(), &access), INVALID, "of another process");
}

#[test]
fn a_token_is_refused_after_its_end_however_lately_it_was_good() {
    let (_database, replica) = with_user(&[]);
    let exp = now_s() + 1;
    let token = signed(&hs256(), &json!({"sub": "1", "iat": exp, "exp": exp}), SECRET);
    loop {
        let begun = now_s();
        let status = me_with(&replica, &token).status;
        if begun > exp {
            assert_eq!(status, 401);
            break;
        }
        assert!(status == 200 || now_s() > exp, "{status}");
    }
}
