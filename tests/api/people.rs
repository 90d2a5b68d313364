//! The people API over real sockets and a real Postgres: each rule of the contest, and two replicas at once.

use crate::support::{Answer, Database, Replica, eventually};
use serde_json::{Value, json};

fn person(apelido: &str) -> Value {
    json!({"apelido": apelido, "nome": "Ana Barbosa", "nascimento": "1985-09-23", "stack": ["C#", "Node"]})
}

fn create(replica: &Replica, person: &Value) -> Answer {
    replica.post("/pessoas", &person.to_string())
}

/// Creates a person that must be accepted and returns its path.
fn created(replica: &Replica, person: &Value) -> String {
    let answer = create(replica, person);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

/// The nicknames that a search finds, in its order.
fn found(replica: &Replica, encoded_term: &str) -> Vec<String> {
    let answer = replica.get(&format!("/pessoas?t={encoded_term}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let people = answer.json();
    people.as_array().unwrap().iter().map(|one| one["apelido"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_person_is_created_found_and_counted() {
    let database = Database::create();
    let replica = Replica::start(&database);
    let sent = person("josé");
    let location = created(&replica, &sent);
    let answer = replica.get(&location);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let mut expected = sent;
    expected["id"] = json!(location.strip_prefix("/pessoas/").unwrap());
    assert_eq!(answer.json(), expected);
    let count = replica.get("/contagem-pessoas");
    assert_eq!((count.status, count.text()), (200, "1"));
    assert!(count.header("content-type").unwrap().starts_with("text/plain"));
    assert_eq!(database.count(), 1);
}

#[test]
fn what_is_sent_comes_back() {
    let database = Database::create();
    let (one, other) = (Replica::start(&database), Replica::start(&database));
    let stacks = [
        json!(null),
        json!([]),
        json!([""]),
        json!(["a,b", "c\"d", "e\\f", "{g}", "NULL", " h ", "\u{1f}", "\n", "日本", "🦀"]),
    ];
    for (index, stack) in stacks.into_iter().enumerate() {
        let mut sent = person(&format!("nick{index}"));
        sent["nome"] = json!("\"quoted\" \\ \t / é");
        sent["stack"] = stack;
        let location = created(&one, &sent);
        // The other replica reads it from Postgres, this one from its cache: both must tell the same.
        assert_eq!(one.get(&location).body, other.get(&location).body);
        let mut expected = sent;
        expected["id"] = json!(location.strip_prefix("/pessoas/").unwrap());
        assert_eq!(other.get(&location).json(), expected);
    }
    let mut without = person("none");
    without.as_object_mut().unwrap().remove("stack");
    let location = created(&one, &without);
    assert_eq!(one.get(&location).json()["stack"], Value::Null);
}

#[test]
fn broken_requests_say_what_was_wrong() {
    let database = Database::create();
    let replica = Replica::start(&database);
    let with = |field: &str, value: Value| {
        let mut person = person("x");
        person[field] = value;
        person.to_string()
    };
    let cases = [
        (422, "apelido", with("apelido", Value::Null)),
        (422, "apelido", with("apelido", json!("a".repeat(33)))),
        (422, "nome", with("nome", Value::Null)),
        (422, "nome", with("nome", json!("é".repeat(101)))),
        (422, "nome", with("nome", json!("a\0b"))),
        (422, "nascimento", with("nascimento", json!("2001-02-29"))),
        (422, "nascimento", with("nascimento", json!("0000-01-01"))),
        (422, "nascimento", with("nascimento", json!("\"12-12-2000\""))),
        (422, "stack", with("stack", json!(["1".repeat(33)]))),
        (422, "stack", with("stack", json!(vec!["1"; 129]))),
        (422, "stack", with("stack", json!(vec!["é".repeat(32); 65]))),
        (400, "apelido", with("apelido", json!(1))),
        (400, "nome", with("nome", json!(1))),
        (400, "nascimento", with("nascimento", json!(20000101))),
        (400, "stack", with("stack", json!("string"))),
        (400, "stack", with("stack", json!(1))),
        (400, "stack", with("stack", json!(["PHP", 1]))),
    ];
    for (status, field, body) in cases {
        let answer = replica.post("/pessoas", &body);
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.json()["field"], field, "{body}");
        assert!(!answer.json()["error"].as_str().unwrap().is_empty());
    }
    for body in ["{", "[]", "\"a\"", "{\"apelido\":\"a\",}", "not json"] {
        let answer = replica.post("/pessoas", body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(!answer.json()["error"].as_str().unwrap().is_empty());
    }
    assert_eq!(replica.post("/pessoas", "").status, 400);
    assert_eq!(database.count(), 0);
}

#[test]
fn a_nickname_is_taken_once_on_either_replica() {
    let database = Database::create();
    let (one, other) = (Replica::start(&database), Replica::start(&database));
    created(&one, &person("ana"));
    for replica in [&one, &other, &other] {
        let answer = create(replica, &person("ana"));
        assert_eq!(answer.status, 422);
        assert_eq!(answer.json()["field"], "apelido");
    }
    // Nicknames differ by case.
    created(&other, &person("Ana"));
    assert_eq!(database.count(), 2);
}

#[test]
fn of_many_creations_of_one_nickname_at_once_one_is_accepted() {
    let database = Database::create();
    let replicas = [Replica::start(&database), Replica::start(&database)];
    for round in 0..5 {
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..16)
                .map(|index| {
                    let replica = &replicas[index % 2];
                    scope.spawn(move || create(replica, &person(&format!("nick{round}"))).status)
                })
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 201 | 422)), "{statuses:?}");
    }
    assert_eq!(database.count(), 5);
}

#[test]
fn a_person_created_on_one_replica_is_found_by_the_other_at_once() {
    let database = Database::create();
    let (one, other) = (Replica::start(&database), Replica::start(&database));
    for index in 0..50 {
        let nick = format!("nick{index:02}");
        let location = created(&one, &person(&nick));
        assert_eq!(other.get(&location).status, 200);
        // A search may lag by the feed's interval.
        eventually("the other replica finds it", || found(&other, &nick) == [nick.as_str()]);
    }
    assert_eq!(other.get("/contagem-pessoas").text(), "50");
}

#[test]
fn a_search_looks_at_every_field_without_case() {
    let database = Database::create();
    let replica = Replica::start(&database);
    created(
        &replica,
        &json!({"apelido": "Josefina", "nome": "ÉRICA Souza", "nascimento": "2000-01-01", "stack": ["Postgres", "C++"]}),
    );
    created(
        &replica,
        &json!({"apelido": "bia", "nome": "Bia 100%_\\", "nascimento": "2000-01-01", "stack": null}),
    );
    for (term, expected) in [
        ("josef", vec!["Josefina"]),
        ("SEFIN", vec!["Josefina"]),
        ("%C3%A9rica", vec!["Josefina"]),
        ("rica+sou", vec!["Josefina"]),
        ("rica%20sou", vec!["Josefina"]),
        ("GRES", vec!["Josefina"]),
        ("%2B%2B", vec!["Josefina"]),
        ("i", vec!["Josefina", "bia"]),
        ("%25_%5C", vec!["bia"]),
        ("0_", vec![]),
        ("a%25a", vec![]),
        ("b_a", vec![]),
        // A term that would only match across two fields matches nobody.
        ("josefinaeri", vec![]),
        ("a%1F%C3%A9", vec![]),
        ("nobody", vec![]),
        ("%00", vec![]),
    ] {
        assert_eq!(found(&replica, term), expected, "{term}");
    }
}

#[test]
fn a_search_gives_at_most_fifty_oldest_first() {
    let database = Database::create();
    let replica = Replica::start(&database);
    let mut connection = replica.api.connect();
    for index in 0..60 {
        let answer = connection.request("POST", "/pessoas", &person(&format!("nick{index:02}")).to_string());
        assert_eq!(answer.status, 201);
    }
    let expected: Vec<String> = (0..50).map(|index| format!("nick{index:02}")).collect();
    for term in ["nick", "k", "Barbosa"] {
        let mut people = found(&replica, term);
        people.sort();
        assert_eq!(people, expected, "{term}");
    }
}

#[test]
fn searches_and_ids_that_make_no_sense() {
    let database = Database::create();
    let replica = Replica::start(&database);
    for path in ["/pessoas", "/pessoas?", "/pessoas?t=", "/pessoas?x=1", "/pessoas?t=%zz", "/pessoas?t=%ff"] {
        assert_eq!(replica.get(path).status, 400, "{path}");
    }
    for path in [
        "/pessoas/1",
        "/pessoas/not-a-uuid",
        "/pessoas/00000000-0000-0000-0000-000000000000",
        "/pessoas/%00",
        "/pessoas/00000000000000000000000000000000",
        "/nothing",
    ] {
        assert_eq!(replica.get(path).status, 404, "{path}");
    }
    let answer = replica.api.connect().request("PUT", "/pessoas", "");
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, POST, OPTIONS")));
}

#[test]
fn what_was_acknowledged_outlives_a_killed_replica() {
    let database = Database::create();
    let replica = Replica::start(&database);
    let locations: Vec<String> =
        (0..20).map(|index| created(&replica, &person(&format!("nick{index}")))).collect();
    replica.kill();
    assert_eq!(database.count(), 20);
    let successor = Replica::start(&database);
    for location in &locations {
        assert_eq!(successor.get(location).status, 200);
    }
}

/// With hardly any memory the index is given up, and Postgres answers, with a trigram index of its own. (A
/// pattern of another collation than the index's once made every search read every person.)
#[test]
fn searches_go_to_postgres_when_memory_is_short_and_use_an_index() {
    let database = Database::create();
    let replica = Replica::start_with(&database, &[("POUCO_CACHE_BYTES", "65536")]);
    let mut connection = replica.api.connect();
    for index in 0..500 {
        let answer = connection.request("POST", "/pessoas", &person(&format!("nick{index:03}")).to_string());
        assert_eq!(answer.status, 201);
    }
    assert_eq!(replica.metric("pouco_search_index_complete "), 0);
    assert_eq!(found(&replica, "CK123"), ["nick123"]);
    assert_eq!(found(&replica, "k").len(), 50);
    assert_eq!(found(&replica, "123%1F").len(), 0);
    assert_eq!(found(&replica, "barbosa").len(), 50);
    let mut client = database.client();
    eventually("the index is made", || has_search_index(&mut client));
    client.batch_execute("SET enable_seqscan = off; SET enable_indexscan = off").unwrap();
    let source = include_str!("../../src/api/people/sql.rs");
    let statement =
        source.split("SEARCH_BY_TRIGRAMS: &str = r#\"").nth(1).unwrap().split("\"#;").next().unwrap();
    let explain = format!("EXPLAIN {}", statement.replace("$1", "'%barbosa%'"));
    let plan: Vec<String> = client.query(&explain, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert!(plan.iter().any(|line| line.contains("on people_search")), "{plan:#?}");
}

/// What keeps Postgres from making the index now does not keep it for ever: neither a refusal nor another
/// replica that is at it, or was.
#[test]
fn the_index_is_made_once_postgres_takes_it() {
    let database = Database::create();
    let mut client = database.client();
    let replica = Replica::start_with(&database, &[("POUCO_CACHE_BYTES", "65536")]);
    // What a sequence has given is not undone with the statement that is refused.
    let refuse = "CREATE SEQUENCE refusals;
        CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM nextval('refusals'); RAISE EXCEPTION 'not now'; END $$;
        CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION refuse()";
    client.batch_execute(refuse).unwrap();
    // The key that replicas take before they make the index.
    let key: i64 = 0x706f_7563_6f02;
    let mut other = database.client();
    other.execute("SELECT pg_advisory_lock($1)", &[&key]).unwrap();
    let mut connection = replica.api.connect();
    for index in 0..500 {
        let answer = connection.request("POST", "/pessoas", &person(&format!("nick{index:03}")).to_string());
        assert_eq!(answer.status, 201);
    }
    assert_eq!(replica.metric("pouco_search_index_complete "), 0);
    drop(other);
    eventually("the index is refused", || {
        client.query_one("SELECT is_called FROM refusals", &[]).unwrap().get(0)
    });
    client.batch_execute("DROP EVENT TRIGGER refuse").unwrap();
    eventually("the index is made", || has_search_index(&mut client));
}

fn has_search_index(client: &mut postgres::Client) -> bool {
    let valid =
        "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('people_search') AND indisvalid";
    client.query_one(valid, &[]).unwrap().get::<_, i64>(0) == 1
}

/// Memory folds as Postgres does, for every character that there is.
#[test]
fn folding_is_that_of_postgres() {
    let database = Database::create();
    let rows = database
        .client()
        .query("SELECT i, lower(chr(i) COLLATE pg_c_utf8) FROM generate_series(1, 1114111) AS i WHERE i NOT BETWEEN 55296 AND 57343", &[])
        .unwrap();
    assert_eq!(rows.len(), 1_112_063);
    let differs = rows.iter().filter_map(|row| {
        let (code, lower): (i32, &str) = (row.get(0), row.get(1));
        let character = char::from_u32(code.unsigned_abs()).unwrap();
        let folded = pouco::cache::search::fold_char(character);
        (lower != folded.to_string()).then(|| format!("U+{code:04X}: {lower} and {folded}"))
    });
    let differs: Vec<String> = differs.collect();
    assert!(differs.is_empty(), "{differs:#?}");
}

#[test]
fn durability_is_not_traded() {
    let database = Database::create();
    let mut client = database.client();
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value: String = client.query_one(&format!("SHOW {setting}"), &[]).unwrap().get(0);
        assert_eq!(value, "on", "{setting}");
    }
    let row = client
        .query_one(
            "SELECT pg_encoding_to_char(encoding), datlocprovider::text, datlocale FROM pg_database
             WHERE datname = current_database()",
            &[],
        )
        .unwrap();
    let (encoding, provider, locale): (String, String, Option<String>) = (row.get(0), row.get(1), row.get(2));
    assert_eq!((encoding.as_str(), provider.as_str(), locale.as_deref()), ("UTF8", "b", Some("C.UTF-8")));
}
