//! The users API over real sockets and a real Postgres: every answer and error of it, and that nothing is
//! kept of a list.

use std::collections::BTreeSet;

use crate::support::replica::{command, run, seed};
use crate::support::{Database, Replica, eventually, open_tempdir};
use pouco::embedded::Cluster;
use serde_json::{Value, json};

fn seeded(rows: &str) -> (Database, Replica) {
    let database = Database::create();
    seed(&database, "users", &["--rows", rows, "--seed", "7"]);
    let replica = Replica::start(&database);
    (database, replica)
}

/// All ids, in the order of the list.
fn ids(database: &Database) -> Vec<String> {
    let rows = database.client().query("SELECT id::text FROM users ORDER BY id", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The user as Postgres writes it, but for the moment, which is its own matter below.
fn stored(database: &Database, id: &str) -> Value {
    let sql = "SELECT json_build_object('id', id, 'email', email, 'full_name', full_name, 'age', age,
                   'country_code', country_code, 'is_active', is_active, 'created_at',
                   to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))::text
               FROM users WHERE id::text = $1";
    let text: String = database.client().query_one(sql, &[&id]).unwrap().get(0);
    serde_json::from_str(&text).unwrap()
}

fn listed(replica: &Replica, path: &str) -> Value {
    let answer = replica.get(path);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{path}");
    answer.json()
}

fn listed_ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
}

fn insert(database: &Database, id: &str, email: &str, created_at: &str) {
    let sql = "INSERT INTO users VALUES ($1::text::uuid, $2, 'Zoë \"Z\" Ångström', 41, 'SE', false, $3::text::timestamptz)";
    database.client().execute(sql, &[&id, &email, &created_at]).unwrap();
}

#[test]
fn a_user_is_found_by_id() {
    let (database, replica) = seeded("300");
    for id in ids(&database).iter().step_by(37) {
        let answer = replica.get(&format!("/users/{id}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert_eq!(answer.json(), stored(&database, id));
        let upper = replica.get(&format!("/users/{}", id.to_uppercase()));
        assert_eq!(upper.body, answer.body);
    }
    let unknown = replica.get("/users/123e4567-e89b-42d3-a456-426614174000");
    assert_eq!((unknown.status, unknown.text()), (404, "{\"error\":\"not_found\"}"));
    for id in ["1", "nobody", "123e4567e89b42d3a456426614174000", "123e4567-e89b-42d3-a456-42661417400g"] {
        let answer = replica.get(&format!("/users/{id}"));
        assert_eq!(
            (answer.status, answer.json()),
            (400, json!({"error": "bad_request", "field": "id"})),
            "{id}"
        );
    }
}

#[test]
fn a_user_looks_as_it_was_stored() {
    let (database, replica) = seeded("0");
    let id = "00000000-0000-4000-8000-000000000001";
    insert(&database, id, "zoë@example.com", "2026-01-31 09:00:00.000450+01");
    let expected = json!({
        "id": id, "email": "zoë@example.com", "full_name": "Zoë \"Z\" Ångström", "age": 41, "country_code": "SE",
        "is_active": false, "created_at": "2026-01-31T08:00:00.000450Z"
    });
    assert_eq!(replica.get(&format!("/users/{id}")).json(), expected);
    assert_eq!(listed(&replica, "/users")["items"], json!([expected]));
}

#[test]
fn the_list_has_pages_and_a_total() {
    let (database, replica) = seeded("300");
    let ids = ids(&database);
    let first = listed(&replica, "/users");
    assert_eq!((&first["limit"], &first["offset"], &first["total"]), (&json!(50), &json!(0), &json!(300)));
    assert_eq!(listed_ids(&first), ids[..50]);
    assert_eq!(first["items"][7], stored(&database, &ids[7]));
    let far = listed(&replica, "/users?limit=200&offset=250");
    assert_eq!((&far["limit"], &far["offset"]), (&json!(200), &json!(250)));
    assert_eq!(listed_ids(&far), ids[250..]);
    for past in ["300", "9223372036854775807"] {
        let page = listed(&replica, &format!("/users?offset={past}"));
        assert_eq!((&page["items"], &page["total"]), (&json!([]), &json!(300)), "{past}");
    }
    assert_eq!(replica.api.connect().request("HEAD", "/users", "").status, 200);
    assert_eq!(replica.post("/users", "{}").status, 405);
}

#[test]
fn the_total_is_that_of_the_moment() {
    let (database, replica) = seeded("10");
    assert_eq!(listed(&replica, "/users?limit=1")["total"], 10);
    insert(&database, "00000000-0000-4000-8000-000000000001", "late@example.com", "2026-01-31");
    let after = listed(&replica, "/users?limit=1");
    assert_eq!(
        (&after["total"], after["items"][0]["email"].as_str()),
        (&json!(11), Some("late@example.com"))
    );
    database.client().execute("DELETE FROM users", &[]).unwrap();
    assert_eq!(listed(&replica, "/users")["total"], 0);
}

#[test]
fn with_a_cache_answers_are_kept_for_their_time() {
    let database = Database::create();
    seed(&database, "users", &["--rows", "3"]);
    let start = |ttl_ms: &str| {
        Replica::start_with(&database, &[("USERS_CACHE", "on"), ("POUCO_USERS_CACHE_TTL_MS", ttl_ms)])
    };
    let (keeping, forgetting) = (start("3600000"), start("50"));
    let id = ids(&database).remove(0);
    let late = "00000000-0000-4000-8000-000000000001";
    let before = [keeping.get(&format!("/users/{id}")), keeping.get("/users")];
    assert_eq!(listed(&forgetting, "/users")["total"], 3);
    assert_eq!(keeping.get(&format!("/users/{late}")).status, 404);
    insert(&database, late, "late@example.com", "2026-01-31");
    database.client().execute("UPDATE users SET age = 99 WHERE id::text = $1", &[&id]).unwrap();

    assert_eq!(keeping.get(&format!("/users/{late}")).status, 200, "nobody is kept as missing");
    assert_eq!(
        [keeping.get(&format!("/users/{id}")).body, keeping.get("/users").body],
        before.map(|it| it.body)
    );
    assert_eq!(listed(&keeping, "/users?limit=49")["total"], 4, "another page is another answer");
    assert_eq!(keeping.metric("pouco_cache_hits_total{cache=\"users\"}"), 2);
    assert_eq!(keeping.metric("pouco_cache_entries{cache=\"users\"}"), 4);

    eventually("the list is read again", || listed(&forgetting, "/users")["total"] == 4);
    eventually("the user is read again", || forgetting.get(&format!("/users/{id}")).json()["age"] == 99);
    eventually("what is over is swept", || forgetting.metric("pouco_cache_entries{cache=\"users\"}") == 0);
}

#[test]
fn bad_parameters_are_named() {
    let (_database, replica) = seeded("1");
    let id = "00000000-0000-4000-8000-000000000001";
    for (query, field) in [
        ("limit=201", "limit"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1.5", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("offset=-1", "offset"),
        ("offset=%ff", "offset"),
        ("offset=9223372036854775808", "offset"),
        ("after=7", "after"),
        ("after=", "after"),
        (&format!("after={id}&offset=0"), "after"),
    ] {
        let answer = replica.get(&format!("/users?{query}"));
        let expected = json!({"error": "bad_request", "field": field});
        assert_eq!((answer.status, answer.json()), (400, expected), "{query}");
    }
}

#[test]
fn walking_by_the_last_id_meets_everybody_once() {
    let (database, replica) = seeded("95");
    let (mut met, mut pages) = (Vec::new(), 0);
    let mut next = Some("00000000-0000-0000-0000-000000000000".to_owned());
    while let Some(after) = next {
        let page = listed(&replica, &format!("/users?limit=19&after={after}"));
        assert_eq!((&page["after"], &page["total"]), (&json!(after), &json!(95)));
        assert_eq!(page.get("offset"), None);
        met.extend(listed_ids(&page));
        next = page["next"].as_str().map(str::to_owned);
        pages += 1;
    }
    assert_eq!(met, ids(&database));
    // The fifth page is full, so only the sixth, which is empty, can say that there is no more.
    assert_eq!(pages, 6);
}

#[test]
fn the_seed_decides_who_there_is() {
    let (one, other, third) = (Database::create(), Database::create(), Database::create());
    assert_eq!(
        seed(&one, "users", &["--rows", "2500", "--seed", "7"]),
        "2500 of 2500 users added; the others were there\n"
    );
    assert_eq!(
        seed(&one, "users", &["--rows", "2510", "--seed", "7"]),
        "10 of 2510 users added; the others were there\n"
    );
    seed(&other, "users", &["--seed", "7", "--rows", "2510"]);
    seed(&third, "users", &["--rows", "2510", "--seed", "8"]);
    let all = |database: &Database| -> BTreeSet<String> {
        let rows = database.client().query("SELECT users::text FROM users", &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(all(&one), all(&other));
    assert!(all(&one).is_disjoint(&all(&third)));
    assert_eq!(ids(&one).iter().filter(|id| id.as_bytes()[14] == b'4').count(), 2510, "ids are of version 4");
}

#[test]
fn a_seed_that_is_no_order_is_refused() {
    for words in [
        &["seed"][..],
        &["seed", "people"],
        &["seed", "users", "--rows"],
        &["seed", "users", "--rows", "many"],
        &["seed", "users", "--rows", "10000001"],
        &["seed", "users", "--columns", "3"],
    ] {
        let (code, out, err) = run(command().args(words));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{words:?}");
        assert!(err.starts_with("pouco: "), "{words:?}: {err}");
    }
}

#[test]
fn reads_come_back_with_postgres() {
    let folder = open_tempdir();
    let start = || Cluster::start(Some(folder.path().join("data")), None).unwrap();
    let cluster = start();
    let url = format!("host={} user=pouco dbname=pouco", cluster.sockets().display());
    let with_deadline = |ms: &str| {
        let mut command = command();
        command.env("DATABASE_URL", &url).env("POUCO_READ_DEADLINE_MS", ms);
        command
    };
    let (code, _, err) = run(with_deadline("60000").args(["seed", "users", "--rows", "20"]));
    assert_eq!(code, Some(0), "{err}");
    let [replica, hasty] = ["60000", "2000"].map(|ms| Replica::spawn(&mut with_deadline(ms)));
    let page = replica.get("/users?limit=20").body;
    let id = listed_ids(&serde_json::from_slice(&page).unwrap()).remove(3);
    let user = replica.get(&format!("/users/{id}")).body;
    // Sessions that are cut are no client's business.
    let mut client = cluster.config().connect(postgres::NoTls).unwrap();
    for _ in 0..20 {
        client.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = current_user", &[]).unwrap();
        assert_eq!(replica.get("/users?limit=20").body, page);
        assert_eq!(replica.get(&format!("/users/{id}")).body, user);
    }
    drop(client);
    cluster.stop();
    for path in [format!("/users/{id}"), "/users".to_owned()] {
        let answer = hasty.get(&path);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{path}");
    }
    assert_eq!(hasty.get("/healthz").status, 200);
    let _cluster = start();
    eventually("users are read again", || hasty.get("/users?limit=20").body == page);
    assert_eq!(replica.get(&format!("/users/{id}")).body, user);
}

#[test]
fn it_says_that_it_is_well() {
    let (_database, replica) = seeded("0");
    let answer = replica.get("/healthz");
    assert_eq!((answer.status, answer.text()), (200, "{\"status\":\"ok\"}"));
}
