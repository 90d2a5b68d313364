use super::*;

fn line(user: &User) -> String {
    // As Postgres writes a moment.
    let at = user.created_at.replace('Z', "+00:00");
    format!(
        "{{\"id\":{},\"name\":\"{}\",\"email\":\"{}\",\"created_at\":\"{at}\"}}\n",
        user.id, user.name, user.email
    )
}

/// Whom the creation of this number made, with the id after those of all before.
fn made(number: u64) -> User {
    let (name, email) = created(number);
    User { id: ROWS + 1 + number, name, email, created_at: "2026-01-01T00:00:00Z".to_owned() }
}

/// Three acknowledged creations, one without an answer that was stored, one without an answer that was not,
/// and one that was refused: their rows as `change` leaves them.
fn judged(change: impl FnOnce(&mut Vec<User>)) -> Stored {
    let mut rows: Vec<User> = (1..=ROWS).map(seeded).chain((0..4).map(made)).collect();
    change(&mut rows);
    let creation = |payload, status| {
        let id = (status == 201).then(|| u128::from(ROWS + 1 + payload));
        Creation { payload, status, id }
    };
    let creations = [(0, 201), (1, 201), (2, 201), (3, 0), (4, 0), (5, 409)]
        .map(|(number, status)| creation(number, status));
    let text: String = rows.iter().map(line).collect();
    judge(text.as_bytes(), &Creations::Each(creations.to_vec()), ROWS, &Tally::default()).unwrap()
}

#[test]
fn the_data_and_what_was_acknowledged_is_all_there_is() {
    let mut stored = judged(|_| ());
    assert_eq!((stored.rows, stored.expected_low, stored.expected_high), (1_004, 1_003, 1_005), "{stored:?}");
    assert_eq!((stored.sent, stored.acknowledged, stored.wrongly_refused), (6, 3, 1));
    // A creation that is valid was refused: that is wrong by itself.
    stored.wrongly_refused = 0;
    assert!(stored.exact(), "{stored:?}");
    assert!(
        judge(
            "".as_bytes(),
            &Creations::Counted { sent: 1, acknowledged: 1, failed: 0 },
            ROWS,
            &Tally::default()
        )
        .is_err()
    );
    let none = judge(
        "".as_bytes(),
        &Creations::Counted { sent: 0, acknowledged: 0, failed: 0 },
        ROWS,
        &Tally::default(),
    )
    .unwrap();
    assert_eq!(none.lost, ROWS);
}

#[test]
fn each_defect_is_seen_as_itself() {
    let figures = |change: fn(&mut Vec<User>)| {
        let stored = judged(change);
        assert!(stored.examples.len() <= MAX_EXAMPLES, "{stored:?}");
        (stored.lost, stored.altered, stored.foreign, stored.duplicated)
    };
    assert_eq!(figures(|_| ()), (0, 0, 0, 0));
    assert_eq!(figures(|rows| drop(rows.remove(7))), (1, 0, 0, 0), "of the data");
    assert_eq!(figures(|rows| rows.retain(|row| row.id != 1_002)), (1, 0, 0, 0), "acknowledged");
    assert_eq!(figures(|rows| rows.retain(|row| row.id != 1_004)), (0, 0, 0, 0), "without an answer");
    assert_eq!(figures(|rows| rows[9].name.push('x')), (0, 1, 0, 0), "of the data");
    assert_eq!(figures(|rows| rows[9].created_at = made(0).created_at), (0, 1, 0, 0), "another moment");
    assert_eq!(figures(|rows| rows[1_001].name.push('x')), (0, 1, 0, 0), "acknowledged");
    assert_eq!(figures(|rows| rows[1_001].id = 2_000), (0, 1, 0, 0), "another id than was answered");
    assert_eq!(figures(|rows| rows.push(made(9))), (0, 0, 1, 0), "nobody sent it");
    assert_eq!(figures(|rows| rows.push(made(5))), (0, 0, 1, 0), "refused and stored");
    assert_eq!(figures(|rows| rows.push(rows[3].clone())), (0, 0, 0, 1), "of the data");
    assert_eq!(figures(|rows| rows.push(User { id: 3_000, ..made(1) })), (0, 0, 0, 1), "acknowledged");
}

#[test]
fn what_is_no_row_is_said_with_its_line() {
    let error =
        judge("\n{}\n".as_bytes(), &Creations::Each(Vec::new()), ROWS, &Tally::default()).unwrap_err();
    assert!(format!("{error:#}").contains("line 2 of the rows"), "{error:#}");
}

fn given(body: &[u8]) -> Given<'_> {
    Given { status: 200, retry_after: false, millis: 1.0, body }
}

fn list(users: &[User]) -> String {
    format!("[{}]", users.iter().map(|user| line(user).trim().to_owned()).collect::<Vec<_>>().join(","))
}

fn data() -> Vec<User> {
    (1..=ROWS).map(seeded).collect()
}

#[test]
fn a_list_is_of_all_rows_in_any_order_and_spelling() {
    let mut answers = Answers::new(ROWS, Vec::new(), &[]);
    let mut judged = |body: &str| {
        let asked = answers.ask(Task::List, 0, &mut String::new());
        answers.judge(Task::List, asked, &given(body.as_bytes())).map(|id| assert_eq!(id, None))
    };
    let whole = list(&data());
    assert_eq!([judged(&whole), judged(&whole)], [Ok(()), Ok(())]);
    assert_eq!(judged(&whole.replace("+00:00", "Z").replace("ö", "\\u00f6")), Ok(()));
    let mut turned = data();
    turned.reverse();
    assert_eq!(judged(&list(&turned)), Ok(()));
    type Change = fn(&mut Vec<User>);
    let cases: [(Change, &str); 6] = [
        (|rows| rows.truncate(100), "has not all rows"),
        (|rows| rows.push(made(0)), "more rows than there are"),
        (|rows| rows[5] = rows[6].clone(), "twice"),
        (|rows| rows[5].email.push('x'), "not as it is stored"),
        (|rows| rows[5].created_at = "2024-01-01".to_owned(), "no moment"),
        (|rows| rows[5] = made(0), "nobody sent"),
    ];
    for (change, said) in cases {
        let mut rows = data();
        change(&mut rows);
        let error = judged(&list(&rows)).unwrap_err();
        assert!(error.contains(said), "{said}: {error}");
    }
    assert!(judged(&whole.replace(']', "")).unwrap_err().contains("no array"));
    assert!(judged("").is_err());
}

#[test]
fn a_list_has_whom_was_acknowledged_before_it_was_asked_for() {
    let mut answers = Answers::new(ROWS, Vec::new(), &[]);
    let first = answers.ask(Task::Create, 0, &mut String::new());
    let early = answers.ask(Task::List, 0, &mut String::new());
    let body = r#"{"id":1001,"name":"Zoë 0","email":"made0@example.com"}"#;
    assert_eq!(answers.judge(Task::Create, first, &given(body.as_bytes())), Ok(Some(1_001)));
    let late = answers.ask(Task::List, 0, &mut String::new());
    let without = list(&data());
    let with = list(&data().into_iter().chain([made(0)]).collect::<Vec<_>>());
    for _ in 0..2 * answers::WHOLE_EVERY {
        assert_eq!(answers.judge(Task::List, early, &given(without.as_bytes())), Ok(None));
        assert_eq!(answers.judge(Task::List, early, &given(with.as_bytes())), Ok(None));
        assert_eq!(answers.judge(Task::List, late, &given(with.as_bytes())), Ok(None));
        let error = answers.judge(Task::List, late, &given(without.as_bytes())).unwrap_err();
        assert!(error.contains("has not all rows"), "{error}");
    }
    // As many rows as must be there, and one of them is another: one list in ten tells.
    let other = with.replace("Zoë 0", "Zoe 0");
    let all = (0..answers::WHOLE_EVERY).map(|_| answers.judge(Task::List, late, &given(other.as_bytes())));
    assert_eq!(all.filter(|judged| judged.is_err()).count(), 1);
}

#[test]
fn each_answer_is_held_against_what_was_sent() {
    let judged = |task: Task, number, millis, body: &str| task.check(number, millis, body.as_bytes());
    let right = [
        (Task::Health, r#"{"status":"ok","server":"tiny"}"#),
        (
            Task::Echo,
            r#"{"data":{"nested":{"flag":true,"key":"value 7"},"items":[1,2,3,4,5]},"message":"message 7"}"#,
        ),
        (Task::Create, r#"{"id":8,"name":"Zo\u00eb 7","email":"made7@example.com"}"#),
        (Task::External, r#"{"source":"x","latency_ms":100.2,"data":{}}"#),
        (Task::Protected, r#"{"message":"Access granted","user":{"id":1}}"#),
        (Task::Upload, r#"{"filename":"file-7.bin","size":1024,"content_type":"application/octet-stream"}"#),
    ];
    for (task, body) in right {
        let id = (task == Task::Create).then_some(8);
        assert_eq!(judged(task, 7, 101.0, body), Ok(id), "{task:?}");
        assert!(judged(task, 7, 101.0, "{}").is_err(), "{task:?}");
    }
    let wrong = [
        (Task::Health, "ok", "up", "status"),
        (Task::Echo, "message 7", "message 8", "message"),
        (Task::Echo, "value 7", "value 8", "data"),
        (Task::Echo, "4,5", "4", "data"),
        (Task::Create, "made7", "made8", "user"),
        (Task::External, "100.2", "98.9", "below 100"),
        (Task::External, "100.2", "103", "more than the answer took"),
        (Task::Protected, "granted", "denied", "message"),
        (Task::Protected, "{\"id\":1}", "null", "no user"),
        (Task::Upload, "1024", "1023", "size"),
        (Task::Upload, "file-7", "file-8", "filename"),
        (Task::Upload, "application/", "text/", "content_type"),
    ];
    for (task, from, to, said) in wrong {
        let body = right.iter().find(|(of, _)| *of == task).unwrap().1.replace(from, to);
        let error = judged(task, 7, 101.0, &body).unwrap_err();
        assert!(error.contains(said), "{task:?}: {error}");
    }
    let soon = judged(Task::External, 0, 20.0, r#"{"source":"x","latency_ms":100,"data":{}}"#);
    assert_eq!(soon, Err("the answer came before 100 ms had passed"));
}

#[test]
fn an_upload_is_a_file_of_1024_bytes() {
    let mut body = String::new();
    Task::Upload.write_body(3, 0, &mut body);
    let (head, rest) = body.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("name=\"file\"; filename=\"file-3.bin\""), "{head}");
    let boundary = Task::Upload.content_type().unwrap().split_once("boundary=").unwrap().1.to_owned();
    assert!(head.starts_with(&format!("--{boundary}\r\n")), "{head}");
    let (file, end) = rest.split_once("\r\n").unwrap();
    assert_eq!((file.len(), end), (1_024, format!("--{boundary}--\r\n").as_str()));
}

/// What is said of an answer to the next request of `client`; nothing of a right one.
fn said(answers: &mut Answers, task: Task, client: u64, body: &dyn Fn(&str, Asked) -> String) -> String {
    let mut text = String::new();
    let asked = answers.ask(task, client, &mut text);
    let body = body(&text, asked);
    answers.judge(task, asked, &given(body.as_bytes())).err().unwrap_or_default().to_owned()
}

fn task(method: &str, path: &str) -> Task {
    Task::of(method, path).unwrap_or_else(|| panic!("{method} {path}"))
}

fn page(ids: impl Iterator<Item = u64>, rest: &str) -> String {
    format!(r#"{{"items":{},"size":20,{rest}}}"#, list(&ids.map(seeded).collect::<Vec<_>>()))
}

#[test]
fn pages_have_exactly_their_users_and_a_walk_has_each_once() {
    let mut answers = Answers::new(ROWS, Vec::new(), &[]);
    let cursor = task("GET", "/users/cursor?cursor={asked}&size=20");
    let from = |text: &str| text.parse::<u64>().unwrap();
    for turn in 0..60 {
        // Client 0 begins at the first page, and begins again after the last.
        let right = |text: &str, _: Asked| {
            assert_eq!(from(text), turn * 20 % ROWS);
            let last = from(text) + 20;
            let next = if last == ROWS { "null".to_owned() } else { last.to_string() };
            page(from(text) + 1..=last, &format!(r#""next_cursor":{next}"#))
        };
        assert_eq!(said(&mut answers, cursor, 0, &right), "");
    }
    let mut answers = Answers::new(ROWS, Vec::new(), &[]);
    let repeats = |text: &str, _: Asked| page(from(text)..from(text) + 20, "\"next_cursor\":1");
    assert_eq!(said(&mut answers, cursor, 1, &repeats), "the cursor repeats users");
    let skips = |text: &str, _: Asked| page(from(text) + 2..from(text) + 22, "\"next_cursor\":1");
    assert_eq!(said(&mut answers, cursor, 1, &skips), "the cursor skips users");
    let other = |text: &str, _: Asked| page(from(text) + 1..from(text) + 21, "\"next_cursor\":7");
    assert_eq!(said(&mut answers, cursor, 1, &other), "next_cursor is not the last id");

    let offset = task("GET", "/users/offset?page={asked}&size=20");
    let of = |rest: &'static str, shift: u64| {
        move |text: &str, _: Asked| {
            let first = (from(text) - 1) * 20 + 1 + shift;
            page(first..first + 20, &format!(r#""page":{text},{rest}"#))
        }
    };
    let mut said = |body: &dyn Fn(&str, Asked) -> String| said(&mut answers, offset, 2, body);
    assert_eq!(said(&of(r#""total":1000,"total_pages":50"#, 0)), "");
    assert_eq!(said(&of(r#""total":1000,"total_pages":50"#, 1)), "the page has not exactly its users");
    assert_eq!(said(&of(r#""total":999,"total_pages":50"#, 0)), "the total is not the number of users");
    assert_eq!(said(&of(r#""total":1000,"total_pages":49"#, 0)), "total_pages does not fit the total");
    assert!(said(&of(r#""total":null"#, 0)).starts_with("the total is there"));
}

#[test]
fn an_update_that_was_lost_is_counted_and_named() {
    let sell =
        |how: &str| task("POST", &format!("/transactions/decrement/{how}?product_id={{asked}}&quantity=1"));
    let left = |at: u64| serde_json::json!({"1": at, "2": 1_000_000, "10": 5});
    let sold = |text: &str, left: u64| format!(r#"{{"product_id":{text},"quantity":{left}}}"#);
    for (how, exact) in [("pessimistic", true), ("no-lock", false)] {
        let (task, mut answers) = (sell(how), Answers::new(ROWS, Vec::new(), &[]));
        let mut first = 0;
        while first < 2 {
            // Each says that one piece is gone: of the first product that is a lie the second time.
            let mut text = String::new();
            let asked = answers.ask(task, 0, &mut text);
            if text != "1" {
                continue;
            }
            first += 1;
            let judged = answers.judge(task, asked, &given(sold(&text, 999_999).as_bytes()));
            assert_eq!(judged.is_err(), exact && first == 2, "{how}: {judged:?}");
        }
        let (before, after) = (left(1_000_000), left(999_999));
        let proven = answers.tally().prove(task, &before, &after, !exact);
        assert!(proven[0].what == "lost updates" && proven[0].count == 1, "{proven:?}");
        assert_eq!(proven[0].wrong, u64::from(exact));
        let proven = answers.tally().prove(task, &before, &left(999_998), !exact);
        assert_eq!((proven[0].count, proven[1].count, proven[2].count), (0, 0, 0), "{proven:?}");
        let proven = answers.tally().prove(task, &before, &left(999_990), !exact);
        assert_eq!((proven[1].what.as_str(), proven[1].wrong), ("pieces gone that nobody was sold", 8));
    }
    let mut answers = Answers::new(ROWS, Vec::new(), &[]);
    let mut refuse = |how: &str, retry_after| {
        let asked = answers.ask(sell(how), 0, &mut String::new());
        answers.judge(sell(how), asked, &Given { status: 409, retry_after, ..given(b"") })
    };
    assert_eq!(refuse("conditional", true), Err("refused, though there was enough"));
    assert_eq!(refuse("optimistic", false), Err("refused, though there was enough"));
    assert_eq!(refuse("optimistic", true), Ok(None));
}

#[test]
fn what_is_written_is_read_and_stored() {
    let mut answers = Answers::new(ROWS, Vec::new(), &[]);
    let user = |name: &str| format!(r#"{{"id":4,"name":"{name}"}}"#);
    let change = |text: &str, asked: Asked| {
        assert_eq!(text, "4");
        user(&format!("Mia {}", asked.number))
    };
    assert_eq!(said(&mut answers, task("PUT", "/users/{asked}"), 3, &change), "");
    let look = task("GET", "/users/{asked}");
    assert_eq!(said(&mut answers, look, 3, &|_, _| user("Mia 0")), "");
    assert_eq!(said(&mut answers, look, 3, &|_, _| user(&seeded(4).name)), "its own write is not read");
    let stored = |name: &str| {
        let mut rows = data();
        rows[3].name = name.to_owned();
        let text: String = rows.iter().map(line).collect();
        judge(text.as_bytes(), &Creations::Each(Vec::new()), ROWS, &answers.tally()).unwrap().altered
    };
    assert_eq!((stored("Mia 0"), stored(&seeded(4).name), stored("Mia 1")), (0, 1, 1));
}

#[test]
fn whoever_was_removed_is_gone() {
    let mut answers = Answers::new(ROWS, Vec::new(), &[]);
    let made_by = |number: u64| line(&made(number)).trim().to_owned();
    assert_eq!(said(&mut answers, Task::Create, 1, &|_, asked| made_by(asked.number)), "");
    let removal = |text: &str, _: Asked| {
        assert_eq!(text, "1001");
        String::new()
    };
    assert_eq!(said(&mut answers, task("DELETE", "/users/{asked}"), 1, &removal), "");
    let creation = [Creation { payload: 0, status: 201, id: Some(1_001) }];
    let judged = |rows: &[User]| {
        let text: String = rows.iter().map(line).collect();
        judge(text.as_bytes(), &Creations::Each(creation.to_vec()), ROWS, &answers.tally()).unwrap()
    };
    assert!(judged(&data()).exact());
    let there: Vec<User> = data().into_iter().chain([made(0)]).collect();
    assert_eq!((judged(&there).foreign, judged(&data()[1..]).lost), (1, 1));
}

#[test]
fn caches_say_where_a_user_came_from() {
    let mut answers = Answers::new(ROWS, Vec::new(), &[]);
    let (forget, cached) =
        (task("DELETE", "/cache/users/{asked}"), task("GET", "/cache/users/{asked}/redis"));
    let from = |source: &'static str| {
        move |text: &str, _: Asked| {
            format!(r#"{{"source":"{source}","user":{}}}"#, line(&seeded(text.parse().unwrap())).trim())
        }
    };
    assert_eq!(said(&mut answers, cached, 1, &from("cache")), "");
    assert_eq!(said(&mut answers, cached, 1, &from("database")), "the source is not the cache");
    assert_eq!(said(&mut answers, forget, 1, &|_, _| String::new()), "");
    assert_eq!(said(&mut answers, cached, 1, &from("cache")), "who was forgotten is still cached");
    let without = task("GET", "/cache/users/{asked}/no-cache");
    assert_eq!(said(&mut answers, without, 1, &from("database")), "");
    assert_eq!(said(&mut answers, without, 1, &from("cache")), "the source is not the database");
}

#[test]
fn a_503_that_is_allowed_says_when_to_come_again() {
    let mut answers = Answers::new(ROWS, Vec::new(), &[]);
    let mut put_off = |retry_after| {
        let asked = answers.ask(Task::Health, 0, &mut String::new());
        answers.judge(Task::Health, asked, &Given { status: 503, retry_after, ..given(b"") })
    };
    assert_eq!((put_off(true), put_off(false)), (Ok(None), Err("503 without a Retry-After")));
}

#[test]
fn a_search_is_for_those_whom_every_way_finds() {
    let search = task("GET", "/search/users?q={asked}&mode=fts");
    for users in [2_000, 100_000] {
        let mut answers = Answers::new(users, Vec::new(), &[]);
        for _ in 0..100 {
            let found = |term: &str, _: Asked| {
                let has = |user: &User| {
                    let part = |text: &str| text.to_lowercase().contains(term);
                    part(&user.name) || part(&user.email)
                };
                let all = (1..=2_000).chain(users / 2..users / 2 + 50).chain([term
                    .trim_start_matches("user")
                    .split('@')
                    .next()
                    .and_then(|number| number.parse().ok())
                    .unwrap_or(1)]);
                let mut ids: Vec<u64> = all.filter(|id| has(&seeded(*id))).collect();
                ids.sort_unstable();
                ids.dedup();
                ids.truncate(50);
                format!(r#"{{"users":{}}}"#, list(&ids.into_iter().map(seeded).collect::<Vec<_>>()))
            };
            assert_eq!(said(&mut answers, search, 0, &found), "");
        }
    }
}
