//! Searches from memory beside Postgres: the same answers, whatever the people and the term, and at every
//! moment of the index's life.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::support::{Database, Replica, eventually};
use fastrand::Rng;
use postgres::Client;
use serde_json::json;

/// Characters whose case is not simple, or that mean something to SQL, to `LIKE`, to JSON or to the index:
/// beside ASCII the dotted and dotless i, the sharp and the final s, titlecase, Cherokee, Georgian, combining
/// marks, the separators of both sides, and letters of two, three and four bytes whose lower case may have
/// another length.
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

/// Random people, half of them there before the replicas start, with ids in no order; then random terms, cut
/// out of the people or not. Memory, the replica's SQL and a plain statement must name the same people, and
/// memory and SQL in the same bytes.
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

/// People who all have the term's one trigram and nearly none of whom has the term: a search has everybody
/// for a candidate.
const NEARLY: &str = "INSERT INTO people (id, apelido, nome, nascimento, stack)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'nick' || n, CASE n % 500 WHEN 499 THEN 'Aaaa' ELSE 'Aaa' END || ' da Silva Sauro',
           '2000-01-01', array_fill(repeat('y', 32), ARRAY[10])
    FROM generate_series(1, $1::int) AS n";

fn resident_bytes(replica: &Replica) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", replica.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

/// While the index fills, while it is in use, while its bound is crossed in the midst of searches and after
/// it, every answer is that of Postgres; and the memory returns.
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
    // Nobody waits for the index: Postgres answers while it fills.
    let settings = [
        ("POUCO_CACHE_BYTES", bound.as_str()),
        ("POUCO_APIS", "people"),
        ("POUCO_READ_CONNECTIONS", "1"),
        ("POUCO_READ_DEADLINE_MS", "120000"),
        ("POUCO_INDEX_WAIT_MS", "0"),
    ];
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

/// What stands in for two of Postgres's functions: no feed goes on while somebody else has the advisory lock
/// 1, and no search in Postgres while somebody else has the lock 2.
const WITH_LOCKS: &str = "
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database());
    END $$;
    CREATE FUNCTION public.pg_current_snapshot() RETURNS pg_snapshot LANGUAGE plpgsql STABLE AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN pg_catalog.pg_current_snapshot(); END';
    CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE plpgsql STABLE AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(2); RETURN pg_catalog.lower($1); END'";

/// A database whose replicas have no index before `holder` gives up the lock 1, and who is to be found in it.
struct Held {
    database: Database,
    holder: Client,
    expected: Vec<String>,
}

impl Held {
    fn create() -> Self {
        let database = Database::create();
        drop(Replica::start(&database));
        let mut holder = database.client();
        holder.execute(NEARLY, &[&1_000]).unwrap();
        let expected = expected(&mut holder, "aaaa");
        holder.batch_execute(WITH_LOCKS).unwrap();
        holder.batch_execute("SELECT pg_advisory_lock(1)").unwrap();
        Self { database, holder, expected }
    }

    fn start(&self, index_wait_ms: &str) -> Replica {
        let settings = [
            ("POUCO_INDEX_WAIT_MS", index_wait_ms),
            ("POUCO_READ_DEADLINE_MS", "120000"),
            ("POUCO_APIS", "people"),
        ];
        Replica::start_with(&self.database, &settings)
    }

    fn give_up(&mut self, lock: u8) {
        self.holder.batch_execute(&format!("SELECT pg_advisory_unlock({lock})")).unwrap();
    }
}

/// How many searches waited in vain, and how many were answered from memory.
fn early_and_hits(replica: &Replica) -> [u64; 2] {
    let names = ["pouco_searches_early_total ", "pouco_cache_hits_total{cache=\"searches\"} "];
    names.map(|name| replica.metric(name))
}

/// The first index answers who came before it; where it takes too long, Postgres does.
#[test]
fn searches_wait_for_the_first_index_but_not_for_long() {
    let mut held = Held::create();
    let replica = held.start("60000");
    thread::scope(|scope| {
        let searches = [(); 2].map(|()| scope.spawn(|| found(&replica, "aaaa")));
        eventually("both wait", || replica.metric("pouco_searches_held ") == 2);
        assert_eq!(replica.admin.get("/readyz").status, 503);
        held.give_up(1);
        for search in searches {
            assert_eq!(search.join().unwrap(), held.expected);
        }
    });
    assert!(is_complete(&replica));
    assert_eq!((early_and_hits(&replica), replica.metric("pouco_searches_held ")), ([0, 2], 0));
    drop(replica);

    held.holder.batch_execute("SELECT pg_advisory_lock(1)").unwrap();
    let replica = held.start("300");
    for times in 1..3 {
        assert_eq!(found(&replica, "aaaa"), held.expected);
        assert_eq!((early_and_hits(&replica), replica.metric("pouco_searches_held ")), ([times, 0], 0));
        assert!(!is_complete(&replica));
    }
    held.give_up(1);
    eventually("memory is complete", || is_complete(&replica));
    assert_eq!(found(&replica, "aaaa"), held.expected);
    assert_eq!(early_and_hits(&replica), [2, 1]);
}

/// Who waits behind another search for a connection to Postgres is answered by the index, once that is
/// complete.
#[test]
fn a_search_that_waits_for_a_connection_reads_no_table_once_the_index_is_complete() {
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event = 'advisory' AND datname = current_database() AND query LIKE '%people_search_text%'";
    let mut held = Held::create();
    held.holder.batch_execute("SELECT pg_advisory_lock(2)").unwrap();
    let replica = held.start("0");
    thread::scope(|scope| {
        let reading = scope.spawn(|| found(&replica, "aaaa"));
        let mut is_read = || held.holder.query_one(WAITING, &[]).unwrap().get::<_, i64>(0) == 1;
        eventually("Postgres is at the first search", &mut is_read);
        let waiting = scope.spawn(|| found(&replica, "aaaa"));
        eventually("the second one waits behind it", || replica.metric("pouco_reads_waiting ") == 1);
        held.give_up(1);
        eventually("memory is complete", || is_complete(&replica));
        assert_eq!(early_and_hits(&replica), [2, 0]);
        held.give_up(2);
        for search in [reading, waiting] {
            assert_eq!(search.join().unwrap(), held.expected);
        }
    });
    assert_eq!(early_and_hits(&replica), [2, 1]);
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

/// People without a stack, all of them candidates for a term that none has.
const CANDIDATES: &str = "INSERT INTO people (id, apelido, nome, nascimento)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'nick' || n, 'Aaa da Silva Sauro', '2000-01-01' FROM generate_series(1, $1::int) AS n";

/// Of many long searches at once some are refused, each with a 503 that says when to come back and is
/// counted; all others are answered in full.
#[test]
fn the_line_of_searches_is_bounded_and_ends() {
    const SEARCHES: usize = 16;
    let database = Database::create();
    drop(Replica::start(&database));
    database.client().execute(CANDIDATES, &[&40_000]).unwrap();
    for (setting, value, reason) in
        [("POUCO_SEARCH_LINE", "2", "line"), ("POUCO_READ_DEADLINE_MS", "100", "deadline")]
    {
        let replica = Replica::start_with(&database, &[(setting, value), ("POUCO_APIS", "people")]);
        eventually("memory is complete", || is_complete(&replica));
        let mut connections: Vec<_> = (0..SEARCHES).map(|_| replica.api.connect()).collect();
        for connection in &mut connections {
            connection.send(crate::support::client::request_text("GET", "/pessoas?t=aaaaa", ""));
        }
        let mut refused = 0;
        for connection in &mut connections {
            let answer = connection.answer();
            if answer.status == 503 {
                assert!(answer.header("retry-after").is_some());
                refused += 1;
            } else {
                assert_eq!((answer.status, answer.text()), (200, "[]"));
            }
        }
        assert!(refused > 0 && (refused < SEARCHES || reason == "deadline"), "{refused} by {reason}");
        let counted = format!("pouco_searches_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(replica.metric(&counted), refused as u64);
        assert_eq!(replica.metric("pouco_searches_waiting "), 0);
        let alone = || replica.get("/pessoas?t=nick39999").text().contains("nick39999");
        eventually("whoever comes alone is answered", alone);
    }
}

/// An index that was given up is back once enough people are gone, by itself and as a whole; what is deleted
/// in vain does not bring it back, and no answer ever comes from a part.
#[test]
fn an_index_that_was_given_up_comes_back() {
    const BOUND: &str = "1000000";
    let database = Database::create();
    drop(Replica::start(&database));
    database.client().execute(NEARLY, &[&5_000]).unwrap();
    let settings = [("POUCO_CACHE_BYTES", BOUND), ("POUCO_INDEX_RETURN_MS", "100"), ("POUCO_APIS", "people")];
    let replica = Replica::start_with(&database, &settings);
    let given_up = |times: u64| {
        eventually("the index is given up", || replica.metric("pouco_search_index_given_up_total ") == times);
        // The first look at the table after that is what later ones are compared with.
        let polls = replica.metric("pouco_feed_polls_total");
        eventually("the feed has looked", || replica.metric("pouco_feed_polls_total") >= polls + 2);
    };
    given_up(1);
    // The statistics of a session are there when it ends.
    let delete = |which: &str| {
        let deleted = database.client().execute(&format!("DELETE FROM people WHERE {which}"), &[]).unwrap();
        assert!(deleted > 0);
    };
    delete("apelido = 'nick1'");
    // It is tried in vain.
    given_up(2);
    assert!(!is_complete(&replica));
    delete("right(apelido, 1) <> '9'");
    let mut client = database.client();
    let terms = ["aaaa", "nick49", "a", "yyyyyyyy", "none"];
    let expected = terms.map(|term| expected(&mut client, term));
    assert_eq!((expected[0].len(), expected[3].len()), (10, 50));
    let mut answers = 0;
    eventually("the index is back", || {
        let is_back = is_complete(&replica);
        assert_eq!(terms.map(|term| found(&replica, term)), expected, "after {answers} answers");
        answers += 1;
        is_back
    });
    assert_eq!(replica.metric("pouco_search_index_returned_total "), 1);
    assert_eq!(replica.metric("pouco_search_index_people "), 500);
    let body = json!({"apelido": "new", "nome": "Aaaa", "nascimento": "1990-12-31", "stack": null});
    assert_eq!(replica.post("/pessoas", &body.to_string()).status, 201);
    assert_eq!(found(&replica, "aaaa").len(), 11);
    assert!(is_complete(&replica));
}

/// A person as large as one may be, of varied script: nearly every three bytes of it are new to the index.
fn largest(random: &mut Rng, nick: &str) -> String {
    let ranges = [0x1_0000..=0x3_ffff, 0x800..=0xd7ff, 0xa0..=0x7ff, 33..=126];
    let mut text = |bytes: usize| {
        let mut text = String::new();
        while text.len() + 4 <= bytes {
            let range = ranges[random.usize(..ranges.len())].clone();
            text.push(char::from_u32(random.u32(range)).unwrap());
        }
        text
    };
    let stack: Vec<String> = (0..128).map(|_| text(32)).collect();
    json!({"apelido": nick, "nome": text(100), "nascimento": "1990-12-31", "stack": stack}).to_string()
}

/// The largest people, from several clients at once, are found when they are answered, leave the index
/// complete within its bytes, and keep nobody waiting who asks for something else.
#[test]
fn the_largest_people_are_added_in_slices() {
    const CLIENTS: usize = 4;
    const EACH: usize = 25;
    let database = Database::create();
    let replica = Replica::start_with(&database, &[("POUCO_APIS", "people")]);
    eventually("memory is complete", || is_complete(&replica));
    let small = json!({"apelido": "small", "nome": "Ana", "nascimento": "1990-12-31", "stack": null});
    let small = replica.post("/pessoas", &small.to_string()).header("location").unwrap().to_owned();
    let left = AtomicUsize::new(CLIENTS);
    let mut looked_up = 0;
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (replica, left) = (&replica, &left);
            scope.spawn(move || {
                let _left = OnDrop(|| {
                    left.fetch_sub(1, Ordering::Relaxed);
                });
                let mut random = Rng::with_seed(client as u64);
                let mut connection = replica.api.connect();
                for number in 0..EACH {
                    let nick = format!("large-{client}-{number:03}");
                    let body = largest(&mut random, &nick);
                    let answer = connection.request("POST", "/pessoas", &body);
                    assert_eq!(answer.status, 201, "{}", answer.text());
                    let found = connection.request("GET", &format!("/pessoas?t={nick}"), "").json();
                    assert_eq!(found.as_array().unwrap().len(), 1, "{nick}");
                }
            });
        }
        let mut connection = replica.api.connect();
        while left.load(Ordering::Relaxed) > 0 {
            assert_eq!(connection.request("GET", &small, "").status, 200);
            looked_up += 1;
        }
    });
    // Somebody who waited for the ends of all that is under way would come once in four creations.
    assert!(looked_up > CLIENTS * EACH, "{looked_up} look-ups beside {} creations", CLIENTS * EACH);
    assert!(is_complete(&replica));
    assert_eq!(replica.metric("pouco_search_index_people "), (CLIENTS * EACH) as u64 + 1);
    assert!(replica.metric("pouco_search_index_bytes ") <= 64 * 1024 * 1024);
}

/// The index is given up by its account: its bytes are never more than it may have, and it goes once.
#[test]
fn the_largest_people_never_pass_the_bound() {
    const BOUND: u64 = 3_000_000;
    let database = Database::create();
    let bound = BOUND.to_string();
    let settings = [("POUCO_CACHE_BYTES", bound.as_str()), ("POUCO_APIS", "people")];
    let replicas = [(); 2].map(|()| Replica::start_with(&database, &settings));
    for replica in &replicas {
        eventually("memory is complete", || is_complete(replica));
    }
    let mut random = Rng::with_seed(3);
    let (mut created, mut most) = (0, 0);
    while is_complete(&replicas[0]) {
        let answer = replicas[0].post("/pessoas", &largest(&mut random, &format!("large-{created}")));
        assert_eq!(answer.status, 201);
        created += 1;
        let bytes = replicas[0].metric("pouco_search_index_bytes ");
        assert!(bytes <= BOUND, "{bytes}");
        most = most.max(bytes);
        assert!(created < 100, "the bound is never met");
    }
    // One more would have been too many, and the other replica sees it likewise.
    assert!(created > 5 && most > BOUND / 2, "{created} were {most} bytes");
    assert_eq!(replicas[0].metric("pouco_search_index_given_up_total "), 1);
    eventually("the other one gives up too", || {
        replicas[1].metric("pouco_search_index_given_up_total ") == 1
    });
    for replica in &replicas {
        assert_eq!(found(replica, "large-").len(), created.min(50));
    }
}
