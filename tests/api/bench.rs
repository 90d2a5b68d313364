//! The API `bench` over real sockets and a real Postgres: what each endpoint says that it does, and its
//! errors.

use std::time::{Duration, Instant};

use crate::support::replica::{command, run, seed};
use crate::support::{Answer, Connection, Database, Replica, eventually, open_tempdir};
use pouco::embedded::Cluster;
use serde_json::{Value, json};

pub(crate) fn start(database: &Database, settings: &[(&str, &str)]) -> Replica {
    let settings: Vec<_> = settings.iter().copied().chain([("POUCO_APIS", "bench")]).collect();
    Replica::start_with(database, &settings)
}

pub(crate) fn replica() -> (Database, Replica) {
    let database = Database::create();
    let replica = start(&database, &[]);
    (database, replica)
}

pub(crate) fn users(database: &Database, count: i64) {
    database.execute(&format!(
        "INSERT INTO bench.users (name, email)
         SELECT 'User ' || n, 'user' || n || '@example.com' FROM generate_series(1, {count}) AS n"
    ));
}

pub(crate) fn send(replica: &Replica, method: &str, path: &str, body: &Value) -> Answer {
    replica.api.connect().request(method, path, &body.to_string())
}

fn created(replica: &Replica, name: &str, email: &str) -> Value {
    let answer = send(replica, "POST", "/users", &json!({"name": name, "email": email}));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let user = answer.json();
    assert_eq!(answer.header("location"), Some(format!("/users/{}", user["id"]).as_str()));
    user
}

/// All rows as Postgres writes them; every moment in it is of whole seconds, or has all its digits.
fn stored(database: &Database) -> Value {
    let sql =
        "SELECT coalesce(json_agg(json_build_object('id', id, 'name', name, 'email', email, 'created_at',
                   replace(to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
                           '.000000', '')) ORDER BY id), '[]')::text
               FROM bench.users";
    let text: String = database.value(sql);
    serde_json::from_str(&text).unwrap()
}

fn listed(replica: &Replica) -> Value {
    let answer = replica.get("/users");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

#[test]
fn health_and_the_index_are_there() {
    let (_database, replica) = replica();
    let answer = replica.get("/health");
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "ok", "server": "pouco"})));
    assert_eq!(replica.get("/").json()["apis"][0]["name"], "bench", "the replica's own, since it has none");
}

#[test]
fn what_is_echoed_is_what_came() {
    let (_database, replica) = replica();
    let item = |n| json!({"n": n, "half": 0.5, "text": format!("é{n}\"\n")});
    let items: Vec<Value> = (0..200).map(item).collect();
    let data = json!({"items": items, "nested": {"a": {"b": [null, true, -1, 18446744073709551615_u64]}}});
    let body = json!({"message": "häl\"lo", "timestamp": 1_700_000_000.25, "data": data, "more": 1});
    let answer = send(&replica, "POST", "/echo", &body);
    assert_eq!((answer.status, answer.json()), (200, json!({"message": "häl\"lo", "data": data})));
    let missing = send(&replica, "POST", "/echo", &json!({"message": "m", "timestamp": 1}));
    assert_eq!((missing.status, missing.json()), (422, json!({"error": "is missing", "field": "data"})));
    let deep = format!("{{\"message\":\"m\",\"timestamp\":1,\"data\":{{\"a\":{}}}}}", "[".repeat(500));
    assert_eq!(replica.post("/echo", &deep).status, 400);
    assert_eq!(replica.post("/echo", &"x".repeat(70_000)).status, 413);
}

#[test]
fn a_user_is_created_read_changed_and_deleted() {
    let (database, replica) = replica();
    let ana = created(&replica, "Ana \"Zoë\"", "ana@example.com");
    assert_eq!(json!([ana]), stored(&database));
    let path = format!("/users/{}", ana["id"]);
    assert_eq!(replica.get(&path).json(), ana);
    let bob = created(&replica, "Bob", "bob@example.com");
    assert_eq!(listed(&replica), json!([ana, bob]));

    let renamed = send(&replica, "PUT", &path, &json!({"name": "Ana"}));
    assert_eq!((renamed.status, &renamed.json()["name"]), (200, &json!("Ana")));
    assert_eq!(renamed.json()["email"], ana["email"]);
    let moved = send(&replica, "PUT", &path, &json!({"email": "ana@example.org"}));
    assert_eq!(moved.json()["email"], "ana@example.org");
    assert_eq!(moved.json()["name"], "Ana");
    assert_eq!(replica.get(&path).body, moved.body);
    let taken = send(&replica, "PUT", &path, &json!({"email": "bob@example.com"}));
    let conflict = json!({"error": "another user has it", "field": "email"});
    assert_eq!((taken.status, taken.json()), (409, conflict.clone()));
    let again = send(&replica, "POST", "/users", &json!({"name": "B", "email": "bob@example.com"}));
    assert_eq!((again.status, again.json()), (409, conflict));

    let gone = replica.api.connect().request("DELETE", &path, "");
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    for method in ["GET", "DELETE"] {
        assert_eq!(replica.api.connect().request(method, &path, "").status, 404, "{method}");
    }
    assert_eq!(send(&replica, "PUT", &path, &json!({})).status, 404);
    assert_eq!(listed(&replica), json!([bob]));
    assert_eq!(listed(&replica), stored(&database));
}

#[test]
fn a_body_or_an_id_that_breaks_a_rule_is_refused() {
    let (database, replica) = replica();
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": "A"}), "email"),
        (json!({"name": " ", "email": "a@b.c"}), "name"),
        (json!({"name": "a".repeat(101), "email": "a@b.c"}), "name"),
        (json!({"name": "a\u{0}", "email": "a@b.c"}), "name"),
        (json!({"name": 1, "email": "a@b.c"}), "name"),
        (json!({"name": "A", "email": "a"}), "email"),
        (json!({"name": "A", "email": format!("a@{}.c", "b".repeat(251))}), "email"),
    ] {
        let answer = send(&replica, "POST", "/users", &body);
        assert_eq!(
            (answer.status, &answer.json()["field"]),
            (422, &json!(field)),
            "{body}: {}",
            answer.text()
        );
    }
    assert_eq!(replica.post("/users", "{").status, 400);
    for (path, status) in [("/users/ana", 400), ("/users/1.5", 400), ("/users/9223372036854775808", 400)] {
        assert_eq!(replica.get(path).status, status, "{path}");
    }
    for path in ["/users/0", "/users/-1", "/users/9223372036854775807"] {
        assert_eq!(replica.get(path).status, 404, "{path}");
    }
    assert_eq!(stored(&database), json!([]));
    assert_eq!(listed(&replica), json!([]));
}

/// Whatever a slice is, and whether the table ends with one.
#[test]
fn the_list_is_the_table_of_the_moment() {
    let database = Database::create();
    seed(&database, "bench", &[]);
    let expected = stored(&database);
    assert_eq!(expected.as_array().unwrap().len(), 1_000);
    let replicas = ["37", "500", "1000", "1001", "2048"].map(|rows| {
        let replica = start(&database, &[("POUCO_BENCH_SLICE_ROWS", rows)]);
        assert_eq!(listed(&replica), expected, "{rows} rows a slice");
        replica
    });
    assert!(replicas[0].get("/users").header("content-length").is_none(), "it is sent while it is read");
    assert!(replicas[4].get("/users").header("content-length").is_some());
    let change = "DELETE FROM bench.users WHERE id % 2 = 0;
                  UPDATE bench.users SET name = 'Later' WHERE id = 7;
                  INSERT INTO bench.users (name, email, created_at)
                  VALUES ('Z', 'z@example.com', '2024-01-01')";
    database.execute(change);
    let expected = stored(&database);
    for replica in &replicas {
        assert_eq!(listed(replica), expected, "nothing of it is kept");
        let head = replica.api.connect().request("HEAD", "/users", "");
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
}

/// Those that wait are one transaction; a conflict is answered to whom it concerns.
#[test]
fn of_creations_that_meet_each_has_its_own_answer() {
    let database = Database::create();
    let replica = start(&database, &[("POUCO_COMMIT_LINGER_MS", "100")]);
    let body = |n| json!({"name": format!("User {n}"), "email": format!("user{}@example.com", n % 40)});
    let bodies = (0..60).map(body);
    let mut waiting: Vec<Connection> = bodies
        .map(|body| {
            let body = body.to_string();
            let mut connection = replica.api.connect();
            let head = format!("POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
            connection.send(head + &body);
            connection
        })
        .collect();
    let answers: Vec<Answer> = waiting.iter_mut().map(Connection::answer).collect();
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(409)), (40, 20));
    let mut made: Vec<Value> =
        answers.iter().filter(|answer| answer.status == 201).map(Answer::json).collect();
    made.sort_by_key(|user| user["id"].as_i64());
    assert_eq!(Value::Array(made), stored(&database));
    assert!(replica.metric("pouco_commit_batches_total{table=\"bench\"}") < 40, "they were gathered");
}

#[test]
fn many_sleep_at_once_without_a_thread_each() {
    const SLEEPERS: usize = 400;
    let database = Database::create();
    let replica = start(&database, &[("POUCO_BENCH_EXTERNAL_MS", "250")]);
    let once = replica.get("/external").json();
    assert_eq!((&once["source"], &once["data"]), (&json!("timer"), &json!({"status": "ok"})));
    let threads = || {
        let path = format!("/proc/{}/status", replica.pid().as_raw_nonzero());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap();
        line.trim().parse::<usize>().unwrap()
    };
    let before = threads();
    let mut connections: Vec<Connection> = (0..SLEEPERS).map(|_| replica.api.connect()).collect();
    let begun = Instant::now();
    connections.iter_mut().for_each(|it| it.send("GET /external HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(threads() < before + 10);
    for connection in &mut connections {
        let answer = connection.answer();
        assert_eq!(answer.status, 200);
        assert!(answer.json()["latency_ms"].as_f64().unwrap() >= 250.0, "{}", answer.text());
    }
    // One after another they would take 100 s.
    assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
}

#[test]
fn who_has_a_token_and_an_id_comes_in() {
    let (_database, replica) = replica();
    let ask = |fields: &str| replica.api.ask(format!("GET /protected HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    let granted = ask("Authorization: bearer 1234567890\r\nX-Request-Id: one\r\n");
    assert_eq!((granted.status, &granted.json()["message"]), (200, &json!("Access granted")));
    assert!(granted.json()["user"].is_string());
    assert_eq!(granted.header("x-request-id"), Some("one"));
    let long = format!("Authorization: Bearer 1234567890\r\nX-Request-Id: {}\r\n", "x".repeat(129));
    for fields in [
        "",
        "X-Request-Id: one\r\n",
        "Authorization: Bearer 1234567890\r\n",
        "Authorization: Bearer 123456789\r\nX-Request-Id: one\r\n",
        "Authorization: Basic 1234567890\r\nX-Request-Id: one\r\n",
        "Authorization: Bearer 1234567890\r\nAuthorization: Bearer 1234567890\r\nX-Request-Id: one\r\n",
        "Authorization: Bearer 1234567890\r\nX-Request-Id:\r\n",
        "Authorization: Bearer 1234567890\r\nX-Request-Id: a b\r\n",
        &long,
    ] {
        let refused = ask(fields);
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")), "{fields}");
        assert!(refused.json()["error"].is_string());
    }
}

/// A form with one file in it, and its boundary's type.
fn form(content: &[u8]) -> (&'static str, Vec<u8>) {
    let head = b"--bound\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nfile\r\n--bound\r\n\
                 Content-Type: application/x-thing\r\nContent-Disposition: form-data; name=\"file\"; \
                 filename=\"\xc3\xa9 1.bin\"\r\n\r\n";
    ("multipart/form-data; boundary=bound", [head.as_slice(), content, b"\r\n--bound--\r\n"].concat())
}

const UPLOAD: &str = "POST /upload HTTP/1.1\r\nHost: a\r\n";

fn upload(replica: &Replica, content_type: &str, body: &[u8]) -> Answer {
    let mut connection = replica.api.connect();
    let length = body.len();
    let head = format!("{UPLOAD}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n");
    // What the server refuses it need not have read.
    let _ = connection.try_send([head.as_bytes(), body].concat());
    connection.answer()
}

#[test]
fn a_file_of_any_size_is_counted() {
    let (_database, replica) = replica();
    for size in [0, 1, 1_024, 8_192, 100_000, 3_000_000] {
        let content: Vec<u8> = b"\r\n--boun".iter().copied().cycle().take(size).collect();
        let (content_type, body) = form(&content);
        let expected = json!({"filename": "é 1.bin", "size": size, "content_type": "application/x-thing"});
        let answer = upload(&replica, content_type, &body);
        assert_eq!((answer.status, answer.json()), (200, expected.clone()));
        let mut connection = replica.api.connect();
        let head = format!("{UPLOAD}Content-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n");
        connection.send(head);
        for chunk in body.chunks(77_777) {
            connection.send(format!("{:x}\r\n", chunk.len()));
            connection.send(chunk);
            connection.send("\r\n");
        }
        connection.send("0\r\n\r\n");
        assert_eq!(connection.answer().json(), expected);
        // The connection is good for another request.
        assert_eq!(connection.request("GET", "/health", "").status, 200);
    }
}

#[test]
fn what_is_no_form_with_one_file_is_refused() {
    let database = Database::create();
    let replica = start(&database, &[("POUCO_BENCH_UPLOAD_BYTES", "65536")]);
    let (content_type, whole) = form(b"x");
    for content_type in ["application/json", "multipart/form-data", "multipart/mixed; boundary=bound"] {
        assert_eq!(upload(&replica, content_type, &whole).status, 415, "{content_type}");
    }
    let field = |name: &str| format!("--bound\r\ncontent-disposition: form-data; name={name}\r\n\r\n\r\n");
    let (none, two) = (field("other"), field("\"file\"; filename=a").repeat(2));
    for (body, status) in [
        (whole[..whole.len() - 12].to_vec(), 400),
        (Vec::new(), 400),
        (format!("{none}--bound--").into_bytes(), 422),
        (format!("{}--bound--", field("file")).into_bytes(), 422),
        (format!("{two}--bound--").into_bytes(), 422),
        (format!("{}--bound--", field("file; filename=\"\"")).into_bytes(), 422),
        (form(&[0; 65_536]).1, 413),
        (format!("--bound\r\nx: {}", "x".repeat(20_000)).into_bytes(), 413),
    ] {
        let answer = upload(&replica, content_type, &body);
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.json()["error"].is_string());
    }
}

#[test]
fn the_seed_decides_who_there_is() {
    let (one, other, third) = (Database::create(), Database::create(), Database::create());
    assert_eq!(seed(&one, "bench", &["--seed", "7"]), "1000 of 1000 rows added; the others were there\n");
    let again = seed(&one, "bench", &["--seed", "7", "--rows", "1010"]);
    assert_eq!(again, "10 of 1010 rows added; the others were there\n");
    seed(&other, "bench", &["--rows", "1000", "--seed", "7"]);
    seed(&third, "bench", &["--seed", "8"]);
    let all = [&one, &other, &third].map(stored);
    assert_eq!(all[0].as_array().unwrap()[..1_000], all[1].as_array().unwrap()[..]);
    assert_ne!(all[1], all[2]);
    let count = run(command().env("DATABASE_URL", one.url()).args(["count", "bench"]));
    assert_eq!(count.1, "1010\n");
}

#[test]
fn it_is_served_where_it_is_named_and_not_beside_the_users_api() {
    let database = Database::create();
    let all = Replica::start(&database);
    assert_eq!(all.get("/health").status, 404);
    let (code, out, err) =
        run(command().env("DATABASE_URL", database.url()).env("POUCO_APIS", "users,bench"));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(err, "pouco: POUCO_APIS=`users,bench` is not allowed: both users and bench have GET /users\n");
    let beside = Replica::start_with(&database, &[("POUCO_APIS", "people,edge,bench")]);
    assert_eq!((beside.get("/health").status, beside.get("/contagem-pessoas").status), (200, 200));
}

#[test]
fn without_postgres_the_rest_goes_on() {
    let folder = open_tempdir();
    let start = || Cluster::start(Some(folder.path().join("data")), None).unwrap();
    let cluster = start();
    let url = format!("host={} user=pouco dbname=pouco", cluster.sockets().display());
    let mut command = command();
    command.env("DATABASE_URL", &url).env("POUCO_APIS", "bench");
    command.env("POUCO_READ_DEADLINE_MS", "2000").env("POUCO_COMMIT_DEADLINE_MS", "2000");
    let replica = Replica::spawn(&mut command);
    let ana = json!({"name": "Ana", "email": "ana@example.com"});
    eventually("it is written to", || send(&replica, "POST", "/users", &ana).status != 503);
    let ana = listed(&replica)[0].clone();
    cluster.stop();
    let body = json!({"name": "Bob", "email": "bob@example.com"});
    for (method, path) in [
        ("GET", "/users"),
        ("POST", "/users"),
        ("GET", "/users/1"),
        ("PUT", "/users/1"),
        ("DELETE", "/users/1"),
    ] {
        let answer = send(&replica, method, path, &body);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{method} {path}");
    }
    assert_eq!((replica.get("/health").status, replica.get("/external").status), (200, 200));
    let _cluster = start();
    eventually("users are read again", || replica.get("/users").status == 200);
    assert_eq!(listed(&replica), json!([ana]), "what was refused is not stored");
}
