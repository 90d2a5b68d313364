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
    judge(text.as_bytes(), &Creations::Each(creations.to_vec())).unwrap()
}

#[test]
fn the_data_and_what_was_acknowledged_is_all_there_is() {
    let mut stored = judged(|_| ());
    assert_eq!((stored.rows, stored.expected_low, stored.expected_high), (1_004, 1_003, 1_005), "{stored:?}");
    assert_eq!((stored.sent, stored.acknowledged, stored.wrongly_refused), (6, 3, 1));
    // A creation that is valid was refused: that is wrong by itself.
    stored.wrongly_refused = 0;
    assert!(stored.exact(), "{stored:?}");
    assert!(judge("".as_bytes(), &Creations::Counted { sent: 1, acknowledged: 1, failed: 0 }).is_err());
    let none = judge("".as_bytes(), &Creations::Counted { sent: 0, acknowledged: 0, failed: 0 }).unwrap();
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
    let error = judge("\n{}\n".as_bytes(), &Creations::Each(Vec::new())).unwrap_err();
    assert!(format!("{error:#}").contains("line 2 of the rows"), "{error:#}");
}

fn list(users: &[User]) -> String {
    format!("[{}]", users.iter().map(|user| line(user).trim().to_owned()).collect::<Vec<_>>().join(","))
}

fn data() -> Vec<User> {
    (1..=ROWS).map(seeded).collect()
}

#[test]
fn a_list_is_of_all_rows_in_any_order_and_spelling() {
    let mut answers = Answers::default();
    let mut judged = |body: &str| {
        let asked = answers.ask(Task::List);
        answers.judge(Task::List, asked, 1.0, body.as_bytes()).map(|id| assert_eq!(id, None))
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
    let mut answers = Answers::default();
    let first = answers.ask(Task::Create);
    let early = answers.ask(Task::List);
    let body = r#"{"id":1001,"name":"Zoë 0","email":"made0@example.com"}"#;
    assert_eq!(answers.judge(Task::Create, first, 1.0, body.as_bytes()), Ok(Some(1_001)));
    let late = answers.ask(Task::List);
    let without = list(&data());
    let with = list(&data().into_iter().chain([made(0)]).collect::<Vec<_>>());
    for _ in 0..2 * answers::WHOLE_EVERY {
        assert_eq!(answers.judge(Task::List, early, 1.0, without.as_bytes()), Ok(None));
        assert_eq!(answers.judge(Task::List, early, 1.0, with.as_bytes()), Ok(None));
        assert_eq!(answers.judge(Task::List, late, 1.0, with.as_bytes()), Ok(None));
        let error = answers.judge(Task::List, late, 1.0, without.as_bytes()).unwrap_err();
        assert!(error.contains("has not all rows"), "{error}");
    }
    // As many rows as must be there, and one of them is another: one list in ten tells.
    let other = with.replace("Zoë 0", "Zoe 0");
    let all = (0..answers::WHOLE_EVERY).map(|_| answers.judge(Task::List, late, 1.0, other.as_bytes()));
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
    Task::Upload.write_body(3, &mut body);
    let (head, rest) = body.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("name=\"file\"; filename=\"file-3.bin\""), "{head}");
    let boundary = Task::Upload.content_type().unwrap().split_once("boundary=").unwrap().1.to_owned();
    assert!(head.starts_with(&format!("--{boundary}\r\n")), "{head}");
    let (file, end) = rest.split_once("\r\n").unwrap();
    assert_eq!((file.len(), end), (1_024, format!("--{boundary}--\r\n").as_str()));
}
