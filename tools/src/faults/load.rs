//! Clients that create people at a bounded rate, unique nicknames and contested ones, and look at what they
//! created.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::client::{Answer, Client, NoAnswer};
use super::history::{Attempt, History, Outcome};
use super::person::Person;
use super::{Failure, promised};

/// One creation in so many fights for a nickname ...
const CONTESTED_EACH: u64 = 4;
/// ... that all contested ones among so many creations share, on whichever replica they are.
const CONTEST_SPAN: u64 = 32;

/// After a creation the client reads it; after so many it also searches ...
const SEARCH_EACH: u64 = 4;
/// ... or counts.
const COUNT_EACH: u64 = 16;

/// What the clients do.
#[derive(Clone)]
pub struct Plan {
    pub targets: Vec<PathBuf>,
    pub clients: usize,
    pub creations_per_s: f64,
    /// How long a client waits for an answer before it says that something hangs.
    pub patience: Duration,
}

/// Clients at work, until this value ends.
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    pub fn start(plan: &Plan, history: &Arc<History>) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let numbers = Arc::new(AtomicU64::new(0));
        let mut load = Self { stop, threads: Vec::new() };
        for index in 0..plan.clients {
            let target = index % plan.targets.len();
            let mut worker = Worker {
                target,
                client: Client::new(&plan.targets[target], plan.patience),
                history: history.clone(),
                numbers: numbers.clone(),
                again: None,
            };
            let stop = load.stop.clone();
            let interval = Duration::from_secs_f64(plan.clients as f64 / plan.creations_per_s);
            // Not all at the same moment.
            let first = interval.mul_f64(index as f64 / plan.clients as f64);
            let thread = thread::Builder::new()
                .name("client".into())
                .spawn(move || worker.work_until(&stop, interval, first))?;
            load.threads.push(thread);
        }
        Ok(load)
    }

    /// Lets every client finish what it waits for.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.stop.store(true, Ordering::Release);
        let ends: Vec<bool> = self.threads.drain(..).map(|thread| thread.join().is_ok()).collect();
        if ends.contains(&false) { Err("a client panicked".into()) } else { Ok(()) }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

struct Worker {
    target: usize,
    client: Client,
    history: Arc<History>,
    numbers: Arc<AtomicU64>,
    /// A nickname whose creation failed: a real client would try it again.
    again: Option<String>,
}

impl Worker {
    fn work_until(&mut self, stop: &AtomicBool, interval: Duration, first: Duration) {
        let mut due = Instant::now() + first;
        while !stop.load(Ordering::Acquire) {
            // The pace is the point: a bounded rate. What was missed during an outage is not made up for, and
            // every client keeps its own beat: what came together would go into one batch together.
            thread::sleep(due.saturating_duration_since(Instant::now()));
            while due <= Instant::now() {
                due += interval;
            }
            let attempt = self.create();
            let (number, nick, id) = (attempt.number, attempt.nick.clone(), attempt.acknowledged());
            self.history.record(attempt);
            if let Some(id) = id {
                self.look_at(number, &nick, id);
            }
        }
    }

    fn create(&mut self) -> Attempt {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let nick = self.again.take().unwrap_or_else(|| match number % CONTESTED_EACH {
            0 => format!("contested{:06}", number / CONTEST_SPAN),
            _ => format!("unique{number:07}"),
        });
        let body = Person::of_attempt(number, &nick).json().to_string();
        let began = self.history.now();
        let outcome = match self.client.post("/pessoas", &body) {
            Ok(answer) => Outcome::Answered {
                status: answer.status,
                id: location(&answer),
                retry_after: answer.header("retry-after").is_some(),
            },
            Err(NoAnswer::NotSent) => Outcome::NotSent,
            Err(NoAnswer::Broken) => Outcome::Unknown,
            Err(NoAnswer::Hung) => Outcome::Hung,
        };
        let attempt =
            Attempt { number, nick, target: self.target, began, ended: self.history.now(), outcome };
        if !matches!(attempt.status(), Some(201 | 422)) {
            self.again = Some(attempt.nick.clone());
        }
        attempt
    }

    /// Whoever has a 201 can read the person at once, by whichever replica.
    fn look_at(&mut self, number: u64, nick: &str, id: Uuid) {
        let answer = self.read("by id", &format!("/pessoas/{id}"));
        if let Some(answer) = answer
            && !(answer.status == 200 && Person::of_attempt(number, nick).is_in(&answer.body, id))
        {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            let what = format!("{id} of attempt {number}: {} {body}", answer.status);
            self.history.record_wrong_read(Some(number), what);
        }
        if number % SEARCH_EACH == 1 {
            // Shared by ten at most: a short answer.
            let term = &nick[..nick.len() - 1];
            if let Some(answer) = self.read("search", &format!("/pessoas?t={term}"))
                && !(answer.status == 200 && is_ordered(&answer.body))
            {
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                let what = format!("search for {term}: {} {body}", answer.status);
                self.history.record_wrong_read(None, what);
            }
        }
        if number % COUNT_EACH == 2 {
            self.read("count", "/contagem-pessoas");
        }
    }

    /// `None` if the answer says nothing: none came, or it was refused for now.
    fn read(&mut self, route: &'static str, path: &str) -> Option<Answer> {
        match self.client.get(path) {
            Ok(answer) if matches!(answer.status, 502..=504) => {
                self.history.record_read(route, |reads| reads.unavailable += 1);
                None
            }
            Ok(answer) => {
                self.history.record_read(route, |reads| reads.answered += 1);
                Some(answer)
            }
            Err(NoAnswer::Hung) => {
                self.history.record_wrong_read(None, format!("{path} hangs"));
                None
            }
            Err(NoAnswer::NotSent | NoAnswer::Broken) => {
                self.history.record_read(route, |reads| reads.broken += 1);
                None
            }
        }
    }
}

fn location(answer: &Answer) -> Option<Uuid> {
    answer.header("location")?.strip_prefix("/pessoas/")?.parse().ok()
}

/// Whether it is a list of people, each once, in the order of their ids.
fn is_ordered(body: &[u8]) -> bool {
    let Ok(Value::Array(people)) = serde_json::from_slice(body) else { return false };
    let ids: Vec<Option<&str>> = people.iter().map(|person| person["id"].as_str()).collect();
    ids.iter().all(Option::is_some) && ids.is_sorted_by(|one, next| one < next)
}

/// A client for one socket.
pub fn client(socket: &Path) -> Client {
    Client::new(socket, promised(20_000))
}
