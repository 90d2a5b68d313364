//! Somebody who wants something once and asks for it, under one key, until there is an answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::super::client::{Answer, Client, NoAnswer};
use super::super::history::{Attempted, History};
use super::super::lock;
use super::shop::Shop;
use super::wish::{Came, Reply, Try, What, Wish};

/// How long after the end of the load a wish is still asked for.
const LAST_PATIENCE: Duration = Duration::from_secs(60);

/// After a 503 or without a connection, at least and at most.
const REFUSED_PAUSE_MS: std::ops::Range<u64> = 500..1_000;

/// While the first request of a key is under way.
const UNDER_WAY_PAUSE_MS: std::ops::Range<u64> = 20..100;

/// How long somebody stays who does not listen.
const STAY_MS: std::ops::Range<u64> = 0..15;

/// One wish in so many is given up once it is refused: it must never be fulfilled.
const GIVEN_UP_EACH: u64 = 8;

/// What all who ask have in common.
pub struct Common {
    pub shop: Shop,
    pub history: Arc<History<Try>>,
    numbers: AtomicU64,
    stop: AtomicBool,
    stopped: Mutex<Option<Instant>>,
}

impl Common {
    pub fn new(shop: Shop, history: Arc<History<Try>>) -> Self {
        let (numbers, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { shop, history, numbers, stop, stopped: Mutex::default() }
    }

    /// What is wanted is still asked for, but nothing new.
    pub fn stop(&self) {
        lock(&self.stopped).get_or_insert_with(Instant::now);
        self.stop.store(true, Ordering::Release);
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn is_over(&self) -> bool {
        self.is_stopped() && lock(&self.stopped).is_some_and(|since| since.elapsed() > LAST_PATIENCE)
    }

    /// As many as are busy at once do not come at the same moment.
    pub fn sleep(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.is_stopped() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(500)));
        }
    }
}

/// A customer at one of the targets, with a connection that is kept.
pub struct Asker {
    pub common: Arc<Common>,
    /// Which of the shop's customers it is.
    customer: usize,
    pub target: usize,
    client: Client,
    pub random: fastrand::Rng,
}

impl Asker {
    pub fn new(common: &Arc<Common>, customer: usize, target: usize, seed: u64) -> Self {
        let shop = &common.shop;
        let (customer, target) = (customer % shop.customers.len(), target % shop.targets.len());
        let client = Client::new(&shop.targets[target].socket, shop.patience);
        let random = fastrand::Rng::with_seed(seed);
        Self { common: common.clone(), customer, target, client, random }
    }

    pub fn wish(&self, what: What) -> Arc<Wish> {
        let number = self.common.numbers.fetch_add(1, Ordering::Relaxed);
        Arc::new(Wish { number, customer: self.common.shop.customers[self.customer].id, what })
    }

    /// Goes on at the next target.
    pub fn turn(&mut self) {
        let shop = &self.common.shop;
        self.target = (self.target + 1) % shop.targets.len();
        self.client = Client::new(&shop.targets[self.target].socket, shop.patience);
    }

    /// Asks until there is a last word. `None` if there is none: it was given up, or something is wrong,
    /// which is then in the history.
    pub fn pursue(&mut self, wish: &Arc<Wish>, leaves: bool) -> Option<Reply> {
        let gives_up = wish.number % GIVEN_UP_EACH == GIVEN_UP_EACH / 2;
        let (mut in_doubt, mut leaves) = (false, leaves);
        while !self.common.is_over() {
            let attempt = self.ask(wish, std::mem::take(&mut leaves));
            if let Some(reply) = attempt.last_word() {
                return Some(reply.clone());
            }
            if attempt.is_refused() {
                if gives_up && !in_doubt {
                    return None;
                }
                self.pause(REFUSED_PAUSE_MS);
                if attempt.came == Came::NotSent {
                    self.turn();
                }
            } else if attempt.came != Came::Hung && attempt.is_unknown() {
                in_doubt = true;
                self.turn();
            } else if attempt.status() == Some(409) {
                self.pause(UNDER_WAY_PAUSE_MS);
            } else {
                return None;
            }
        }
        None
    }

    /// One attempt, which goes into the history.
    pub fn ask(&mut self, wish: &Arc<Wish>, leaves: bool) -> Try {
        let (method, path, body) = wish.request();
        let key = match wish.what {
            What::Cancel(_) => String::new(),
            What::Order(_) | What::Stock { .. } => format!("Idempotency-Key: {}\r\n", wish.key()),
        };
        let fields = format!("{}{key}", self.authorization());
        let (target, replica) = (self.target, self.common.shop.targets[self.target].replica);
        let began = self.common.history.now();
        let came = if leaves {
            let stay = Duration::from_millis(self.random.u64(STAY_MS));
            match self.client.ask_and_leave(method, &path, &fields, &body, stay) {
                NoAnswer::NotSent => Came::NotSent,
                NoAnswer::Broken | NoAnswer::Hung => Came::Left,
            }
        } else {
            Came::of(self.client.ask(method, &path, &fields, &body))
        };
        let ended = self.common.history.now();
        let attempt = Try { wish: wish.clone(), target, replica, began, ended, came };
        self.common.history.record(attempt.clone());
        attempt
    }

    /// `None` if the answer says nothing: none came, or it was refused for now.
    pub fn read(&mut self, route: &'static str, path: &str) -> Option<Answer> {
        let fields = self.authorization().to_owned();
        let history = &self.common.history;
        match self.client.ask("GET", path, &fields, "") {
            Ok(answer) if matches!(answer.status, 502..=504) => {
                history.record_read(route, |reads| reads.unavailable += 1);
                None
            }
            Ok(answer) => {
                history.record_read(route, |reads| reads.answered += 1);
                Some(answer)
            }
            Err(NoAnswer::Hung) => {
                history.record_wrong_read(None, format!("{path} hangs"));
                None
            }
            Err(NoAnswer::NotSent | NoAnswer::Broken) => {
                history.record_read(route, |reads| reads.broken += 1);
                None
            }
        }
    }

    fn authorization(&self) -> &str {
        &self.common.shop.customers[self.customer].authorization
    }

    fn pause(&mut self, milliseconds: std::ops::Range<u64>) {
        thread::sleep(Duration::from_millis(self.random.u64(milliseconds)));
    }
}
