//! SIGTERM to the real program with a real database: what has begun is finished, and what is acknowledged is
//! stored.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::support::client::request_text;
use crate::support::replica::command;
use crate::support::{Answer, Connection, Database, Replica, Target, eventually, open_tempdir, person};
use postgres::Client;
use pouco::embedded::Cluster;
use rustix::process::Signal;
use tempfile::TempDir;

const GRACE_MS: &str = "60000";

/// A replica on a TCP or a Unix socket, to be drained.
struct Drained {
    database: Database,
    replica: Replica,
    _folder: TempDir,
}

/// Runs a case on both kinds of sockets.
fn on_both(case: impl Fn(Drained)) {
    // Made together, so that the Postgres of the first is still there for the second.
    let databases = [Database::create(), Database::create()];
    for (tcp, database) in [true, false].into_iter().zip(databases) {
        let folder = open_tempdir();
        let unix = format!("unix:{}", folder.path().join("api.sock").display());
        let listen = if tcp { "tcp:127.0.0.1:0" } else { unix.as_str() };
        let settings = [("POUCO_LISTEN", listen), ("POUCO_SHUTDOWN_GRACE_MS", GRACE_MS)];
        let replica = Replica::start_with(&database, &settings);
        case(Drained { database, replica, _folder: folder });
    }
}

impl Drained {
    /// A connection that was accepted: what is in the kernel's queue when the listener closes is not begun.
    fn connect(&self) -> Connection {
        let mut connection = self.replica.api.connect();
        assert_eq!(connection.request("GET", "/contagem-pessoas", "").status, 200);
        connection
    }

    /// Sends the signal, and returns when the drain shows: new clients are refused.
    fn signal(&self) {
        self.replica.signal(Signal::TERM);
        eventually("new clients are refused", || self.is_refusing());
    }

    fn is_refusing(&self) -> bool {
        let refused = match &self.replica.api {
            Target::Tcp(_) => ErrorKind::ConnectionRefused,
            Target::Unix(path) if path.exists() => return false,
            Target::Unix(_) => ErrorKind::NotFound,
        };
        self.replica.api.try_connect().is_err_and(|error| error.kind() == refused)
    }

    fn assert_stored(&self, nick: &str, answer: &Answer) {
        assert_eq!((answer.status, answer.header("connection")), (201, Some("close")), "{}", answer.text());
        let id = answer.header("location").unwrap().strip_prefix("/pessoas/").unwrap();
        let query = "SELECT apelido FROM people WHERE id = $1::text::uuid";
        let stored: String = self.database.client().query_one(query, &[&id]).unwrap().get(0);
        assert_eq!(stored, nick);
    }

    fn assert_ends_well(mut self) {
        // What outlasts the grace period has another code.
        assert_eq!(self.replica.wait().code(), Some(0));
        if let Target::Unix(path) = &self.replica.api {
            assert!(!path.exists());
        }
    }
}

#[test]
fn an_idle_connection_is_closed() {
    on_both(|drained| {
        let mut idle = drained.connect();
        drained.signal();
        assert!(idle.is_closed());
        drained.assert_ends_well();
    });
}

#[test]
fn a_request_that_has_half_come_is_finished() {
    on_both(|drained| {
        let request = request_text("POST", "/pessoas", &person("half"));
        let head_bytes = request.find("\r\n\r\n").unwrap() + 4;
        // Cut in the request line, in the head, between head and body, and in the body.
        let mut begun: Vec<(Connection, &str)> = Vec::new();
        for at in [3, head_bytes - 6, head_bytes, head_bytes + 20] {
            let mut connection = drained.connect();
            connection.send(&request[..at]);
            begun.push((connection, &request[at..]));
        }
        drained.signal();
        let mut answers = begun.iter_mut().map(|(connection, rest)| {
            connection.send(*rest);
            let answer = connection.answer();
            assert!(connection.is_closed());
            answer
        });
        // They are of one nickname: the first is stored, the others are answered no less.
        drained.assert_stored("half", &answers.next().unwrap());
        for answer in answers {
            assert_eq!((answer.status, answer.header("connection")), (422, Some("close")));
        }
        assert_eq!(drained.database.count(), 1);
        drained.assert_ends_well();
    });
}

#[test]
fn a_creation_that_waits_for_its_commit_is_answered_and_stored() {
    on_both(|drained| {
        let mut waiting = drained.connect();
        let mut locker = drained.database.client();
        let mut lock = locker.transaction().unwrap();
        lock.batch_execute("LOCK TABLE people IN EXCLUSIVE MODE").unwrap();
        waiting.send(request_text("POST", "/pessoas", &person("waits")));
        let mut watcher = drained.database.client();
        eventually("the INSERT waits for its lock", || inserts_waiting(&mut watcher) == 1);
        drained.signal();
        assert_eq!(inserts_waiting(&mut watcher), 1, "the drain waits for it");
        assert_eq!(drained.database.count(), 0);
        lock.rollback().unwrap();
        let answer = waiting.answer();
        drained.assert_stored("waits", &answer);
        assert!(waiting.is_closed());
        drained.assert_ends_well();
    });
}

/// INSERTs of this database that wait for a lock on the table.
fn inserts_waiting(client: &mut Client) -> i64 {
    let query = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND relation = 'people'::regclass AND datname = current_database() AND query LIKE '%INSERT%'";
    client.query_one(query, &[]).unwrap().get(0)
}

#[test]
fn what_outlasts_the_grace_period_is_given_up_and_said() {
    let database = Database::create();
    let replica = Replica::start_with(&database, &[("POUCO_SHUTDOWN_GRACE_MS", "500")]);
    let mut stuck = replica.api.connect();
    assert_eq!(stuck.request("GET", "/contagem-pessoas", "").status, 200);
    stuck.send("POST /pessoas HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{");
    let begun = Instant::now();
    assert_eq!(replica.stop().code(), Some(1));
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
}

/// Balancers hear of the end before clients are refused.
#[test]
fn a_replica_serves_on_while_it_says_that_it_ends() {
    let database = Database::create();
    let mut replica = Replica::start_with(&database, &[("POUCO_SHUTDOWN_DELAY_MS", "600000")]);
    eventually("it is ready", || replica.admin.get("/readyz").status == 200);
    replica.signal(Signal::TERM);
    eventually("it is out of traffic", || replica.admin.get("/readyz?traffic").status == 503);
    assert_eq!(replica.admin.get("/healthz").status, 200);
    let mut kept = replica.api.connect();
    for nick in ["ana", "bia"] {
        let answer = kept.request("POST", "/pessoas", &person(nick));
        assert_eq!((answer.status, answer.header("connection")), (201, None));
    }
    // The second signal ends the delay, and not the process.
    replica.signal(Signal::TERM);
    assert_eq!(replica.wait().code(), Some(0));
    assert!(kept.is_closed());
    assert_eq!(database.count(), 2);
}

#[test]
fn the_delay_before_the_end_is_over_in_time() {
    let mut command = command();
    let mut replica = Replica::spawn(command.env("POUCO_APIS", "edge").env("POUCO_SHUTDOWN_DELAY_MS", "500"));
    let begun = Instant::now();
    replica.signal(Signal::TERM);
    assert_eq!(replica.wait().code(), Some(0));
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
}

/// Nothing waits for the database any more once every request has its answer. (The feed, trying to connect
/// again, once kept the process from ending.)
#[test]
fn a_lost_database_does_not_keep_the_process() {
    let folder = open_tempdir();
    let cluster = Cluster::start(Some(folder.path().join("data")), None).unwrap_or_else(|e| panic!("{e}"));
    let url = format!("host={} user=pouco dbname=postgres", cluster.sockets().display());
    let mut replica = Replica::spawn(command().env("DATABASE_URL", url).env("POUCO_APIS", "people"));
    let connected = || replica.metric("pouco_database_connections ");
    // The writer, the feed and the pool's two.
    eventually("all are connected", || connected() == 4);
    drop(cluster);
    eventually("the feed has noticed", || connected() < 4);
    replica.signal(Signal::TERM);
    assert_eq!(replica.wait().code(), Some(0));
}
