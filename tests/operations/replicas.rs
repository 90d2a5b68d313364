//! Replicas that find their numbers by themselves, and ids that others have already.

use crate::support::replica::command;
use crate::support::{Database, Log, Replica, eventually, person};

/// Nothing expires by itself while a test runs.
const LONG: (&str, &str) = ("POUCO_REPLICA_TERM_MS", "600000");
/// Renewed every second.
const SHORT: (&str, &str) = ("POUCO_REPLICA_TERM_MS", "3000");

/// Creates somebody, whose path it returns.
fn created(replica: &Replica, nick: &str) -> String {
    let answer = replica.post("/pessoas", &person(nick));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

fn number(replica: &Replica) -> u64 {
    eventually("it is in the table", || replica.metric("pouco_replica_registered ") == 1);
    replica.metric("pouco_replica_number ")
}

fn start(database: &Database, settings: &[(&str, &str)]) -> Replica {
    // Whatever the machine is called.
    let mut command = command();
    command.env_remove("HOSTNAME").env("DATABASE_URL", database.url()).env("POUCO_APIS", "people");
    Replica::spawn(command.envs(settings.iter().copied()))
}

#[test]
fn numbers_are_given_out_and_taken_over_when_they_have_expired() {
    let database = Database::create();
    let replicas = [0, 1, 2].map(|expected| {
        let replica = start(&database, &[LONG]);
        assert_eq!(number(&replica), expected);
        replica
    });
    let path = created(&replicas[2], "ana");
    assert!(path.ends_with("002"), "{path}");
    let [first, killed, last] = replicas;
    killed.kill();
    // Nobody has said that it is over, until the database's clock does.
    let next = start(&database, &[LONG]);
    assert_eq!(number(&next), 3);
    let mut client = database.client();
    let expired = "UPDATE pouco_replicas.members SET until = now() - interval '1 s' WHERE number = 1";
    assert_eq!(client.execute(expired, &[]).unwrap(), 1);
    let heir = start(&database, &[LONG]);
    assert_eq!(number(&heir), 1);
    // Who leaves in order is gone at once, and everybody finds everybody.
    assert!(first.stop().success());
    let free = "SELECT count(*) FROM pouco_replicas.members WHERE number = 0";
    assert_eq!(client.query_one(free, &[]).unwrap().get::<_, i64>(0), 0);
    for replica in [&last, &next, &heir] {
        assert_eq!(replica.get(&path).status, 200);
    }
    // A lease that was lost (a process that was stopped for long) is had again, with the same number if that
    // is free.
    let frozen = start(&database, &[SHORT]);
    assert_eq!(number(&frozen), 0);
    client.execute("DELETE FROM pouco_replicas.members WHERE number = 0", &[]).unwrap();
    let is_back = "SELECT count(*) FROM pouco_replicas.members WHERE number = 0";
    eventually("it is there again", || client.query_one(is_back, &[]).unwrap().get::<_, i64>(0) == 1);
}

#[test]
fn two_replicas_with_one_number_cost_nobody_anything() {
    let database = Database::create();
    let settings = [("POUCO_REPLICA", "4095")];
    let (one, other) = (start(&database, &settings), start(&database, &settings));
    assert_eq!([number(&one), number(&other)], [4095; 2]);
    for (from, to, nick) in [(&one, &other, "ana"), (&other, &one, "bob")] {
        let path = created(from, nick);
        assert!(path.ends_with("fff"), "{path}");
        assert_eq!(to.get(&path).status, 200);
    }
    let clash = "SELECT count(*) FROM pouco_replicas.members WHERE number = 4095 AND NOT leased";
    assert_eq!(database.value::<i64>(clash), 2);
    // A lease goes round a number that is set.
    let set = start(&database, &[("POUCO_REPLICA", "0")]);
    assert_eq!(number(&set), 0);
    assert_eq!(number(&start(&database, &[])), 1);
}

#[test]
fn a_pod_has_the_number_of_its_name_if_nobody_else_has() {
    let database = Database::create();
    let name = ("HOSTNAME", "people-17");
    let one = start(&database, &[name]);
    assert_eq!(number(&one), 17);
    assert!(created(&one, "ana").ends_with("011"));
    assert_eq!(number(&start(&database, &[name])), 0);
}

/// Its own number, or that of its name, will do.
#[test]
fn a_replica_without_a_place_in_the_table_serves_all_the_same() {
    let database = Database::create();
    assert_eq!(number(&start(&database, &[])), 0);
    let role = format!("alone_{}", fastrand::u64(..));
    let mut client = database.client();
    let grants = format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA public TO {role};
         GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {role}; TRUNCATE pouco_replicas.members"
    );
    client.batch_execute(&grants).unwrap();
    let url = database.url().replace("user=pouco", &format!("user={role}"));
    let mut serve = command();
    serve.env("DATABASE_URL", url).env("POUCO_APIS", "people").env("HOSTNAME", "people-9");
    let log = Log::of(&mut serve);
    let replica = Replica::spawn_with(&mut serve);
    let path = created(&replica, "ana");
    assert!(path.ends_with("009"), "{path}");
    eventually("it says so", || log.has("has no place among the others, and the number 9"));
    assert!(log.has("permission denied"), "{}", log.text());
    assert_eq!(replica.metric("pouco_replica_registered "), 0);
    assert_eq!(replica.get(&path).status, 200);
    drop(replica);
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
}

/// Somebody else's row gets the very id, a moment before. 62 random bits do not, so a trigger does.
#[test]
fn an_id_that_another_row_has_is_changed_and_nobody_is_told_of_it() {
    let database = Database::create();
    let replica = start(&database, &[]);
    let trigger = "
        CREATE FUNCTION get_ahead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.apelido = 'late' AND NOT EXISTS (SELECT FROM people WHERE apelido = 'early') THEN
                INSERT INTO people (id, apelido, nome, nascimento) VALUES (NEW.id, 'early', 'Eve', '2000-10-01');
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER get_ahead BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION get_ahead()";
    database.execute(trigger);
    let path = created(&replica, "late");
    let id = |nick: &str| {
        let row = database.client().query_one("SELECT id::text FROM people WHERE apelido = $1", &[&nick]);
        row.unwrap().get::<_, String>(0)
    };
    let (late, early) = (id("late"), id("early"));
    assert_ne!(late, early);
    assert_eq!(path, format!("/pessoas/{late}"));
    assert_eq!(replica.get(&path).json()["apelido"], "late");
    assert_eq!(replica.get(&format!("/pessoas/{early}")).json()["apelido"], "early");
    // A nickname that is taken is no id that is.
    database.execute("INSERT INTO people SELECT gen_random_uuid(), 'bob', 'Bob', '2000-10-01'");
    assert_eq!(replica.post("/pessoas", &person("bob")).status, 422);
}
