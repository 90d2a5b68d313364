//! A batch over two tables whose items have answers of their own: orders that take from a stock which never
//! goes below zero, whatever is killed.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering as Memory};
use std::thread;
use std::time::Duration;

use pouco::store::commit::{CommitLimits, CommitQueue};
use pouco::store::{Batch, Connector, Session};
use pouco::waiting::Janitor;
use uuid::Uuid;

use crate::rig::{limits, terminate};
use crate::support::{Database, eventually};

const CLIENTS: usize = 64;
const STOCK: i64 = 1_000;

struct Order {
    id: Uuid,
    quantity: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// With what was left then.
    Placed {
        left: i64,
    },
    OutOfStock,
    Unstorable,
}

struct Orders;

impl Batch for Orders {
    type Item = Order;
    type Answer = Answer;

    const NAME: &'static str = "orders";

    fn order(one: &Order, other: &Order) -> Ordering {
        one.id.cmp(&other.id)
    }

    fn bytes(_: &Order) -> usize {
        size_of::<Order>()
    }

    fn label(order: &Order) -> String {
        order.id.to_string()
    }

    /// The stock is locked once, and given to the orders in turn.
    fn place(session: &mut Session, orders: &[&Order]) -> Result<Vec<Answer>, postgres::Error> {
        session.transaction(|transaction| {
            let lock = "SELECT quantity FROM stock WHERE id = 1 FOR UPDATE";
            let mut left: i64 = transaction.query(lock, &[])?[0].try_get(0)?;
            let before = left;
            let take = |order: &&Order| match left - i64::from(order.quantity) {
                rest if rest >= 0 => {
                    left = rest;
                    Answer::Placed { left }
                }
                _ => Answer::OutOfStock,
            };
            let answers: Vec<Answer> = orders.iter().map(take).collect();
            let placed = |answer: &Answer| matches!(answer, Answer::Placed { .. });
            let taken = orders.iter().zip(&answers).filter(|(_, answer)| placed(answer));
            let (ids, quantities): (Vec<Uuid>, Vec<i32>) =
                taken.map(|(order, _)| (order.id, order.quantity)).unzip();
            transaction
                .execute("UPDATE stock SET quantity = quantity - $1 WHERE id = 1", &[&(before - left)])?;
            let insert = "INSERT INTO orders SELECT * FROM unnest($1::uuid[], $2::int[])";
            transaction.execute(insert, &[&ids, &quantities])?;
            Ok(answers)
        })
    }

    fn settled(session: &mut Session, orders: &[&Order]) -> Result<Vec<Option<Answer>>, postgres::Error> {
        let ids: Vec<Uuid> = orders.iter().map(|order| order.id).collect();
        let rows = session.query("SELECT id FROM orders WHERE id = ANY($1)", &[&ids])?;
        let stored: HashSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        Ok(ids.iter().map(|id| stored.contains(id).then_some(Answer::Placed { left: 0 })).collect())
    }

    fn unstorable() -> Answer {
        Answer::Unstorable
    }
}

fn database() -> Database {
    let database = Database::create();
    let schema = "CREATE TABLE stock (id int PRIMARY KEY, quantity bigint CHECK (quantity >= 0));
                  CREATE TABLE orders (id uuid PRIMARY KEY, quantity int)";
    database.execute(schema);
    database.client().execute("INSERT INTO stock VALUES (1, $1)", &[&STOCK]).unwrap();
    database
}

fn number(database: &Database, sql: &str) -> i64 {
    database.value(sql)
}

/// The backends at work on a batch.
fn writers(database: &Database) -> Vec<i32> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pouco'
               AND datname = current_database() AND query ~ 'stock|orders|COMMIT'";
    database.client().query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn what_is_taken_is_taken_once_and_never_more_than_there_is() {
    let database = database();
    let janitor = Janitor::start().unwrap();
    let connector = Connector::new(database.config());
    let limits = CommitLimits { batch_rows: 16, deadline: Duration::from_secs(60), ..limits() };
    let (queue, writer) = CommitQueue::<Orders>::start(connector, limits, &janitor).unwrap();
    let (placed, refused, over) = (AtomicI64::new(0), AtomicI64::new(0), AtomicBool::new(false));
    let kills = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    // More than there is in all, so that the end is reached.
                    for quantity in (1..=3).cycle().take(12) {
                        let id = Uuid::from_u128(fastrand::u128(..));
                        match queue.commit(Order { id, quantity }).unwrap() {
                            Answer::Placed { .. } => placed.fetch_add(i64::from(quantity), Memory::Relaxed),
                            Answer::OutOfStock => refused.fetch_add(1, Memory::Relaxed),
                            Answer::Unstorable => panic!("an order was refused"),
                        };
                    }
                })
            })
            .collect();
        // Somebody else's locks, and killed backends, as long as there are clients.
        let foreign = scope.spawn(|| {
            let mut client = database.client();
            while !over.load(Memory::Relaxed) {
                client
                    .batch_execute("BEGIN; SELECT FROM stock FOR UPDATE; SELECT pg_sleep(0.01); COMMIT")
                    .unwrap();
            }
        });
        let killer = scope.spawn(|| {
            let mut kills = 0;
            let answered = || placed.load(Memory::Relaxed) + refused.load(Memory::Relaxed);
            while !over.load(Memory::Relaxed) {
                for pid in writers(&database) {
                    terminate(&database, pid);
                    kills += 1;
                }
                let next = answered() + 32;
                eventually("orders are answered", || answered() >= next || over.load(Memory::Relaxed));
            }
            kills
        });
        clients.into_iter().for_each(|client| client.join().unwrap());
        over.store(true, Memory::Relaxed);
        foreign.join().unwrap();
        killer.join().unwrap()
    });
    let stored = number(&database, "SELECT coalesce(sum(quantity), 0)::bigint FROM orders");
    assert_eq!(stored, placed.load(Memory::Relaxed), "what was acknowledged is what is stored");
    assert_eq!(number(&database, "SELECT quantity FROM stock"), STOCK - stored);
    assert!(refused.load(Memory::Relaxed) > 0 && kills > 0, "{kills} kills");
    queue.close();
    writer.join().unwrap();
}

/// A commit whose answer is lost: the order is placed, and its stock is taken once.
#[test]
fn a_lost_answer_takes_nothing_twice() {
    let database = database();
    let relay = crate::support::Relay::to(&database);
    let janitor = Janitor::start().unwrap();
    let (queue, writer) =
        CommitQueue::<Orders>::start(Connector::new(relay.config()), limits(), &janitor).unwrap();
    let mut other = crate::rig::foreign(&database, "SELECT FROM stock FOR UPDATE");
    let order = || Order { id: Uuid::from_u128(fastrand::u128(..)), quantity: 7 };
    thread::scope(|scope| {
        let sent = scope.spawn(|| queue.commit(order()));
        eventually("it waits for the stock", || {
            number(&database, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0
        });
        // Postgres hears what is sent to it, and is not heard.
        relay.mute();
        other.batch_execute("COMMIT").unwrap();
        relay.cut();
        relay.repair();
        assert!(matches!(sent.join().unwrap(), Ok(Answer::Placed { .. })));
    });
    assert_eq!(number(&database, "SELECT quantity FROM stock"), STOCK - 7);
    assert_eq!(number(&database, "SELECT count(*) FROM orders"), 1);
    queue.close();
    writer.join().unwrap();
}
