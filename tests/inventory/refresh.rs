//! Refresh tokens: rotation, reuse, races, the end of one, and an answer that is lost at COMMIT.

use std::thread;

use serde_json::json;

use crate::client::{
    EMAIL, assert_unauthorized, me_with, pair, refresh, refusal, replica, tokens, with_user,
};
use crate::support::{Database, Replica};

const PATH: &str = "/api/v1/auth/refresh";

fn refreshes(replica: &Replica, outcome: &str) -> u64 {
    replica.metric(&format!("pouco_refreshes_total{{outcome=\"{outcome}\"}}"))
}

fn families(database: &Database) -> i64 {
    database.value("SELECT count(*) FROM inventory.refresh_families")
}

#[test]
fn each_refresh_gives_a_new_pair_at_every_replica() {
    let (database, one) = with_user(&[]);
    let other = replica(&database, &[]);
    let (_, mut token) = pair(&one);
    for round in 0..6 {
        let replica = if round % 2 == 0 { &other } else { &one };
        let answer = refresh(replica, &token);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(
            (&answer.json()["token_type"], &answer.json()["expires_in"]),
            (&json!("bearer"), &json!(1800))
        );
        let (access, next) = tokens(&answer);
        assert_ne!(next, token);
        token = next;
        assert_eq!(me_with(replica, &access).json()["email"], EMAIL);
    }
    assert_eq!(families(&database), 1, "however often it is refreshed");
    assert_eq!(one.post(&format!("{PATH}/"), &json!({"refresh_token": token}).to_string()).status, 200);
    let kept: Vec<u8> = database.value("SELECT token_hash FROM inventory.refresh_families");
    assert_eq!(kept.len(), 32, "a hash, and not the token");
}

#[test]
fn a_used_token_ends_its_family_and_no_other() {
    let (database, replica) = with_user(&[]);
    let (_, first) = pair(&replica);
    let (_, elsewhere) = pair(&replica);
    let (access, second) = tokens(&refresh(&replica, &first));
    let (_, third) = tokens(&refresh(&replica, &second));
    for token in [&first, &third, &second, &first] {
        assert_unauthorized(&refresh(&replica, token), "Bearer", token);
    }
    assert_eq!((refreshes(&replica, "revoked"), refreshes(&replica, "unknown")), (1, 3));
    assert_eq!(me_with(&replica, &access).status, 200, "until it expires");
    assert_eq!(families(&database), 1);
    assert_eq!(refresh(&replica, &elsewhere).status, 200, "another login is another family");
}

#[test]
fn of_two_with_the_same_token_exactly_one_wins_and_the_family_ends() {
    let (database, replica) = with_user(&[]);
    for round in 0..10 {
        let (_, token) = pair(&replica);
        let answers = thread::scope(|scope| {
            let both = [0, 1].map(|_| scope.spawn(|| refresh(&replica, &token)));
            both.map(|one| one.join().unwrap())
        });
        let mut statuses = [answers[0].status, answers[1].status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401], "round {round}");
        let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
        assert_eq!(refresh(&replica, &tokens(winner).1).status, 401, "round {round}");
        assert_eq!(families(&database), 0);
    }
    assert_eq!((refreshes(&replica, "succeeded"), refreshes(&replica, "revoked")), (10, 10));
}

#[test]
fn what_is_no_good_token_is_a_401_and_what_is_none_a_422() {
    let (database, replica) = with_user(&[]);
    let (access, token) = pair(&replica);
    let other = format!("{}{}", if token.starts_with('A') { 'B' } else { 'A' }, &token[1..]);
    for bad in ["", "abc", &access, &other, &format!("{token}A"), &token[1..], &"x".repeat(10_000)] {
        assert_unauthorized(&refresh(&replica, bad), "Bearer", bad);
    }
    for (body, status, field) in [
        ("{}", 422, Some("refresh_token")),
        (r#"{"refresh_token":7}"#, 422, Some("refresh_token")),
        (r#"{"refresh_token":null}"#, 422, Some("refresh_token")),
        ("refresh_token=abc", 400, None),
        ("", 400, None),
    ] {
        let (found, error, member) = refusal(&replica.post(PATH, body));
        assert_eq!((found, member.as_deref()), (status, field), "{body}: {error}");
    }
    assert_eq!(refresh(&replica, &token).status, 200, "none of that was of its family");
    assert_eq!(families(&database), 1);
}

#[test]
fn an_expired_token_and_one_of_an_inactive_account_are_a_401() {
    let (database, replica) = with_user(&[]);
    let spoilt = [
        "UPDATE inventory.refresh_families SET expires_at = now()",
        "UPDATE inventory.users SET is_active = false",
    ];
    for sql in spoilt {
        let (_, token) = pair(&replica);
        database.execute(sql);
        assert_unauthorized(&refresh(&replica, &token), "Bearer", sql);
        assert_eq!(families(&database), 0, "{sql}");
    }
}

#[test]
fn a_user_has_a_hundred_families_at_most() {
    let (database, replica) = with_user(&[]);
    let sql = "INSERT INTO inventory.refresh_families
               SELECT gen_random_uuid(), 1, '', now() + n * interval '1 s' FROM generate_series(1, 120) n";
    database.execute(sql);
    let (_, token) = pair(&replica);
    assert_eq!(families(&database), 100);
    assert_eq!(refresh(&replica, &token).status, 200, "the newest is one of them");
    let soonest =
        "SELECT count(*) FROM inventory.refresh_families WHERE expires_at < now() + interval '15 s'";
    let soonest: i64 = database.value(soonest);
    assert_eq!(soonest, 0, "those that end first have gone");
    thread::scope(|scope| {
        let all: Vec<_> = (0..16).map(|_| scope.spawn(|| pair(&replica))).collect();
        all.into_iter().for_each(|login| drop(login.join().unwrap()));
    });
    pair(&replica);
    assert_eq!(families(&database), 100, "also after many at once");
}
