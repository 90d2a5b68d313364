//! The caches of the API `bench`: what is kept is the user as it is, and one look at the database is enough
//! for all who miss it.

use serde_json::{Value, json};

use crate::bench::{replica, send, start, users};
use crate::bench_reads::refused;
use crate::support::client::request_text;
use crate::support::redis::Redis;
use crate::support::{Answer, Connection, Database, Replica, eventually};

fn kept(replica: &Replica, id: i64, keeper: &str) -> Answer {
    replica.get(&format!("/cache/users/{id}/{keeper}"))
}

/// Where the user is from, who is as the database has it.
fn source(replica: &Replica, id: i64, keeper: &str) -> String {
    let answer = kept(replica, id, keeper);
    assert_eq!(answer.status, 200, "{id} {keeper}: {}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["user"], replica.get(&format!("/users/{id}")).json(), "{keeper}");
    answer["source"].as_str().unwrap().to_owned()
}

/// At once, but where Redis is slow on a busy machine.
fn is_kept(replica: &Replica, id: i64, keeper: &str) {
    eventually("it is kept", || source(replica, id, keeper) == "cache");
}

fn warm_up(replica: &Replica, query: &str) -> Value {
    let answer = send(replica, "POST", &format!("/cache/warmup{query}"), &Value::Null);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// In each of these ways a user becomes another, or leaves, and no cache says what was.
fn forgets(database: &Database, replica: &Replica, keeper: &str) {
    assert_eq!(source(replica, 1, keeper), "database", "it was not asked for");
    is_kept(replica, 1, keeper);
    for round in 0..3 {
        let renamed = send(replica, "PUT", "/users/1", &json!({"name": format!("{keeper} {round}")}));
        assert_eq!(renamed.status, 200);
        assert_eq!(source(replica, 1, keeper), "database", "{keeper}");
        is_kept(replica, 1, keeper);
    }
    let dropped = replica.api.connect().request("DELETE", "/cache/users/1", "");
    assert_eq!((dropped.status, dropped.body.len()), (204, 0));
    assert_eq!(source(replica, 1, keeper), "database");
    assert_eq!(source(replica, 2, keeper), "database", "another one");
    assert_eq!(replica.api.connect().request("DELETE", "/users/2", "").status, 204);
    assert_eq!(kept(replica, 2, keeper).status, 404);
    database.execute("INSERT INTO bench.users VALUES (2, 'Back', 'back@example.com')");
    assert_eq!(source(replica, 2, keeper), "database", "that nobody is there is not kept");
}

#[test]
fn what_the_process_keeps_is_the_user_as_it_is() {
    let (database, replica) = replica();
    users(&database, 20);
    forgets(&database, &replica, "process");
    assert_eq!(warm_up(&replica, "?count=30"), json!({"count": 20}));
    for id in 1..=20 {
        assert_eq!(source(&replica, id, "process"), "cache", "{id}");
        assert_eq!(source(&replica, id, "no-cache"), "database", "{id}");
    }
    // The warm-up reads all of them anew.
    database.execute("UPDATE bench.users SET name = 'Other'");
    assert_eq!(kept(&replica, 3, "process").json()["user"]["name"], "User 3", "behind its back");
    assert_eq!(warm_up(&replica, ""), json!({"count": 20}));
    assert_eq!(source(&replica, 3, "process"), "cache");
    for keeper in ["no-cache", "process", "redis", "cached"] {
        assert_eq!(kept(&replica, 21, keeper).status, 404, "{keeper}");
    }
    assert_eq!(kept(&replica, 1, "redis").status, 404, "there is none");
    assert_eq!(kept(&replica, 1, "other").status, 404);
    assert_eq!(replica.get("/cache/users/ana/process").status, 400);
    refused(&replica, "POST", &[("/cache/warmup?count=0", "count"), ("/cache/warmup?count=10001", "count")]);
}

#[test]
fn of_100_who_miss_a_user_one_asks_the_database() {
    const OTHERS: u64 = 99;
    let database = Database::create();
    let replica = start(&database, &[("POUCO_READ_DEADLINE_MS", "60000")]);
    users(&database, 1);
    let mut client = database.client();
    let mut held = client.transaction().unwrap();
    held.batch_execute("LOCK TABLE bench.users IN ACCESS EXCLUSIVE MODE").unwrap();
    let before = replica.metric("pouco_reads_total");
    let request = request_text("GET", "/cache/users/1/process", "");
    let mut waiting: Vec<Connection> = (0..=OTHERS)
        .map(|_| {
            let mut connection = replica.api.connect();
            connection.send(&request);
            connection
        })
        .collect();
    let coalesced = || replica.metric("pouco_cache_coalesced_total{cache=\"bench_process\"}");
    eventually("all others wait for the first one", || coalesced() == OTHERS);
    held.rollback().unwrap();
    for connection in &mut waiting {
        let answer = connection.answer();
        assert_eq!((answer.status, &answer.json()["source"]), (200, &json!("database")));
    }
    assert_eq!(replica.metric("pouco_reads_total") - before, 1);
    assert_eq!(replica.metric("pouco_cache_misses_total{cache=\"bench_process\"}"), 1);
    assert_eq!(source(&replica, 1, "process"), "cache");
}

#[test]
fn what_redis_keeps_is_the_user_as_it_is_whoever_has_changed_it() {
    let redis = Redis::start();
    let url = format!("redis://127.0.0.1:{}/0", redis.port);
    let database = Database::create();
    let settings = [("REDIS_URL", url.as_str()), ("POUCO_REDIS_TIMEOUT_MS", "1000")];
    let (one, other) = (start(&database, &settings), start(&database, &settings));
    users(&database, 5);
    eventually("both have found it", || {
        [&one, &other].iter().all(|replica| {
            let _ = kept(replica, 5, "redis");
            kept(replica, 5, "redis").json()["source"] == "cache"
        })
    });
    forgets(&database, &one, "redis");
    assert_eq!(warm_up(&one, "?count=5"), json!({"count": 5}));
    eventually("all are stored", || redis.values() == 5);
    for id in 1..=5 {
        is_kept(&other, id, "cached");
    }
    send(&other, "PUT", "/users/3", &json!({"name": "Renamed"}));
    assert_eq!(source(&one, 3, "redis"), "database");
    is_kept(&other, 3, "redis");

    // While it is away nobody can have it forget, and whoever could not does so before it is asked again.
    redis.set_away(true);
    send(&one, "PUT", "/users/4", &json!({"name": "Renamed meanwhile"}));
    assert_eq!(source(&one, 4, "redis"), "database");
    redis.set_away(false);
    eventually("it is asked again", || source(&one, 1, "redis") == "cache");
    assert_eq!(source(&one, 4, "redis"), "database");
    eventually("the other asks it again, too", || source(&other, 4, "redis") == "cache");
    assert!(one.stop().success() && other.stop().success());
}
