//! A replica, asked over its two sockets.

use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::audit::{Follows, Told};
use super::client::Client;
use super::load::client;
use super::stack::Stack;
use super::{Failure, promised};

/// How soon a replica's feed must know everything once all is quiet.
const FEED_PATIENCE: Duration = promised(5_000);

/// Longer than a metric's value is rounded by.
const ROUNDING: Duration = Duration::from_millis(10);

pub struct Replica {
    name: String,
    api: Client,
    admin: Client,
    /// Whether all people must be in memory.
    fits: bool,
}

impl Replica {
    /// `fits` if everybody has room in the replica's memory.
    pub fn of(stack: &Stack, index: usize, fits: bool) -> Self {
        let (api, admin) = (client(&stack.api(index)), client(&stack.admin(index)));
        Self { name: format!("replica {}", index + 1), api, admin, fits }
    }

    pub fn get(&mut self, path: &str) -> Result<Told, Failure> {
        match self.api.get(path) {
            Ok(answer) => Ok(Told { status: answer.status, body: answer.body }),
            Err(error) => Err(format!("{}, {path}: {error:?}", self.name).into()),
        }
    }

    /// The status of a creation.
    pub fn post(&mut self, body: &str) -> Result<u16, Failure> {
        let answer = self.api.post("/pessoas", body);
        answer.map(|answer| answer.status).map_err(|error| format!("{}: {error:?}", self.name).into())
    }

    /// The status and the body of a path for operators.
    pub fn told_operators(&mut self, path: &str) -> Result<(u16, String), Failure> {
        match self.admin.get(path) {
            Ok(answer) => Ok((answer.status, String::from_utf8_lossy(&answer.body).into_owned())),
            Err(error) => Err(format!("{}, {path}: {error:?}", self.name).into()),
        }
    }

    /// The value of a metric, named with its labels; `None` if there is none of this name.
    pub fn metric(&mut self, name: &str) -> Result<Option<f64>, Failure> {
        let (_, text) = self.told_operators("/metrics")?;
        Ok(value_of(&text, name))
    }
}

/// The value of a line of an exposition.
fn value_of(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

impl Follows for Replica {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn catch_up(&mut self, since: Instant) -> Result<Option<String>, Failure> {
        let deadline = Instant::now() + FEED_PATIENCE;
        loop {
            // Taken before the question: the state that was read is then younger than what it is compared
            // with.
            let passed = since.elapsed().saturating_sub(ROUNDING).as_secs_f64();
            let (_, text) = self.told_operators("/metrics")?;
            let lag =
                value_of(&text, "pouco_feed_lag_seconds{feed=\"people\"}").ok_or("no feed has a lag")?;
            let complete = value_of(&text, "pouco_search_index_complete").ok_or("no index is told of")?;
            if lag < passed && complete == 1.0 || self.people()?.is_none() {
                return Ok(None);
            }
            if Instant::now() > deadline {
                return Ok(Some(format!("{lag} s behind, complete: {complete}")));
            }
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn by_id(&mut self, id: Uuid) -> Result<Told, Failure> {
        self.get(&format!("/pessoas/{id}"))
    }

    fn search(&mut self, term: &str) -> Result<Told, Failure> {
        self.get(&format!("/pessoas?t={term}"))
    }

    fn people(&mut self) -> Result<Option<usize>, Failure> {
        let people = self.metric("pouco_search_index_people")?.ok_or("no index is told of")?;
        // An index that was given up is empty, and its feed has ended.
        if !self.fits && people == 0.0 { Ok(None) } else { Ok(Some(format!("{people:.0}").parse()?)) }
    }
}
