//! What the API `bench` writes in several ways: what is acknowledged is what is there, whoever else writes.

use std::thread;

use serde_json::{Value, json};

use crate::bench::{send, start};
use crate::bench_reads::refused;
use crate::support::{Answer, Database, Replica};

const THREADS: usize = 8;
const WAYS: [&str; 5] = ["no-lock", "pessimistic", "optimistic", "serializable", "conditional"];

/// A replica whose transactions can really meet.
fn replica() -> (Database, Replica) {
    let database = Database::create();
    let replica = start(&database, &[("POUCO_READ_CONNECTIONS", "9")]);
    (database, replica)
}

fn post(replica: &Replica, path: &str) -> Answer {
    send(replica, "POST", path, &Value::Null)
}

fn number(database: &Database, sql: &str) -> i64 {
    database.value(sql)
}

fn reset(replica: &Replica, product: i64, quantity: i64) {
    let answer = post(replica, &format!("/transactions/reset?product_id={product}&quantity={quantity}"));
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"product_id": product, "quantity": quantity})),
        "{}",
        answer.text()
    );
}

/// What all threads together were told to have got of the products 1 and 2, by so many requests each.
fn sold(replica: &Replica, way: &str, each: usize) -> [i64; 2] {
    let api = &replica.api;
    let one = |seed: usize| {
        let mut connection = api.connect();
        let mut sold = [0, 0];
        for number in 0..each {
            let (product, quantity) = (1 + (seed + number) % 5 / 4, 1 + number % 3);
            let path = format!("/transactions/decrement/{way}?product_id={product}&quantity={quantity}");
            let answer = connection.request("POST", &path, "");
            match answer.status {
                200 => {
                    assert!(answer.json()["quantity"].as_i64().unwrap() >= 0, "{}", answer.text());
                    sold[product - 1] += i64::try_from(quantity).unwrap();
                }
                409 => assert!(answer.json()["error"].is_string()),
                other => panic!("{way}: {other} {}", answer.text()),
            }
        }
        sold
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|seed| scope.spawn(move || one(seed))).collect();
        let all = threads.into_iter().map(|thread| thread.join().unwrap());
        all.fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]])
    })
}

/// Of much nobody is refused, of little no more is sold than there is.
#[test]
fn what_is_left_is_what_was_not_sold() {
    const EACH: usize = 6;
    let (database, replica) = replica();
    database.execute("INSERT INTO bench.products VALUES (1, 0), (2, 0)");
    for way in WAYS {
        for (start, short) in [([1_000_000, 500_000], false), ([40, 8], true)] {
            reset(&replica, 1, start[0]);
            reset(&replica, 2, start[1]);
            let sold = sold(&replica, way, EACH);
            for (product, (start, sold)) in (1..).zip(start.into_iter().zip(sold)) {
                let left =
                    number(&database, &format!("SELECT quantity FROM bench.products WHERE id = {product}"));
                match way {
                    "no-lock" => assert!(left >= start - sold, "{way}: {left} of {start}, {sold} sold"),
                    _ => assert_eq!(left, start - sold, "{way}: {sold} of {start} sold"),
                }
                assert!(left >= 0, "{way}: {left}");
                // Each wants three at most, so that a rest of two may stay.
                let enough = !short || matches!(way, "no-lock" | "optimistic" | "serializable") || left <= 2;
                assert!(enough, "{way}: {left} of {start} were not sold");
            }
        }
    }
    let batches = replica.metric("pouco_commit_batches_total{table=\"decrements\"}");
    let rows = replica.metric("pouco_commit_rows_total{table=\"decrements\"}");
    assert_eq!(rows, 2 * (THREADS * EACH) as u64);
    assert!(batches < rows, "those that waited went together: {batches} batches");
}

#[test]
fn a_sale_is_answered_by_what_there_is() {
    let (database, replica) = replica();
    database.execute("INSERT INTO bench.products VALUES (7, 0)");
    for way in WAYS {
        reset(&replica, 7, 5);
        let sell = |product: i64, quantity: i64| {
            let path = format!("/transactions/decrement/{way}?product_id={product}&quantity={quantity}");
            post(&replica, &path)
        };
        assert_eq!(sell(7, 2).json(), json!({"product_id": 7, "quantity": 3}), "{way}");
        let short = sell(7, 4);
        assert_eq!((short.status, short.header("retry-after")), (409, None), "{way}: {}", short.text());
        assert_eq!(sell(7, i64::MAX).status, 409, "{way}");
        assert_eq!(sell(7, 3).json()["quantity"], 0, "{way}");
        assert_eq!((sell(7, 1).status, sell(8, 1).status), (409, 404), "{way}");
        let path = format!("/transactions/decrement/{way}");
        let bad = |query: &str| format!("{path}?{query}");
        let cases = [
            (path.clone(), "product_id"),
            (bad("product_id=7"), "quantity"),
            (bad("product_id=0&quantity=1"), "product_id"),
            (bad("product_id=7&quantity=0"), "quantity"),
            (bad("product_id=7&quantity=-1"), "quantity"),
            (bad("product_id=x&quantity=1"), "product_id"),
        ];
        let cases: Vec<(&str, &str)> = cases.iter().map(|(path, field)| (path.as_str(), *field)).collect();
        refused(&replica, "POST", &cases);
    }
    assert_eq!(post(&replica, "/transactions/reset?product_id=8&quantity=1").status, 404);
    refused(&replica, "POST", &[("/transactions/reset?product_id=7&quantity=-1", "quantity")]);
    assert_eq!(post(&replica, "/transactions/decrement/other?product_id=7&quantity=1").status, 404);
}

/// Whoever cannot have what is wanted is refused alone, whoever waits at the same time.
#[test]
fn of_decrements_that_meet_each_has_its_own_answer() {
    let (database, replica) = replica();
    database.execute("INSERT INTO bench.products VALUES (1, 10), (2, 1000)");
    // While somebody has the row all of them wait, and are then one batch.
    let mut client = database.client();
    let mut held = client.transaction().unwrap();
    held.execute("SELECT FROM bench.products WHERE id = 1 FOR UPDATE", &[]).unwrap();
    let wishes = [(1, 1), (1, 4), (3, 1), (1, 9), (2, 100), (1, 5), (1, 1), (2, 901), (2, 900)];
    let mut waiting: Vec<_> = wishes
        .iter()
        .map(|(product, quantity)| {
            let mut connection = replica.api.connect();
            let path =
                format!("/transactions/decrement/conditional?product_id={product}&quantity={quantity}");
            connection.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
            connection
        })
        .collect();
    held.rollback().unwrap();
    let answers: Vec<Answer> = waiting.iter_mut().map(|connection| connection.answer()).collect();
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses[2], 404);
    let sum = |product: i64| {
        let sold = wishes.iter().zip(&statuses).filter(|((of, _), status)| *of == product && **status == 200);
        sold.map(|((_, quantity), _)| quantity).sum::<i64>()
    };
    let left = |id: i64| number(&database, &format!("SELECT quantity FROM bench.products WHERE id = {id}"));
    assert_eq!((left(1), left(2)), (10 - sum(1), 1000 - sum(2)), "{statuses:?}");
    assert!((0..10).contains(&left(1)) && (0..1000).contains(&left(2)), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 404, 409].contains(status)), "{statuses:?}");
}

/// What a bulk operation says, and what is there after it.
fn bulk(database: &Database, replica: &Replica, way: &str, count: i64) -> (i64, i64) {
    let answer = post(replica, &format!("/bulk-operations/{way}?count={count}"));
    assert_eq!(answer.status, 200, "{way}: {}", answer.text());
    let answer = answer.json();
    let stored = "SELECT count(*) FROM bench.bulk_items";
    let told = (answer["count"].as_i64().unwrap(), answer["sum"].as_i64().unwrap());
    assert!(number(database, stored) >= told.0, "{way}");
    told
}

#[test]
fn rows_are_written_by_one_commit_or_by_many() {
    let (database, replica) = replica();
    for way in ["insert-individual", "insert-batch", "insert-raw"] {
        assert_eq!(post(&replica, &format!("/bulk-operations/{way}?count=1")).status, 409, "nobody is there");
    }
    database.execute("INSERT INTO bench.users (name, email) VALUES ('A', 'a@example.com')");
    let cleaned = |expected: i64| {
        let answer = replica.api.connect().request("DELETE", "/bulk-operations/cleanup", "");
        assert_eq!((answer.status, answer.json()), (200, json!({"count": expected})));
    };
    cleaned(0);
    // Of transactions that have written the rows which are there now.
    let commits = || number(&database, "SELECT count(DISTINCT xmin::text) FROM bench.bulk_items");
    for (way, count, expected) in [
        ("insert-individual", 30, 30),
        ("insert-batch", 30, 1),
        ("insert-batch", 2_500, 1),
        ("insert-raw", 2_500, 1),
    ] {
        assert_eq!(bulk(&database, &replica, way, count), (count, count * (count + 1) / 2), "{way}");
        assert_eq!(
            number(&database, "SELECT count(*) FROM bench.bulk_items WHERE user_id = 1"),
            count,
            "{way}"
        );
        let sum = number(&database, "SELECT sum(value)::bigint FROM bench.bulk_items");
        assert_eq!(sum, count * (count + 1) / 2, "{way}");
        assert_eq!(commits(), expected, "{way} of {count}");
        if count == 30 {
            assert_eq!(bulk(&database, &replica, "update-individual", 20), (20, 230), "20 more than 210");
            assert_eq!(bulk(&database, &replica, "update-bulk", 20), (20, 250));
            assert_eq!(bulk(&database, &replica, "update-bulk", 100), (30, 535), "no more than there are");
            assert_eq!(commits(), 1);
            assert_eq!(bulk(&database, &replica, "update-individual", 10), (10, 95));
            assert_eq!(commits(), 11, "ten, and the one before");
        }
        cleaned(count);
    }
    assert_eq!(post(&replica, "/bulk-operations/update-bulk").json(), json!({"count": 0, "sum": 0}));
    assert_eq!(post(&replica, "/bulk-operations/insert-raw").json(), json!({"count": 1000, "sum": 500_500}));
    let owner = replica.api.connect().request("DELETE", "/users/1", "");
    assert_eq!(owner.status, 409, "rows are the user's: {}", owner.text());
    let cases = [
        ("/bulk-operations/insert-raw?count=0", "count"),
        ("/bulk-operations/insert-batch?count=10001", "count"),
        ("/bulk-operations/update-individual?count=many", "count"),
    ];
    refused(&replica, "POST", &cases);
}
