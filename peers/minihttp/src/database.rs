//! Postgres by the blocking `postgres` crate: one OS thread a connection, reached through a channel.
//!
//! A coroutine must not block: it would stop all the others of its worker. It waits on a channel of may's
//! instead.

use std::error::Error;
use std::thread;
use std::time::Duration;

use may::sync::{mpmc, mpsc};
use postgres::{Client, Config, NoTls, Statement};
use uuid::Uuid;

use crate::person::Person;

const SCHEMA: &str = include_str!("schema.sql");

const INSERT: &str = "
    INSERT INTO people (id, apelido, nome, nascimento, stack) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";

const FETCH: &str = "SELECT id, apelido, nome, nascimento, stack FROM people WHERE id = $1";

const SEARCH: &str =
    "SELECT id, apelido, nome, nascimento, stack FROM people WHERE search LIKE lower($1) LIMIT 50";

const COUNT: &str = "SELECT count(*) FROM people";

/// Between two attempts to reach a database that is not there.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What went wrong in Postgres, or in a row of it.
type Failure = Box<dyn Error + Send + Sync>;

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// The statement was not carried out, or nobody knows; the log has the reason.
#[derive(Debug)]
pub(crate) struct Unavailable;

#[derive(Clone)]
pub(crate) struct Database {
    /// As many wait at most as there are requests, one a connection of nginx's.
    work: mpmc::Sender<Work>,
}

impl Database {
    /// Waits for Postgres, makes the schema, and starts the threads.
    pub(crate) fn start(url: &str, connections: usize) -> Result<Self, Failure> {
        let mut config: Config = url.parse()?;
        config.connect_timeout(CONNECT_TIMEOUT);
        retry("the schema", || Ok(config.connect(NoTls)?.batch_execute(SCHEMA)?));

        let (work, waiting) = mpmc::channel::<Work>();
        for number in 1..=connections {
            let (config, waiting) = (config.clone(), waiting.clone());
            thread::Builder::new()
                .name(format!("postgres-{number}"))
                .spawn(move || serve(&config, &waiting))?;
        }
        Ok(Self { work })
    }

    /// False: the nickname is taken.
    pub(crate) fn insert(&self, person: Person) -> Result<bool, Unavailable> {
        self.run(move |connection| connection.insert(&person))
    }

    pub(crate) fn fetch(&self, id: Uuid) -> Result<Option<Person>, Unavailable> {
        self.run(move |connection| connection.fetch(id))
    }

    /// At most 50 people in whom `term` is contained.
    pub(crate) fn search(&self, term: &str) -> Result<Vec<Person>, Unavailable> {
        let pattern = contains(term);
        self.run(move |connection| connection.search(&pattern))
    }

    pub(crate) fn count(&self) -> Result<i64, Unavailable> {
        self.run(Connection::count)
    }

    /// Has a thread do `work`, while other coroutines go on.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (done, outcome) = mpsc::channel();
        let work: Work = Box::new(move |connection| {
            // Whoever asked may be gone.
            let _ = done.send(work(connection));
        });
        self.work.send(work).map_err(|_| Unavailable)?;
        let outcome = outcome.recv().map_err(|_| Unavailable)?;
        outcome.map_err(|error| {
            eprintln!("a statement failed: {error:?}");
            Unavailable
        })
    }
}

/// A thread's life. A connection that broke is noticed by the statement that fails on it, and replaced before
/// the next.
fn serve(config: &Config, waiting: &mpmc::Receiver<Work>) {
    let connect = || retry("a connection", || Connection::open(config));
    let mut connection = connect();
    for work in waiting {
        work(&mut connection);
        if connection.client.is_closed() {
            connection = connect();
        }
    }
}

/// Tries until it succeeds.
fn retry<T>(what: &str, attempt: impl Fn() -> Result<T, Failure>) -> T {
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) => eprintln!("{what} waits for Postgres: {error:?}"),
        }
        thread::sleep(RETRY_PAUSE);
    }
}

struct Connection {
    client: Client,
    insert: Statement,
    fetch: Statement,
    search: Statement,
    count: Statement,
}

impl Connection {
    fn open(config: &Config) -> Result<Self, Failure> {
        let mut client = config.connect(NoTls)?;
        Ok(Self {
            insert: client.prepare(INSERT)?,
            fetch: client.prepare(FETCH)?,
            search: client.prepare(SEARCH)?,
            count: client.prepare(COUNT)?,
            client,
        })
    }

    fn insert(&mut self, person: &Person) -> Result<bool, Failure> {
        let Person { id, apelido, nome, nascimento, stack } = person;
        let (apelido, nome) = (apelido.as_str(), nome.as_str());
        Ok(self.client.execute(&self.insert, &[id, &apelido, &nome, nascimento, stack])? == 1)
    }

    fn fetch(&mut self, id: Uuid) -> Result<Option<Person>, Failure> {
        self.client.query_opt(&self.fetch, &[&id])?.as_ref().map(Person::from_row).transpose()
    }

    fn search(&mut self, pattern: &str) -> Result<Vec<Person>, Failure> {
        self.client.query(&self.search, &[&pattern])?.iter().map(Person::from_row).collect()
    }

    fn count(&mut self) -> Result<i64, Failure> {
        Ok(self.client.query_one(&self.count, &[])?.try_get(0)?)
    }
}

/// The pattern of LIKE that `term` is contained, character by character.
fn contains(term: &str) -> String {
    let mut pattern = String::with_capacity(term.len() + 2);
    pattern.push('%');
    for character in term.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn wildcards_are_plain_characters() {
        assert_eq!(contains("50%_\\"), "%50\\%\\_\\\\%");
        assert_eq!(contains(""), "%%");
    }
}
