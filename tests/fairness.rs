//! What long searches cost whoever asks for something else meanwhile. Alone in its file: other tests would
//! take the cores.
#![allow(clippy::unwrap_used)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pouco_tools::support::{Database, Replica, eventually};

/// People who all have the term's one trigram and none of whom has the term: a search compares everybody.
const PEOPLE_SQL: &str = "INSERT INTO people (id, apelido, nome, nascimento)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'nick' || n, 'Aaa da Silva Sauro', '2000-01-01' FROM generate_series(1, $1::int) AS n";

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Between two slices of a search the sockets are served. With `yield_now` in the place of turns a look-up
/// waited for the ends of all searches under way. Both are timed by clients of the same busy machine, so its
/// load meets both.
#[test]
fn long_searches_do_not_starve_a_look_up() {
    const PEOPLE: i32 = 150_000;
    let database = Database::create();
    drop(Replica::start(&database));
    database.client().execute(PEOPLE_SQL, &[&PEOPLE]).unwrap();
    let replica = Replica::start_with(&database, &[("POUCO_CACHE_BYTES", "200000000")]);
    eventually("memory is complete", || replica.metric("pouco_search_index_complete ") == 1);
    let (ended, searched) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let mut looked_up = Vec::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = replica.api.connect();
                while !ended.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    // Everybody is a candidate and nobody has it: no early end.
                    assert_eq!(connection.request("GET", "/pessoas?t=aaaaa", "").text(), "[]");
                    searched.lock().unwrap().push(began.elapsed());
                }
            });
        }
        let _stop = OnDrop(|| ended.store(true, Ordering::Relaxed));
        let mut connection = replica.api.connect();
        eventually("all search", || searched.lock().unwrap().len() > 4);
        while searched.lock().unwrap().len() < 25 {
            let path = format!("/pessoas/00000000-0000-0000-0000-{:012x}", looked_up.len() % 1_000 + 1);
            let began = Instant::now();
            assert_eq!(connection.request("GET", &path, "").status, 200);
            looked_up.push(began.elapsed());
        }
    });
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let (look_up, search) = (median(&mut looked_up), median(&mut searched.lock().unwrap()));
    println!("{} look-ups, median {look_up:?}; searches, median {search:?}", looked_up.len());
    assert!(2 * look_up < search, "a look-up takes {look_up:?}, a search {search:?}");
}
