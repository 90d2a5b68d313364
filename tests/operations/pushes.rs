//! New people go from replica to replica, and neighbours that do not behave disturb nobody.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use pouco::limits;
use sha2::Sha256;

use crate::support::{Database, Replica, eventually};

const TCP: (&str, &str) = ("POUCO_PUSH_LISTEN", "tcp:127.0.0.1:0");
/// So rarely that no poll brings anybody while a test looks.
const NO_POLLS: (&str, &str) = ("POUCO_FEED_INTERVAL_MS", "10000");

/// src/replicas/push/card.rs says what is where.
const VERSION_AT: usize = 8;
const INSTANCE_AT: usize = 26;
const NONCE_AT: usize = 42;
const CARD_BYTES: usize = 202;

fn person(nick: &str, stack: &str) -> String {
    format!(r#"{{"apelido":"{nick}","nome":"Ana","nascimento":"2000-10-01","stack":{stack}}}"#)
}

fn created(replica: &Replica, nick: &str) -> String {
    let answer = replica.post("/pessoas", &person(nick, "[\"Rust\"]"));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

fn is_found(replica: &Replica, nick: &str) -> bool {
    replica.get(&format!("/pessoas?t={nick}")).json().as_array().unwrap().len() == 1
}

fn start(database: &Database, settings: &[(&str, &str)]) -> Replica {
    Replica::start_with(database, &[settings, &[("POUCO_APIS", "people")]].concat())
}

/// All send to all.
fn wait_until_whole(replicas: &[Replica]) {
    for replica in replicas {
        eventually("all others push", || {
            replica.metric("pouco_push_complete ") == 1
                && replica.metric("pouco_push_replicas{direction=\"out\"}") == replicas.len() as u64 - 1
        });
    }
}

#[test]
fn new_people_are_found_by_all_before_the_feed_brings_them() {
    let database = Database::create();
    let folder = tempfile::tempdir().unwrap();
    let unix = |name: &str| format!("unix:{}/{name}.sock", folder.path().display());
    let (second, third) = (unix("second"), unix("third"));
    let replicas =
        [TCP.1, &second, &third].map(|listen| start(&database, &[("POUCO_PUSH_LISTEN", listen), NO_POLLS]));
    wait_until_whole(&replicas);
    let brought = |replica: &Replica| replica.metric("pouco_feed_rows_total");
    let before = replicas.each_ref().map(brought);
    let mut paths = Vec::new();
    for (index, replica) in replicas.iter().enumerate() {
        paths.extend((0..20).map(|number| created(replica, &format!("nick-{index}-{number}-x"))));
    }
    for replica in &replicas {
        eventually("all are in memory", || replica.metric("pouco_search_index_people ") == 60);
        for (index, path) in paths.iter().enumerate() {
            assert_eq!(replica.get(path).status, 200);
            assert!(is_found(replica, &format!("nick-{}-{}-x", index / 20, index % 20)));
        }
        eventually("all were pushed", || replica.metric("pouco_push_rows_total{direction=\"in\"}") == 40);
        assert_eq!(replica.metric("pouco_push_lost_rows_total"), 0);
    }
    // On a machine that is slow a poll may have come between after all.
    if replicas.each_ref().map(|replica| replica.metric("pouco_feed_polls_total")) == [1; 3] {
        assert_eq!(replicas.each_ref().map(brought), before);
    }
    // A nickname that was pushed is known to be taken.
    assert_eq!(replicas[1].post("/pessoas", &person("nick-0-0-x", "null")).status, 422);
}

#[test]
fn polls_are_rare_until_they_find_somebody_who_was_not_pushed() {
    let database = Database::create();
    let settings = [TCP, ("POUCO_FEED_INTERVAL_MS", "10"), ("POUCO_FEED_PUSHED_MS", "1500")];
    let replicas = [start(&database, &settings), start(&database, &settings)];
    wait_until_whole(&replicas);
    let polls = |count: u64| {
        let (began, from) = (Instant::now(), replicas[0].metric("pouco_feed_polls_total"));
        eventually("polls", || replicas[0].metric("pouco_feed_polls_total") >= from + count);
        began.elapsed()
    };
    // The one that was on its way, and one after a whole rest.
    assert!(polls(2) >= Duration::from_millis(1_450));
    created(&replicas[1], "pushed");
    eventually("it is pushed", || is_found(&replicas[0], "pushed"));
    assert!(polls(2) >= Duration::from_millis(1_450));
    let insert = "INSERT INTO people SELECT gen_random_uuid(), 'stranger', 'Eve', '2000-10-01'";
    database.execute(insert);
    eventually("a poll finds the stranger", || is_found(&replicas[0], "stranger"));
    // With a rest before each but the first they would take longer.
    eventually("and more of them come", || polls(4) < 3 * Duration::from_millis(1_450));
    // Without the other replica they stay so.
    let [one, other] = replicas;
    assert!(other.stop().success());
    eventually("nobody pushes", || one.metric("pouco_push_complete ") == 0);
}

/// What a neighbour needs to know.
struct Neighbourhood {
    secret: Vec<u8>,
    address: String,
}

impl Neighbourhood {
    fn of(database: &Database) -> Self {
        let mut client = database.client();
        let mut row = None;
        eventually("the replica is in the table", || {
            let sql = "SELECT address FROM pouco_replicas.members WHERE address IS NOT NULL";
            // The table itself may be still to come.
            row = client.query_opt(sql, &[]).ok().flatten();
            row.is_some()
        });
        let secret = client.query_one("SELECT secret FROM pouco_replicas.secret", &[]).unwrap().get(0);
        let address: String = row.unwrap().get(0);
        Self { secret, address: address.strip_prefix("tcp:").unwrap().to_owned() }
    }

    fn connect(&self) -> (TcpStream, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut card = vec![0; CARD_BYTES];
        stream.read_exact(&mut card).unwrap();
        (stream, card)
    }

    fn proof(&self, side: &[u8], own: &[u8], other: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).unwrap();
        [side, own, other].into_iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }

    /// A card as the other one's, of another replica that is reached nowhere.
    fn card(other: &[u8]) -> Vec<u8> {
        let mut card = other.to_vec();
        card[INSTANCE_AT..NONCE_AT].fill(7);
        card[NONCE_AT..].fill(0);
        card
    }

    /// A connection that is past the greeting.
    fn greeted(&self) -> TcpStream {
        let (mut stream, other) = self.connect();
        let own = Self::card(&other);
        stream.write_all(&[own.clone(), self.proof(b"connecting", &own, &other)].concat()).unwrap();
        let mut proof = [0; 32];
        stream.read_exact(&mut proof).unwrap();
        assert_eq!(proof[..], self.proof(b"accepting ", &other, &own));
        stream
    }
}

fn is_closed(mut stream: TcpStream) -> bool {
    let rest = stream.read_to_end(&mut Vec::new());
    // With a reset where something was left unread.
    rest.map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true)
}

#[test]
fn who_connects_and_does_not_behave_is_refused_and_counted() {
    let database = Database::create();
    let replica = start(&database, &[TCP]);
    let place = Neighbourhood::of(&database);
    let refused = |reason: &str| replica.metric(&format!("pouco_push_refused_total{{reason=\"{reason}\"}}"));
    let after = |reason: &str, sent: &dyn Fn(&mut TcpStream, &[u8])| {
        let before = refused(reason);
        let (mut stream, card) = place.connect();
        sent(&mut stream, &card);
        assert!(is_closed(stream), "{reason}");
        eventually(reason, || refused(reason) == before + 1);
        assert_eq!(
            replica.post("/pessoas", &person(&format!("beside-{reason}-{before}"), "null")).status,
            201
        );
    };
    after("rubbish", &|stream, _| {
        stream.write_all(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20)).unwrap();
    });
    after("version", &|stream, card| {
        let mut own = Neighbourhood::card(card);
        own[VERSION_AT] += 1;
        stream.write_all(&[own.clone(), place.proof(b"connecting", &own, card)].concat()).unwrap();
    });
    after("stranger", &|stream, card| {
        let own = Neighbourhood::card(card);
        stream.write_all(&[own, vec![0; 32]].concat()).unwrap();
    });
    // Its own card, sent back.
    after("stranger", &|stream, card| {
        stream.write_all(&[card.to_vec(), place.proof(b"connecting", card, card)].concat()).unwrap();
    });
    after("standstill", &|stream, card| stream.write_all(&card[..100]).unwrap());

    // Past the greeting: a frame that is too long, one whose row is no person, one of another history, one
    // that never ends.
    let sql = "SELECT system_identifier, timeline_id FROM pg_control_system(), pg_control_checkpoint()";
    let row = database.client().query_one(sql, &[]).unwrap();
    let origin = |timeline: i32| [&row.get::<_, i64>(0).to_le_bytes()[..], &timeline.to_le_bytes()].concat();
    let frame = |timeline| [&[17, 0, 0, 0][..], &origin(timeline), &[1, 0, 0, 0, 9]].concat();
    let timeline: i32 = row.get(1);
    for bytes in [vec![0xff; 8], frame(timeline)] {
        let (before, mut stream) = (refused("rubbish"), place.greeted());
        stream.write_all(&bytes).unwrap();
        assert!(is_closed(stream));
        eventually("rubbish", || refused("rubbish") == before + 1);
    }
    let mut stream = place.greeted();
    stream.write_all(&frame(timeline + 1)).unwrap();
    let of_another_history = || replica.metric("pouco_push_lost_rows_total{reason=\"history\"}");
    eventually("a row of another history is not looked at", || of_another_history() == 1);
    let (before, mut stream) = (refused("standstill"), place.greeted());
    stream.write_all(&[100, 0, 0, 0, 1]).unwrap();
    eventually("half a frame is waited for, and no longer", || refused("standstill") == before + 1);
    created(&replica, "after-all");
    assert_eq!(replica.metric("pouco_thread_panics_total"), 0);
}

/// Stands in the table under this address.
fn enter(database: &Database, address: &str) {
    let sql = "INSERT INTO pouco_replicas.members VALUES ('07070707-0707-0707-0707-070707070707', 99, false, $1, 'people 1', now() + '1 h')
               ON CONFLICT (instance) DO UPDATE SET address = excluded.address";
    database.client().execute(sql, &[&address]).unwrap();
}

#[test]
fn whoever_is_sent_to_and_does_not_behave_holds_nobody_up() {
    let database = Database::create();
    // It looks into the table each second.
    let queue = limits::PUSH_FRAME_BYTES.to_string();
    let settings = [TCP, ("POUCO_REPLICA_TERM_MS", "3000"), ("POUCO_PUSH_QUEUE_BYTES", queue.as_str())];
    let replica = start(&database, &settings);
    let place = Neighbourhood::of(&database);
    let refused = |reason: &str| replica.metric(&format!("pouco_push_refused_total{{reason=\"{reason}\"}}"));
    let out = || replica.metric("pouco_push_replicas{direction=\"out\"}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("push.sock");
    let listener = UnixListener::bind(&path).unwrap();
    enter(&database, &format!("unix:{}", path.display()));

    // It says something else, then a card of another version, then nothing. On a slow machine it may have
    // been given up before it is accepted.
    listener.set_nonblocking(true).unwrap();
    let said = |bytes: &[u8], reason: &str| {
        eventually(reason, || {
            let accepted = listener.accept().ok();
            let _ = accepted.map(|(mut stream, _)| stream.write_all(bytes));
            refused(reason) >= 1
        });
    };
    said(&[b'x'; CARD_BYTES], "rubbish");
    let (_, card) = place.connect();
    let own = Neighbourhood::card(&card);
    let mut other = own.clone();
    other[VERSION_AT] += 1;
    said(&other, "version");
    let before = refused("standstill");
    created(&replica, "beside-silence");
    eventually("silence", || refused("standstill") > before);

    // It greets, and never reads.
    let greet = |mut stream: UnixStream| {
        stream.set_nonblocking(false)?;
        stream.write_all(&own)?;
        let mut shown = vec![0; CARD_BYTES + 32];
        stream.read_exact(&mut shown)?;
        let (theirs, proof) = shown.split_at(CARD_BYTES);
        assert_eq!(proof, place.proof(b"connecting", theirs, &own));
        stream.write_all(&place.proof(b"accepting ", &own, theirs))?;
        Ok::<_, std::io::Error>(stream)
    };
    let mut streams = Vec::new();
    eventually("rows go to it", || {
        streams.extend(listener.accept().ok().and_then(|(stream, _)| greet(stream).ok()));
        out() == 1
    });
    let stack = format!("[{}]", vec![format!("\"{}\"", "x".repeat(32)); 128].join(","));
    let before = refused("standstill");
    // 4 KB each: past what the kernel keeps and what may wait.
    for number in 0..200 {
        assert_eq!(replica.post("/pessoas", &person(&format!("large-{number}"), &stack)).status, 201);
    }
    let lost = || replica.metric("pouco_push_lost_rows_total{reason=\"room\"}");
    eventually("its queue is full", || lost() > 0);
    eventually("it is left alone", || refused("standstill") > before && out() == 0);
    created(&replica, "after-all");
    assert_eq!((replica.metric("pouco_thread_panics_total"), database.count()), (0, 202));
    drop((streams, listener));
}

#[test]
fn a_socket_in_use_is_told_at_once() {
    let database = Database::create();
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", Path::new(folder.path()).join("push.sock").display());
    let _first = start(&database, &[("POUCO_PUSH_LISTEN", &address)]);
    let mut command = crate::support::replica::command();
    command.env("DATABASE_URL", database.url()).env("POUCO_PUSH_LISTEN", &address);
    let (code, _, err) = crate::support::replica::run(&mut command);
    assert_eq!((code, err), (Some(1), format!("pouco: {address} is in use by another process\n")));
}
