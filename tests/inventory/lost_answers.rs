//! A COMMIT whose answer is lost: it is found out what became of it, and the client has the answer of a work
//! that is stored once.

use std::thread;

use serde_json::json;

use crate::client::{EMAIL, PASSWORD, log_in, me_with, pair, refresh, register, replica_at, tokens};
use crate::support::{Answer, Database, Relay, Replica, eventually};

/// Every commit of these tables waits for an advisory lock.
const WAIT_AT_COMMIT: &str = "
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER wait AFTER INSERT OR UPDATE OR DELETE ON inventory.users
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait();
    CREATE CONSTRAINT TRIGGER wait AFTER INSERT OR UPDATE OR DELETE ON inventory.refresh_families
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait();";
const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()";

struct Rig {
    database: Database,
    relay: Relay,
    replica: Replica,
}

impl Rig {
    fn start() -> Self {
        let database = Database::create();
        let relay = Relay::to(&database);
        let replica = replica_at(&relay.url());
        assert_eq!(register(&replica, EMAIL).status, 201);
        // A trigger is known to a session from its next statement on.
        database.execute(WAIT_AT_COMMIT);
        Self { database, relay, replica }
    }

    /// What `ask` gets, if the answer to its COMMIT is lost with the connection.
    fn without_answer_to_commit(&self, ask: impl FnOnce(&Replica) -> Answer + Send) -> Answer {
        let mut holder = self.database.client();
        holder.batch_execute("SELECT pg_advisory_lock(1)").unwrap();
        let mut watcher = self.database.client();
        let mut waiting = || watcher.query_one(WAITING, &[]).unwrap().get::<_, i64>(0);
        thread::scope(|scope| {
            let asked = scope.spawn(|| ask(&self.replica));
            eventually("a commit waits", || waiting() == 1);
            self.relay.mute_present();
            holder.batch_execute("SELECT pg_advisory_unlock(1)").unwrap();
            eventually("the commit has gone on", || waiting() == 0);
            self.relay.cut();
            asked.join().unwrap()
        })
    }

    fn uncertain(&self) -> u64 {
        self.replica.metric("pouco_transactions_total{outcome=\"uncertain\"}")
    }
}

#[test]
fn a_registration_is_stored_once_and_answered_as_such() {
    let rig = Rig::start();
    let answer = rig.without_answer_to_commit(|replica| register(replica, "bob@example.com"));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["email"], "bob@example.com");
    assert_eq!(rig.uncertain(), 1);
    assert_eq!(register(&rig.replica, "Bob@example.com").status, 409);
    let (access, _) = tokens(&log_in(&rig.replica, "bob@example.com", PASSWORD));
    assert_eq!(me_with(&rig.replica, &access).json()["id"], answer.json()["id"]);
}

#[test]
fn a_login_and_a_refresh_give_tokens_that_are_good() {
    let rig = Rig::start();
    let answer = rig.without_answer_to_commit(|replica| log_in(replica, EMAIL, PASSWORD));
    let (_, first) = tokens(&answer);
    assert_eq!(rig.uncertain(), 1);
    let answer = rig.without_answer_to_commit(|replica| refresh(replica, &first));
    let (access, second) = tokens(&answer);
    assert_eq!(rig.uncertain(), 2);
    assert_eq!(me_with(&rig.replica, &access).json()["email"], EMAIL);
    assert_eq!(refresh(&rig.replica, &second).status, 200, "it is the newest of its family");
}

#[test]
fn a_family_that_ends_has_ended() {
    let rig = Rig::start();
    let (_, first) = pair(&rig.replica);
    let (_, second) = tokens(&refresh(&rig.replica, &first));
    let answer = rig.without_answer_to_commit(|replica| refresh(replica, &first));
    assert_eq!((answer.status, answer.json()["error"].is_string()), (401, true));
    assert_eq!(refresh(&rig.replica, &second).status, 401);
    let body = json!({"refresh_token": first}).to_string();
    assert_eq!(rig.replica.post("/api/v1/auth/refresh", &body).status, 401);
}
