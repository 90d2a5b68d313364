//! The native generator: open model, intended start times, every answer checked.
//!
//! **Users** of each scenario arrive as its phases say, times a scale, at moments that depend on the seed
//! alone and never on the server. A request's time counts from the moment at which it was meant to start: the
//! user's arrival, or the end of its pause. Connecting is in it, and so is waiting for a kept connection, and
//! so is the generator being late: a server that stalls cannot hide the requests that it kept from being sent
//! (coordinated omission).
//!
//! **Clients** of a closed model ([`crate::contest::Scenario::clients`]) are all there from the beginning and
//! ask again when they are answered. Their times count from then.
//!
//! **A connection** is the user's own, as in Gatling: opened with its first request, kept through its pauses,
//! closed after its last answer. Or there are so many kept ones ([`Connections::KeptAlive`]): a request takes
//! one and gives it back with the answer, so none is held through a pause; where all are taken it waits its
//! turn.
//!
//! **The end of a connection.** Whoever closes first keeps the port for a minute in TIME_WAIT, and a
//! published port's entry in the connection table of the host for two. At 10,000 users a second the 28,000
//! source ports would last three seconds. So the default is to end a connection, after the whole answer, by a
//! reset ([`Ending::Reset`]): nothing is kept, on either side. Further source addresses (127.0.0.2, …) would
//! not do: published ports translate 127.0.0.1 only. [`Ending::Finish`] closes as Gatling does, and costs the
//! server's kernel what Gatling costs it; Linux then gives ports of the loopback interface out again after
//! one second, which carries a few thousand users a second.
//!
//! **Cost.** `examples/generator_cost.rs` measures it against an nginx that answers constants: at 10,000
//! requests a second 17 to 22 µs of CPU a request with the kernel's part (the contest's mix, a connection a
//! user, ended by a reset), 21 ended in order, 12 over 64 kept connections; at 1,340 a second 31, as fewer
//! requests share a wake-up.
//!
//! **Every answer is checked**: whole and well-formed, its status among those the contest accepts, a 201 with
//! a `Location` where a later request needs one, and its body as the oracle says, or [`errand`] in a shop.
//! Nothing is sampled, but for the rows within a list of users.
//!
//! One thread, one event loop. What may not enter: what becomes of the figures, and anything of one
//! contestant.

mod answer;
mod arrivals;
mod bottleneck;
mod connections;
mod drawn;
mod engine;
mod errand;
mod figures;
mod limit;
mod order;
mod request;
mod socket;
mod user;

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};

pub(crate) use self::errand::{BOUGHT, DELIVERED, PAGE};
pub use self::limit::{Found, MAX_STEPS, PLATEAU_SECONDS, SEARCH_SECONDS, STEP_SECONDS, find_limit};
pub(crate) use self::order::told as order_told;
pub(crate) use self::request::percent_encode;
use crate::contest::{Contest, Load, Phase};
use crate::lines::Lines;
use crate::oracle::inventory::Deed;
use crate::oracle::scenarios::Tally;
use crate::oracle::{Creation, Oracle};
use crate::record::{Answers, Generator, LoadFigures, Second, Step};
use crate::shop::Open;

/// Seconds in which a plateau's rates rise to their height; its figures begin after them.
pub const PLATEAU_RAMP_SECONDS: u32 = 4;

/// On a plateau an answer that takes longer has failed, so that a step ends in its time; it would be 50 times
/// the p99 allowed.
pub const PLATEAU_TIMEOUT_SECONDS: f64 = 5.0;

/// A load that can be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Scenarios, headers and timeout, as the contest has them.
    pub load: Load,
    /// `Host` of each request.
    pub host: String,
    /// Where the connections go.
    pub target: SocketAddr,
    /// The rates are multiplied by it; durations stay.
    pub scale: f64,
    /// Of randomized arrivals and of pauses.
    pub seed: u64,
    /// A shop that is open, where the contest is one.
    pub shop: Option<Arc<Open>>,
    /// Bodies, one a creation, in order.
    pub payloads: Arc<Lines>,
    /// The line to begin with: after an earlier load, its `payload_offset` and its
    /// [`Outcome::payloads_used`].
    pub payload_offset: u64,
    /// Search terms, one a search, in order; again from the first after the last.
    pub terms: Arc<Lines>,
    /// The term to begin with.
    pub term_offset: u64,
    /// Whose the connections are.
    pub connections: Connections,
    /// How a user's own connection ends.
    pub ending: Ending,
    /// What answers are checked by, beside everything that holds for any contest.
    pub oracle: Option<&'static dyn Oracle>,
    /// Users who are meant to start before this second are in no figure; their creations are in the list.
    pub warm_up_seconds: u32,
    /// Ends the load as soon as it cannot be kept any more.
    pub rule: Option<Rule>,
}

/// Whose the connections are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// One a user, which ends with it.
    PerUser,
    /// So many for all, opened as they are needed and kept.
    KeptAlive {
        /// At most.
        connections: usize,
    },
}

/// How a user's own connection ends, after its last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By a reset, which leaves nothing behind.
    Reset,
    /// In order, which leaves a source port in TIME_WAIT.
    Finish,
}

/// What a step of a capacity search must keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Requests that may fail.
    pub failed: u64,
    /// The 99th percentile of all times.
    pub p99_ms: f64,
}

impl Rule {
    /// Of `--find-limit`: no failure, and a p99 of at most 100 ms.
    pub const FIND_LIMIT: Self = Self { failed: 0, p99_ms: 100.0 };

    /// In words, for [`crate::record::Capacity::rule`].
    #[must_use]
    pub fn words(&self) -> String {
        format!("at most {} failed requests and p99 at most {} ms", self.failed, self.p99_ms)
    }
}

impl Plan {
    /// The contest's load at `scale`, with the contest's connections, every check.
    ///
    /// # Errors
    /// The contest's address leads nowhere.
    pub fn new(contest: &Contest, scale: f64, payloads: Arc<Lines>, terms: Arc<Lines>) -> Result<Self> {
        let address = contest.address();
        let target = address.to_socket_addrs().with_context(|| format!("url: {address}"))?.next();
        let kept = contest.load.kept_connections;
        Ok(Self {
            load: contest.load.clone(),
            host: address.to_owned(),
            target: target.with_context(|| format!("url: {address} has no address"))?,
            scale,
            seed: contest.load.seed,
            shop: None,
            payloads,
            payload_offset: 0,
            terms,
            term_offset: 0,
            connections: kept
                .map_or(Connections::PerUser, |connections| Connections::KeptAlive { connections }),
            ending: Ending::Reset,
            oracle: Some(contest.oracle),
            warm_up_seconds: 0,
            rule: None,
        })
    }

    /// All scenarios at their peak (the end of their last phase) times `scale` for `seconds`, after a rise of
    /// [`PLATEAU_RAMP_SECONDS`] whose figures are left out. It ends early when `rule` cannot be kept any
    /// more.
    #[must_use]
    pub fn plateau(&self, scale: f64, seconds: u32, rule: Rule) -> Self {
        let mut plan = self.clone();
        for scenario in &mut plan.load.scenarios {
            let peak = scenario.phases.last().map_or(0.0, |phase| phase.to);
            scenario.phases = vec![
                Phase { from: 0.0, to: peak, seconds: f64::from(PLATEAU_RAMP_SECONDS), randomized: false },
                Phase { from: peak, to: peak, seconds: f64::from(seconds), randomized: false },
            ];
        }
        plan.load.timeout_seconds = plan.load.timeout_seconds.min(PLATEAU_TIMEOUT_SECONDS);
        plan.scale = scale;
        plan.warm_up_seconds = PLATEAU_RAMP_SECONDS;
        plan.rule = Some(rule);
        plan
    }

    /// How long users arrive, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let length = |phases: &[Phase]| phases.iter().map(|phase| phase.seconds).sum::<f64>();
        self.load.scenarios.iter().map(|scenario| length(&scenario.phases)).fold(0.0, f64::max)
    }

    /// What a reader should know where so many payloads were `used`.
    fn warnings(&self, used: u64) -> Vec<String> {
        let lines = self.payloads.count() as u64;
        let beyond = (self.payload_offset + used).saturating_sub(lines);
        if beyond == 0 || used == 0 {
            return Vec::new();
        }
        vec![format!("{} of {used} payloads were sent before: the file has {lines} lines", beyond.min(used))]
    }

    fn check(&self) -> Result<()> {
        ensure!(self.scale > 0.0 && self.scale.is_finite(), "scale: above 0, not {}", self.scale);
        let timeout = self.load.timeout_seconds;
        ensure!(timeout > 0.0 && timeout <= 120.0, "timeout_seconds: above 0, at most 120, not {timeout}");
        if let Connections::KeptAlive { connections } = self.connections {
            ensure!(connections > 0, "connections: at least 1");
        }
        Ok(())
    }
}

/// How a load goes, once a second.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// From the load's beginning, the warm-up included.
    pub second: u32,
    /// How long users arrive in all, in seconds.
    pub seconds: f64,
    /// Users that should have started in this second.
    pub asked: f64,
    /// Users that did.
    pub started: u64,
    /// Answers in this second.
    pub answers: u64,
    /// Of this second.
    pub p99_ms: Option<f64>,
    /// Since the beginning.
    pub failed: u64,
    /// Requests without their answer.
    pub in_flight: usize,
    /// Cores the generator used in this second.
    pub cpus: f64,
}

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All users came and went.
    Whole,
    /// The caller stopped it: users of the rest never came, requests under way were given up, neither counted
    /// as failed.
    Stopped,
    /// The rule could not be kept any more; else as if stopped.
    RuleBroken,
}

/// All that a load leaves.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// For [`crate::record::Attempt::load`].
    pub figures: LoadFigures,
    /// For [`crate::record::Attempt::series`], without the warm-up.
    pub series: Vec<Second>,
    /// For [`crate::record::Attempt::answers`], where these are what is judged.
    pub answers: Option<Answers>,
    /// For [`crate::record::Attempt::generator`]; CPU of the generator's thread, warm-up included.
    pub generator: Generator,
    /// For [`crate::oracle::Creations::Each`]: every creation that was sent, in the order in which they
    /// ended.
    pub creations: Vec<Creation>,
    /// In a shop, everything that may have changed it.
    pub deeds: Vec<Deed>,
    /// Of scenarios, what their answers say of what is stored beside the users.
    pub tally: Tally,
    /// Lines of the payload file that were used.
    pub payloads_used: u64,
    /// Search terms that were used.
    pub terms_used: u64,
    /// Requests that were given up because the load ended early.
    pub given_up: u64,
    /// What a reader should know: payloads were used twice.
    pub warnings: Vec<String>,
    /// Requests with an answer a second, over the time that is in the figures.
    pub answers_per_second: f64,
}

impl Outcome {
    /// The step of a capacity search that this load was, at `scale`, in which the contestant used
    /// `cpu_seconds`. What became of the contestant after its last answer, and what was stored before, the
    /// caller adds.
    #[must_use]
    pub fn step(&self, scale: f64, rule: Rule, cpu_seconds: f64) -> Step {
        let total = &self.figures.total;
        let quick = total.p99_ms.is_some_and(|p99| p99 <= rule.p99_ms);
        Step {
            scale,
            seconds: self.figures.seconds,
            requests_per_second: self.answers_per_second,
            failed: total.failed,
            p99_ms: total.p99_ms,
            cpu_seconds,
            settled_seconds: None,
            acknowledged_before: 0,
            passed: self.ended == Ended::Whole && total.failed <= rule.failed && quick,
            errors: self.figures.errors.clone(),
            bottleneck: self.generator.bottleneck.clone(),
        }
    }
}

/// Runs a load to its end, or until `stop` is set. `progress` is called once a second, from within the loop:
/// it must be quick.
///
/// # Errors
/// The plan is no load that can be run, or the kernel refuses what the event loop is made of. What the server
/// does is never an error, but a figure.
pub fn run(plan: &Plan, stop: &AtomicBool, progress: &mut dyn FnMut(&Snapshot)) -> Result<Outcome> {
    plan.check()?;
    engine::run(plan, stop, progress)
}
