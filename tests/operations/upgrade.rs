//! Databases that another version has made: an older one, whose migrations all APIs counted together, and a
//! newer one. tests/upgrade.sh runs both versions side by side.

use std::collections::BTreeSet;

use crate::support::replica::{command, run};
use crate::support::{Database, Replica, eventually};
use pouco::api::APIS;

/// What `pg_dump --inserts` made of the tables of commit 5ebd590 with two people and three users.
const BEFORE: &str = include_str!("before-api-migrations.sql");
const ANA: &str = "/pessoas/01a226a8-9022-7f7f-9824-648120ca1870";

/// How the older version finds out what is applied.
const NUMBERS: &str = "SELECT number FROM schema_migrations";

fn numbers(database: &Database) -> BTreeSet<i32> {
    database.client().query(NUMBERS, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// What this version knows as applied, as `api number`.
fn applied(database: &Database) -> BTreeSet<String> {
    let sql = "SELECT api || ' ' || number FROM api_migrations";
    database.client().query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn all() -> BTreeSet<String> {
    let served = APIS.iter().filter(|api| api.in_all);
    let stored = served.filter_map(|api| Some((api.name, api.stored.as_ref()?)));
    stored
        .flat_map(|(name, stored)| (1..=stored.migrations.len()).map(move |n| format!("{name} {n}")))
        .collect()
}

#[test]
fn a_database_of_the_version_before_is_taken_over() {
    let database = Database::create();
    database.execute(BEFORE);
    let replica = Replica::start(&database);
    assert_eq!(applied(&database), all());
    assert_eq!(numbers(&database), [1, 2].into());
    assert_eq!(replica.get(ANA).json()["stack"], serde_json::json!(["Rust"]));
    assert_eq!(replica.get("/pessoas?t=b%C3%B3b").json().as_array().unwrap().len(), 1);
    assert_eq!(replica.get("/users?limit=10&offset=0").text().matches("@example.com").count(), 3);
    let taken = r#"{"apelido":"bob","nome":"B","nascimento":"2000-10-01","stack":null}"#;
    assert_eq!(replica.post("/pessoas", taken).status, 422);
    let migrated = run(command().env("DATABASE_URL", database.url()).arg("migrate"));
    assert_eq!(migrated, (Some(0), "0 migrations applied\n".into(), String::new()));

    // What the version before writes, its replicas being still there.
    let insert = "INSERT INTO people (id, apelido, nome, nascimento) SELECT gen_random_uuid(), 'cid', 'Cid', '2000-01-01'";
    database.execute(insert);
    eventually("a row of the version before is found", || {
        replica.get("/pessoas?t=cid").json().as_array().unwrap().len() == 1
    });
}

#[test]
fn the_version_before_finds_what_it_knows_in_a_new_database() {
    let database = Database::create();
    drop(Replica::start(&database));
    assert_eq!(numbers(&database), [1, 2].into());
    assert_eq!(applied(&database), all());
}

#[test]
fn an_api_that_is_not_served_leaves_no_tables() {
    let database = Database::create();
    let migrated =
        run(command().env("DATABASE_URL", database.url()).env("POUCO_APIS", "users").arg("migrate"));
    assert_eq!(migrated, (Some(0), "1 migrations applied\n".into(), String::new()));
    assert_eq!(applied(&database), ["users 1".to_owned()].into());
    // ... until it is.
    drop(Replica::start(&database));
    assert_eq!(applied(&database), all());
}

#[test]
fn tables_that_are_newer_than_the_program_are_refused_in_one_line() {
    let database = Database::create();
    drop(Replica::start(&database));
    let newer = "INSERT INTO api_migrations (api, number, name) VALUES ('users', 7, 'later')";
    database.execute(newer);
    for words in [&["migrate"][..], &["serve"], &["seed", "users"]] {
        let (code, out, err) = run(command().env("DATABASE_URL", database.url()).args(words));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{words:?}");
        let line = "pouco: the tables of `users` are newer than this program: they have had migration 7, and \
                    the last that is known here is 1\n";
        assert_eq!(err, line);
    }
    // Those of other APIs are not.
    let (code, out, _) =
        run(command().env("DATABASE_URL", database.url()).env("POUCO_APIS", "people").arg("migrate"));
    assert_eq!((code, out.as_str()), (Some(0), "0 migrations applied\n"));
}
