//! The event loop: starts what is due, sends, reads, judges.
//!
//! Times are nanoseconds since the loop began. Users and connections have places of their own: a user in a
//! pause may have no connection, a kept connection may have no user. Memory is bounded by what is asked: a
//! request lives for the timeout at most, so there are never more users than come in that time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

mod clients;
#[cfg(test)]
mod tests;

use anyhow::{Result, ensure};
use slab::Slab;

use super::arrivals::{Arrivals, asked, nanos, seconds};
use super::bottleneck::{Watch, peak_memory_bytes};
use super::connections::Pool;
use super::errand::Errand;
use super::figures::{End, Figures, Seen};
use super::request::{Chain, check_lines, path_of};
use super::socket::{self, Poller, Ready};
use super::user::{User, Verdict};
use super::{Connections, Ended, Outcome, Plan, Snapshot};
use crate::contest::Scenario;
use crate::oracle::scenarios::{Answers, Task};
use crate::record::Generator;

const SECOND: u64 = 1_000_000_000;
/// How long the stop flag may go unseen.
const LOOK_AROUND: u64 = SECOND / 10;
/// At an early end a user counts as one who did not come only if late by more than this: fewer are one turn's
/// worth.
const OVERDUE: u64 = SECOND / 10;
/// Requests that are started before answers are looked for again.
const STARTS_A_TURN: usize = 32;
/// What one read takes.
const INPUT_BYTES: usize = 64 << 10;

struct Engine<'a> {
    plan: &'a Plan,
    chains: Vec<Chain>,
    /// The place of a scenario's first request among all of them.
    first_kind: Vec<usize>,
    arrivals: Vec<Arrivals<'a>>,
    clock: Instant,
    poller: Poller,
    pool: Pool,
    kept: bool,
    users: Slab<User>,
    in_flight: usize,
    /// Users for whom there was no connection, with the request that waits.
    waiting: VecDeque<(usize, u64)>,
    /// Ends of pauses.
    pauses: BinaryHeap<Reverse<(u64, usize)>>,
    /// When requests fail, in the order of their starts. Those that have ended are passed over.
    deadlines: VecDeque<(u64, usize, u64)>,
    timeout: u64,
    warm_up: u64,
    requests: u64,
    arrived: u64,
    payloads_used: u64,
    terms_used: u64,
    figures: Figures,
    watch: Watch,
    first_start: Option<u64>,
    last_end: u64,
    input: Vec<u8>,
    output: Vec<u8>,
    /// What the request that is rendered drew from the data.
    drawn: String,
    /// The body of the errand that is rendered.
    body: String,
    /// Of errands, and of the order of mixes.
    random: fastrand::Rng,
    /// Of scenarios.
    answers: Answers,
    /// Of each mix, places of the requests that come next, the last first.
    decks: Vec<Vec<usize>>,
}

/// Runs the plan.
pub(super) fn run(plan: &Plan, stop: &AtomicBool, progress: &mut dyn FnMut(&Snapshot)) -> Result<Outcome> {
    let mut engine = Engine::new(plan)?;
    let ended = engine.turn_until_the_end(stop, progress)?;
    engine.outcome(ended)
}

impl<'a> Engine<'a> {
    fn new(plan: &'a Plan) -> Result<Self> {
        let scenarios = &plan.load.scenarios;
        let chains =
            scenarios.iter().map(|scenario| Chain::new(scenario, plan)).collect::<Result<Vec<_>>>()?;
        check_lines(plan, &chains)?;
        let mut first_kind = Vec::new();
        let mut names = Vec::new();
        for chain in &chains {
            first_kind.push(names.len());
            names.extend(chain.requests.iter().map(|request| request.name.clone()));
        }
        let most = socket::most_connections()?;
        let (kept, most) = match plan.connections {
            Connections::PerUser => (false, most),
            Connections::KeptAlive { connections } => {
                ensure!(connections <= most, "connections: at most {most} (ulimit -Hn), not {connections}");
                (true, connections)
            }
        };
        let arrivals = |(index, scenario): (u64, &'a Scenario)| {
            Arrivals::new(scenario, plan.scale, plan.seed.wrapping_add(index))
        };
        Ok(Self {
            plan,
            chains,
            first_kind,
            arrivals: (0..).zip(scenarios).map(arrivals).collect(),
            clock: Instant::now(),
            poller: Poller::new()?,
            pool: Pool::new(most),
            kept,
            users: Slab::new(),
            in_flight: 0,
            waiting: VecDeque::new(),
            pauses: BinaryHeap::new(),
            deadlines: VecDeque::new(),
            timeout: nanos(plan.load.timeout_seconds),
            warm_up: u64::from(plan.warm_up_seconds) * SECOND,
            requests: 0,
            arrived: 0,
            payloads_used: 0,
            terms_used: 0,
            figures: Figures::new(names.into_iter(), plan.rule)?,
            watch: Watch::new()?,
            first_start: None,
            last_end: 0,
            input: vec![0; INPUT_BYTES],
            output: Vec::with_capacity(4096),
            drawn: String::new(),
            body: String::new(),
            random: fastrand::Rng::with_seed(plan.seed),
            answers: Answers::new(plan.load.users(), plan.load.tokens.clone(), &plan.load.documents),
            decks: vec![Vec::new(); scenarios.len()],
        })
    }

    fn turn_until_the_end(
        &mut self,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(&Snapshot),
    ) -> Result<Ended> {
        let most_requests = self.most_requests();
        let mut ready = Vec::new();
        let mut second = 0;
        self.clock = Instant::now();
        loop {
            while self.now() >= u64::from(second + 1) * SECOND {
                self.second_has_passed(second, SECOND, progress);
                second += 1;
            }
            let full = self.start_what_is_due();
            let ended = if stop.load(Ordering::Relaxed) {
                Some(Ended::Stopped)
            } else if self.figures.rule_broken(most_requests) {
                Some(Ended::RuleBroken)
            } else {
                (self.users.is_empty() && self.next_arrival().is_none()).then_some(Ended::Whole)
            };
            if let Some(ended) = ended {
                let rest = self.now().saturating_sub(u64::from(second) * SECOND);
                self.second_has_passed(second, rest, progress);
                return Ok(ended);
            }
            let now = self.now();
            let due = if full { now } else { self.next_due(now, u64::from(second + 1) * SECOND) };
            self.poller.wait(now, due, &mut ready)?;
            for event in ready.drain(..) {
                self.serve(event);
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// So many requests are in the figures at most.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count, and the cast saturates
    fn most_requests(&self) -> u64 {
        let (from, to) = (f64::from(self.plan.warm_up_seconds), self.plan.seconds());
        let mut most = 0.0;
        for (scenario, chain) in self.plan.load.scenarios.iter().zip(&self.chains) {
            most += asked(&scenario.phases, self.plan.scale, from, to) * chain.length() as f64;
        }
        most as u64
    }

    fn second_has_passed(&mut self, second: u32, length: u64, progress: &mut dyn FnMut(&Snapshot)) {
        let (from, to) = (f64::from(second), f64::from(second) + seconds(length));
        let rate = |scenario: &Scenario| asked(&scenario.phases, self.plan.scale, from, to);
        let come = self.plan.load.scenarios.iter().filter(|scenario| scenario.clients.is_none());
        let asked = come.map(rate).sum();
        let cpus = self.watch.second(seconds(length.max(LOOK_AROUND)));
        let warm_up = self.plan.warm_up_seconds;
        let figures = self.figures.roll(second.saturating_sub(warm_up), asked);
        progress(&Snapshot {
            second,
            seconds: self.plan.seconds(),
            asked,
            started: figures.started,
            answers: figures.answers,
            p99_ms: figures.p99_ms,
            failed: self.figures.failed_in_all,
            in_flight: self.in_flight,
            cpus,
        });
        if second >= warm_up {
            self.figures.series.push(figures);
        }
    }

    /// The scenario whose user should come next, and when.
    fn next_arrival(&self) -> Option<(u64, usize)> {
        let next = |(index, arrivals): (usize, &Arrivals<'_>)| Some((arrivals.next()?, index));
        self.arrivals.iter().enumerate().filter_map(next).min()
    }

    fn next_due(&self, now: u64, second: u64) -> u64 {
        let look_around = (now / LOOK_AROUND + 1) * LOOK_AROUND;
        let arrival = self.next_arrival().map_or(u64::MAX, |(at, _)| at);
        let pause = self.pauses.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
        let deadline = self.deadlines.front().map_or(u64::MAX, |&(at, ..)| at);
        look_around.min(second).min(arrival).min(pause).min(deadline)
    }

    /// Fails what has taken too long, and starts what is due. True if there is more of it than one turn may
    /// start.
    fn start_what_is_due(&mut self) -> bool {
        self.fail_what_is_late();
        self.serve_those_who_wait();
        for _ in 0..STARTS_A_TURN {
            let now = self.now();
            let arrival = self.next_arrival().filter(|&(at, _)| at <= now);
            let pause = self.pauses.peek().map(|&Reverse(pause)| pause).filter(|&(at, _)| at <= now);
            match (arrival, pause) {
                (None, None) => return false,
                (Some((at, _)), Some((end, user))) if end < at => self.end_pause(user, end, now),
                (None, Some((end, user))) => self.end_pause(user, end, now),
                (Some((at, scenario)), _) => self.arrive(scenario, at, now),
            }
        }
        true
    }

    fn end_pause(&mut self, user: usize, end: u64, now: u64) {
        self.pauses.pop();
        self.begin(user, end, now);
    }

    fn arrive(&mut self, scenario: usize, at: u64, now: u64) {
        let until = self.arrivals[scenario].until();
        self.arrivals[scenario].advance();
        let measured = at >= self.warm_up;
        if measured {
            self.figures.start();
            self.first_start.get_or_insert(at);
        }
        let user = self.users.insert(User { until, ..User::new(scenario, self.arrived, at, measured) });
        self.arrived += 1;
        self.deal(user);
        match self.chains[scenario].requests[self.users[user].step].pause {
            None => self.begin(user, at, now),
            Some(bounds) => self.pause(user, at, bounds),
        }
    }

    fn pause(&mut self, user: usize, from: u64, (low, high): (u64, u64)) {
        let length = self.users[user].pause(self.plan.seed, low, high);
        self.pauses.push(Reverse((from.saturating_add(length), user)));
    }

    /// A user's next request, meant for `intended`.
    fn begin(&mut self, key: usize, intended: u64, now: u64) {
        self.requests += 1;
        self.in_flight += 1;
        let user = &mut self.users[key];
        user.request = self.requests;
        user.intended = intended;
        if user.measured {
            self.watch.begin(intended, now);
        }
        self.deadlines.push_back((intended.saturating_add(self.timeout), key, self.requests));
        if user.connection.is_some() || self.waiting.is_empty() {
            self.connect(key);
        } else {
            self.wait(key);
        }
    }

    fn connect(&mut self, key: usize) {
        let connection = match self.users[key].connection {
            Some(connection) => Ok(Some(connection)),
            None => self.pool.take(key, &self.plan.target, self.plan.ending),
        };
        match connection {
            Ok(Some(connection)) => {
                self.users[key].connection = Some(connection);
                self.send(key, connection);
            }
            Ok(None) => self.wait(key),
            Err(error) => self.fail(key, &socket::words(error)),
        }
    }

    fn wait(&mut self, key: usize) {
        self.waiting.push_back((key, self.users[key].request));
        if !self.kept {
            self.watch.waited_for_descriptor += 1;
        }
    }

    fn serve_those_who_wait(&mut self) {
        while let Some(&(key, request)) = self.waiting.front() {
            let given_up = self.users.get(key).is_none_or(|user| user.request != request);
            if !given_up && !self.pool.has_room() {
                return;
            }
            self.waiting.pop_front();
            if !given_up {
                self.connect(key);
            }
        }
    }

    fn send(&mut self, key: usize, connection: usize) {
        self.render(key);
        let place = self.pool.get(connection);
        let sent = match socket::send(&place.socket, &self.output) {
            Ok(sent) => sent,
            Err(error) => return self.fail(key, &socket::words(error)),
        };
        place.unsent.extend_from_slice(&self.output[sent..]);
        let rest = !place.unsent.is_empty();
        let watch = match (place.watched, rest) {
            (false, _) => self.poller.add(&place.socket, place.mark, rest),
            (true, true) => self.poller.add_output(&place.socket, place.mark),
            (true, false) => Ok(()),
        };
        place.watched = true;
        if let Err(error) = watch {
            self.fail(key, &socket::words(error));
        }
    }

    /// Writes the user's next request to the output buffer.
    fn render(&mut self, key: usize) {
        let plan = self.plan;
        let user = &mut self.users[key];
        let request = &self.chains[user.scenario].requests[user.step];
        let (mut payload, mut term): (&[u8], &[u8]) = (b"", b"");
        if request.body {
            let line = plan.payload_offset + self.payloads_used;
            self.payloads_used += 1;
            user.payload = Some(line);
            user.creating = true;
            payload = plan.payloads.get(line);
        }
        if request.needs_term {
            term = plan.terms.get(plan.term_offset + self.terms_used);
            self.terms_used += 1;
        }
        if let Some(draw) = request.draw {
            user.row = draw.draw(&mut user.random(plan.seed), &plan.terms, &mut self.drawn);
        }
        let mut token = None;
        if let Some((kind, shop)) = request.errand.zip(plan.shop.as_deref()) {
            let errand = Errand::draw(kind, user.number, shop, &mut self.random);
            errand.write_body(shop, &mut self.body);
            self.drawn = errand.place(shop);
            (payload, token) = (self.body.as_bytes(), Some(errand.customer(shop).token.as_str()));
            user.errand = Some(errand);
        }
        if let Some(task) = request.task {
            user.asked = self.answers.ask(task, user.number, &mut self.drawn);
            task.write_body(user.asked.number, user.asked.place, &mut self.body);
            payload = self.body.as_bytes();
            token = self.answers.token(task, user.asked);
            if task == Task::Create {
                user.payload = Some(user.asked.number);
                user.creating = true;
            }
        }
        self.output.clear();
        let location = user.location.as_deref().unwrap_or_default();
        request.render(&mut self.output, payload, term, location, self.drawn.as_bytes(), token);
    }

    /// An event of a connection.
    fn serve(&mut self, event: Ready) {
        let Some(connection) = self.pool.find(event.mark) else { return };
        let place = self.pool.get(connection);
        if event.output && !place.unsent.is_empty() {
            match socket::send(&place.socket, &place.unsent) {
                Ok(sent) => drop(place.unsent.drain(..sent)),
                Err(error) => return self.broken(connection, &socket::words(error)),
            }
        }
        if event.input {
            self.read(connection);
        }
    }

    /// Reads until the answer is whole or nothing is left.
    fn read(&mut self, connection: usize) {
        loop {
            let place = self.pool.get(connection);
            let length = match socket::receive(&place.socket, &mut self.input) {
                Ok(Some(length)) => length,
                Ok(None) => return,
                Err(error) => return self.broken(connection, &socket::words(error)),
            };
            let under_way = place.user.filter(|&key| self.users[key].request != 0);
            let Some(key) = under_way else {
                return self.broken(connection, "");
            };
            let user = &self.users[key];
            let request = &self.chains[user.scenario].requests[user.step];
            match place.answer.feed(&self.input[..length], length == 0, request.head) {
                Ok(Some(whole)) => {
                    let millis = self.clock.elapsed().saturating_sub(Duration::from_nanos(user.intended));
                    let millis = millis.as_secs_f64() * 1e3;
                    let verdict = Verdict::of(&whole, request, user, self.plan, &mut self.answers, millis);
                    place.answer.reset();
                    return self.answered(key, connection, &verdict);
                }
                Ok(None) => {}
                Err(malformed) => return self.fail(key, malformed),
            }
        }
    }

    /// A connection is of no further use; whoever waits for its answer has failed.
    fn broken(&mut self, connection: usize, message: &str) {
        match self.pool.get(connection).user {
            Some(key) if self.users[key].request != 0 => self.fail(key, message),
            Some(key) => {
                self.users[key].connection = None;
                self.pool.close(connection);
            }
            None => self.pool.close(connection),
        }
    }

    fn answered(&mut self, key: usize, connection: usize, verdict: &Verdict) {
        self.ended(key, verdict.status, verdict.failure.as_deref(), verdict.seen);
        let user = &mut self.users[key];
        if self.kept || verdict.close {
            user.connection = None;
        }
        let path = verdict.location.as_deref().filter(|_| verdict.status == 201).and_then(path_of);
        if let Some(path) = path {
            user.location = Some(path.into());
        }
        if std::mem::take(&mut user.creating) {
            self.figures.creations.push(user.creation(verdict.status, verdict.created));
        }
        if verdict.close {
            self.pool.close(connection);
        } else if self.kept {
            self.pool.give_back(connection);
        }
        self.done(key, verdict.status, verdict.order);
        if verdict.failure.is_some() || verdict.status == 503 {
            self.fall(key);
        } else {
            self.go_on(key);
        }
    }

    /// The user's next request, or its end.
    fn go_on(&mut self, key: usize) {
        let user = &mut self.users[key];
        user.step += 1;
        let located = user.location.is_some();
        let chain = &self.chains[user.scenario];
        match chain.requests.get(user.step).filter(|_| chain.deck.is_empty()) {
            Some(next) if located || !next.needs_location => {
                let now = self.last_end;
                match next.pause {
                    Some(bounds) => self.pause(key, now, bounds),
                    None => self.begin(key, now, now),
                }
            }
            None if self.last_end < self.closed_until(key) => self.begin_again(key),
            _ => self.leave(key),
        }
    }

    /// The user goes, and its connection with it.
    fn leave(&mut self, key: usize) {
        let user = self.users.remove(key);
        if let Some(connection) = user.connection {
            self.pool.close(connection);
        }
    }

    /// A request without a whole answer.
    fn fail(&mut self, key: usize, message: &str) {
        self.ended(key, 0, Some(message), None);
        let user = &mut self.users[key];
        if std::mem::take(&mut user.creating) {
            self.figures.creations.push(user.creation(0, None));
        }
        self.done(key, 0, None);
        self.fall(key);
    }

    /// A request has ended, in one way or the other.
    fn ended(&mut self, key: usize, status: u16, failure: Option<&str>, seen: Option<Seen>) {
        let now = self.now();
        self.in_flight -= 1;
        self.last_end = now;
        let user = &mut self.users[key];
        user.request = 0;
        if user.measured {
            self.watch.end(now);
            let kind = self.first_kind[user.scenario] + user.step;
            self.figures.end(&End { kind, status, nanos: now.saturating_sub(user.intended), failure, seen });
        }
    }

    fn fail_what_is_late(&mut self) {
        while let Some(&(deadline, key, request)) = self.deadlines.front() {
            let under_way = self.users.get(key).is_some_and(|user| user.request == request);
            if under_way && deadline > self.now() {
                return;
            }
            self.deadlines.pop_front();
            if under_way {
                self.fail(key, &format!("timed out after {} s", self.plan.load.timeout_seconds));
            }
        }
    }

    fn outcome(mut self, ended: Ended) -> Result<Outcome> {
        let now = self.now();
        let mut given_up = 0;
        for (_, user) in self.users.iter().filter(|(_, user)| user.request != 0) {
            given_up += 1;
            let deed = user.errand.zip(self.plan.shop.as_deref());
            self.figures.deeds.extend(deed.and_then(|(errand, shop)| errand.deed(shop, 0, None)));
            if user.creating {
                self.figures.creations.push(user.creation(0, None));
            }
            if user.measured {
                self.watch.give_up(user.intended, now);
            }
        }
        let users_asked = self.users_asked(now);
        let length = seconds(self.last_end.saturating_sub(self.first_start.unwrap_or(self.last_end)));
        let bottleneck = self.watch.reasons(&self.figures, users_asked, length);
        let cpu_seconds = self.watch.cpu_seconds();
        let figures = self.figures.summary(length, users_asked)?;
        let answers = super::arrivals::float(self.figures.answered());
        Ok(Outcome {
            ended,
            figures,
            series: self.figures.series,
            answers: self.figures.answers_checked,
            generator: Generator { cpu_seconds, memory_bytes: peak_memory_bytes(), bottleneck },
            creations: self.figures.creations,
            deeds: self.figures.deeds,
            tally: self.answers.tally(),
            payloads_used: self.payloads_used,
            terms_used: self.terms_used,
            given_up,
            warnings: self.plan.warnings(self.payloads_used),
            answers_per_second: if length > 0.0 { answers / length } else { 0.0 },
        })
    }

    /// Users who came, and those who should have come before the last turn and did not.
    fn users_asked(&mut self, now: u64) -> u64 {
        let (mut users, until) = (self.figures.users_started, now.saturating_sub(OVERDUE));
        while let Some((at, scenario)) = self.next_arrival().filter(|&(at, _)| at < until) {
            self.arrivals[scenario].advance();
            users += u64::from(at >= self.warm_up);
        }
        users
    }
}
