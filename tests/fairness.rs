//! What long searches cost whoever asks for something else meanwhile. Alone in its file: other tests would
//! take the cores.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

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
/// waited for the ends of all searches under way, so there was one for four of them. Both are counted by
/// clients of the same busy machine, so its load meets both.
#[test]
fn long_searches_do_not_starve_a_look_up() {
    const PEOPLE: i32 = 150_000;
    let database = Database::create();
    drop(Replica::start(&database));
    database.client().execute(PEOPLE_SQL, &[&PEOPLE]).unwrap();
    let replica = Replica::start_with(&database, &[("POUCO_CACHE_BYTES", "200000000")]);
    eventually("memory is complete", || replica.metric("pouco_search_index_complete ") == 1);
    let (ended, searched) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut looked_up = 0;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = replica.api.connect();
                while !ended.load(Ordering::Relaxed) {
                    // Everybody is a candidate and nobody has it: no early end.
                    assert_eq!(connection.request("GET", "/pessoas?t=aaaaa", "").text(), "[]");
                    searched.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _stop = OnDrop(|| ended.store(true, Ordering::Relaxed));
        let mut connection = replica.api.connect();
        eventually("all search", || searched.load(Ordering::Relaxed) > 4);
        while searched.load(Ordering::Relaxed) < 25 {
            let path = format!("/pessoas/00000000-0000-0000-0000-{:012x}", looked_up % 1_000 + 1);
            assert_eq!(connection.request("GET", &path, "").status, 200);
            looked_up += 1;
        }
    });
    println!("{looked_up} look-ups beside 20 searches");
    assert!(looked_up > 10, "{looked_up} look-ups beside 20 searches");
}
