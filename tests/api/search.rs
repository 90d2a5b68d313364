//! Searches from memory beside Postgres: the same answers, whatever the people and the term, and at every moment of the
//! index's life.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::support::{Database, Replica, eventually};
use fastrand::Rng;
use postgres::Client;
use serde_json::json;

/// Characters whose case is not simple, or that mean something to SQL, to `LIKE`, to JSON or to the index: beside ASCII the
/// dotted and dotless i, the sharp and the final s, titlecase, Cherokee, Georgian, combining marks, the separators of both sides, and
/// letters of two, three and four bytes whose lower case may have another length.
const CHARACTERS: &[char] = &[
    'a', 'A', 'b', 'B', 'i', 'I', 'k', 'K', 's', 'S', ' ', '%', '_', '\\', '"', '\'', '/', '\t', '\n',
    '\u{1f}', '\u{1}', '\u{7f}', 'é', 'É', 'ç', 'Ç', 'ã', 'Ã', 'İ', 'ı', 'ß', 'ẞ', 'Σ', 'σ', 'ς', 'Ǆ', 'ǅ',
    'ǆ', 'Ꭰ', 'ꭰ', 'Ა', 'ა', 'Ⴀ', 'ⴀ', '\u{301}', '\u{307}', 'Ω', 'Ω', 'K', 'Å', 'Ⱥ', 'ⱥ', 'Ɐ', 'ﬁ', 'Ⅷ',
    'Ⓐ', '日', '本', '🦀', '𐐀', '𐐨', '\u{ffff}',
];

fn seed() -> u64 {
    let seed =
        std::env::var("POUCO_TEST_SEED").ok().map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    eprintln!("POUCO_TEST_SEED={seed}");
    seed
}

/// A text of few different characters, so that terms are found.
fn text(random: &mut Rng, characters: &[char], length: std::ops::RangeInclusive<usize>) -> String {
    let length = random.usize(length);
    (0..length).map(|_| characters[random.usize(..characters.len())]).collect()
}

fn encoded(term: &str) -> String {
    term.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The ids that a search should give, asked of Postgres in other words than the replica's.
fn expected(client: &mut Client, term: &str) -> Vec<String> {
    let sql = "SELECT id::text FROM people
        WHERE EXISTS (SELECT FROM unnest(array_cat(ARRAY[apelido, nome], stack)) AS part
                      WHERE strpos(lower(part COLLATE pg_c_utf8) COLLATE \"C\", lower($1 COLLATE pg_c_utf8) COLLATE \"C\") > 0)
        ORDER BY id LIMIT 50";
    client.query(sql, &[&term]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn found(replica: &Replica, term: &str) -> Vec<String> {
    let answer = replica.get(&format!("/pessoas?t={}", encoded(term)));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let people = answer.json();
    people.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn is_complete(replica: &Replica) -> bool {
    replica.metric("pouco_search_index_complete ") == 1
}

/// Random people, half of them there before the replicas start, with ids in no order; then random terms, cut out of the people
/// or not. Memory, the replica's SQL and a plain statement must name the same people, and memory and SQL in the same bytes.
#[test]
fn memory_and_postgres_give_the_same_people() {
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let database = Database::create();
    drop(Replica::start(&database));
    let mut client = database.client();
    let insert = client
        .prepare("INSERT INTO people (id, apelido, nome, nascimento, stack) VALUES ($1::text::uuid, $2, $3, '2000-02-29', $4)")
        .unwrap();
    let mut people: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut person = |random: &mut Rng, number: usize| {
        // Some people use few letters, some many.
        let some: Vec<char> = (0..random.usize(1..=6)).map(|_| *random.choice(CHARACTERS).unwrap()).collect();
        let letters = if random.bool() { CHARACTERS } else { &some[..] };
        let stack = (random.u8(..) > 30)
            .then(|| (0..random.usize(0..4)).map(|_| text(random, letters, 0..=8)).collect::<Vec<String>>());
        let (nick, name) =
            (format!("{}{number}", text(random, letters, 0..=8)), text(random, letters, 0..=40));
        people.insert(nick.clone(), [vec![name.clone()], stack.clone().unwrap_or_default()].concat());
        (nick, name, stack)
    };
    for number in 0..300 {
        let id = uuid::Builder::from_random_bytes(random.u128(..).to_ne_bytes()).into_uuid().to_string();
        let (nick, name, stack) = person(&mut random, number);
        client.execute(&insert, &[&id, &nick, &name, &stack]).unwrap();
    }
    let memory = Replica::start(&database);
    let sql = Replica::start_with(&database, &[("POUCO_CACHE_BYTES", "65536")]);
    let mut connection = memory.api.connect();
    for number in 300..600 {
        let (nick, name, stack) = person(&mut random, number);
        let body = json!({"apelido": nick, "nome": name, "nascimento": "1990-12-31", "stack": stack});
        let answer = connection.request("POST", "/pessoas", &body.to_string());
        assert_eq!(answer.status, 201, "seed {seed}: {body} {}", answer.text());
    }
    eventually("memory holds everybody", || memory.metric("pouco_search_index_people ") == 600);
    assert!(is_complete(&memory) && !is_complete(&sql));
    let mut matched = 0;
    for _ in 0..700 {
        let term = match random.u8(0..10) {
            0..=1 => text(&mut random, CHARACTERS, 1..=2),
            2 => text(&mut random, CHARACTERS, 3..=6),
            3 => text(&mut random, CHARACTERS, 60..=200),
            _ => {
                let (nick, others) = people.iter().nth(random.usize(..people.len())).unwrap();
                let parts: Vec<char> =
                    random.choice(others).filter(|_| random.bool()).unwrap_or(nick).chars().collect();
                let start = random.usize(..=parts.len());
                let cut: String = parts[start..].iter().take(random.usize(1..=6)).collect();
                // In the other case, by the full mapping, which is not the one that is searched with.
                if random.bool() { cut } else { cut.to_uppercase() }
            }
        };
        if term.is_empty() {
            continue;
        }
        let expected = expected(&mut client, &term);
        matched += usize::from(!expected.is_empty());
        assert_eq!(found(&memory, &term), expected, "seed {seed}: memory, {term:?}");
        let path = format!("/pessoas?t={}", encoded(&term));
        let (from_memory, from_sql) = (memory.get(&path), sql.get(&path));
        assert_eq!(from_memory.text(), from_sql.text(), "seed {seed}: memory and SQL, {term:?}");
    }
    assert!(matched > 150, "seed {seed}: only {matched} terms were found");
    assert_eq!(found(&memory, "\0"), Vec::<String>::new());
}

/// People who all have the term's one trigram and nearly none of whom has the term: a search has everybody for a candidate.
const NEARLY: &str = "INSERT INTO people (id, apelido, nome, nascimento, stack)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'nick' || n, CASE n % 500 WHEN 499 THEN 'Aaaa' ELSE 'Aaa' END || ' da Silva Sauro',
           '2000-01-01', array_fill(repeat('y', 32), ARRAY[10])
    FROM generate_series(1, $1::int) AS n";

fn resident_bytes(replica: &Replica) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", replica.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

/// While the index fills, while it is in use, while its bound is crossed in the midst of searches and after it, every answer is
/// that of Postgres; and the memory returns.
#[test]
fn no_answer_ever_comes_from_a_part_of_the_people() {
    const PEOPLE: i32 = 20_000;
    let database = Database::create();
    drop(Replica::start(&database));
    let mut client = database.client();
    client.execute(NEARLY, &[&PEOPLE]).unwrap();
    let expected = expected(&mut client, "aaaa");
    assert_eq!(expected.len(), 40);
    let replica = Replica::start(&database);
    eventually("memory is complete", || is_complete(&replica));
    let held = replica.metric("pouco_search_index_bytes ");
    drop(replica);

    let bound = held + 20_000;
    // One reading connection and the counters of one API leave the feed a core where there are two.
    let bound = bound.to_string();
    let settings =
        [("POUCO_CACHE_BYTES", bound.as_str()), ("POUCO_APIS", "people"), ("POUCO_READ_CONNECTIONS", "1")];
    let replica = Replica::start_with(&database, &settings);
    let (ended, from_memory, from_postgres) =
        (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    assert_eq!(found(&replica, "aaaa"), expected);
                    let counter = if is_complete(&replica) { &from_memory } else { &from_postgres };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _stop = OnDrop(|| ended.store(true, Ordering::Relaxed));
        eventually("memory is complete", || is_complete(&replica));
        eventually("memory has answered", || from_memory.load(Ordering::Relaxed) > 5);
        let before = resident_bytes(&replica);
        let mut connection = replica.api.connect();
        let mut created = 0;
        while is_complete(&replica) {
            let nick = format!("new-one-{created}");
            let body = json!({"apelido": nick, "nome": "x".repeat(100), "nascimento": "1990-12-31", "stack": ["y".repeat(32)]});
            let answer = connection.request("POST", "/pessoas", &body.to_string());
            assert_eq!(answer.status, 201);
            // Own people are found at once, also by the search after which the index is no more.
            let id = answer.header("location").unwrap().rsplit('/').next().unwrap();
            assert_eq!(found(&replica, &nick)[0], id, "{nick}");
            created += 1;
            assert!(created < 5_000, "the bound is never met");
        }
        let after_bound = from_postgres.load(Ordering::Relaxed);
        eventually("Postgres has answered", || from_postgres.load(Ordering::Relaxed) > after_bound + 5);
        let least = usize::try_from(held).unwrap() / 2;
        eventually("the memory has returned", || {
            let now = resident_bytes(&replica);
            println!("resident: {before} with an index of {held}, {now} without");
            now + least < before
        });
    });
    assert_eq!(replica.metric("pouco_search_index_bytes "), 0);
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What waits for a turn when the replica is told to stop is answered.
#[test]
fn a_search_under_way_is_finished_by_the_drain() {
    let database = Database::create();
    drop(Replica::start(&database));
    database.client().execute(NEARLY, &[&30_000]).unwrap();
    let replica = Replica::start(&database);
    eventually("memory is complete", || is_complete(&replica));
    let mut connection = replica.api.connect();
    connection.send(crate::support::client::request_text("GET", "/pessoas?t=aaaaa", ""));
    // One that is answered shows that the longer one has been read.
    assert_eq!(replica.get("/pessoas/00000000-0000-0000-0000-000000000001").status, 200);
    let stopping = thread::spawn(move || replica.stop());
    assert_eq!(connection.answer().text(), "[]");
    assert!(stopping.join().unwrap().success());
}
