//! What one Postgres and its replicas give, and when more of either pays: a simulation of what group commit
//! does with arrivals, and costs that were measured for each thing it does.
//!
//! What is simulated is what no formula has: how many rows share a batch. Creations come at random; a
//! replica's first row waits for more, the rows that have arrived by then are one statement, and a later one
//! is in the next. Postgres has so many cores and carries a statement out on one. Everything else is a count
//! of things times their cost ([`Costs`]), so the same seed gives the same answer.
//!
//! What may not enter: a run. Costs are constants here, and `lab/src/model/tests.rs` holds them against
//! archived runs of which some were never used for them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use fastrand::Rng;

/// Which part of a core may be busy all the time: past it queues grow with every burst.
pub const BUSY: f64 = 0.7;

/// No answer is looked for past so many replicas.
pub const MOST_REPLICAS: usize = 256;

/// Seconds that a question's load is simulated for.
const SIMULATED_S: f64 = 60.0;

/// Between two polls of a feed.
const POLL_S: f64 = 0.08;

/// CPU time of each thing, and the memory of a person.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// Postgres, a batch whatever is in it.
    pub batch_s: f64,
    /// Postgres, a row, with its way into the feeds of two replicas.
    pub row_s: f64,
    /// Postgres, a poll of a feed.
    pub poll_s: f64,
    /// A replica, a batch.
    pub replica_batch_s: f64,
    /// A replica, a request of any kind.
    pub request_s: f64,
    /// A replica, what a search takes more for each person in memory.
    pub search_person_s: f64,
    /// A replica without people.
    pub replica_bytes: f64,
    /// A person in memory, with what searches need.
    pub person_bytes: f64,
}

/// By six of the eight runs of `results/2026-11-21-2core-xeon-2/decisions` (least squares), `feed-idle` of
/// the day's first folder at twice the speed, and `search-million.txt`.
pub const MEASURED: Costs = Costs {
    batch_s: 128.7e-6,
    row_s: 25.0e-6,
    poll_s: 100e-6,
    replica_batch_s: 69.6e-6,
    request_s: 36.4e-6,
    search_person_s: 0.11e-9,
    replica_bytes: 5.0e6,
    person_bytes: 280.3,
};

/// How creations become batches.
#[derive(Clone, Copy, Debug)]
pub struct Writing {
    /// Each with a writer of its own.
    pub replicas: usize,
    /// For how long one replica has all creations; with zero they go round.
    pub turn: Duration,
    /// How long the first row of a batch waits.
    pub linger: Duration,
    /// Rows of a batch at most.
    pub most_rows: usize,
    /// Cores of Postgres.
    pub postgres_cores: usize,
    /// From a statement's end to its commit on disk, and on a standby's.
    pub flush: Duration,
}

/// What became of them.
#[derive(Clone, Debug, Default)]
pub struct Batches {
    /// How many.
    pub count: usize,
    /// From a row's arrival to its commit, in seconds, the shortest first.
    pub waits_s: Vec<f64>,
}

impl Batches {
    /// The wait that this share of the rows does not exceed.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the share is below 1
    pub fn quantile_s(&self, share: f64) -> f64 {
        let at = (self.waits_s.len() as f64 * share) as usize;
        self.waits_s.get(at.min(self.waits_s.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }

    /// Rows of a batch on average.
    #[must_use]
    pub fn rows(&self) -> f64 {
        self.waits_s.len() as f64 / self.count.max(1) as f64
    }
}

/// Moments at which something comes, at random, at a rate that goes evenly from one to another over this
/// time.
pub fn arrivals(from: f64, to: f64, seconds: f64, rng: &mut Rng) -> Vec<f64> {
    let (most, mut at, mut found) = (from.max(to), 0.0, Vec::new());
    if most <= 0.0 {
        return found;
    }
    loop {
        // An exponential pause at the highest rate, of whose ends as many count as the rate of then asks for.
        at -= (1.0 - rng.f64()).ln() / most;
        if at >= seconds {
            return found;
        }
        if rng.f64() * most < from + (to - from) * at / seconds {
            found.push(at);
        }
    }
}

/// Makes batches of rows that come at these moments, in order.
#[must_use]
pub fn batches(arrivals: &[f64], how: &Writing, costs: &Costs) -> Batches {
    let mut queues = vec![Vec::new(); how.replicas.max(1)];
    let (turn, linger) = (how.turn.as_secs_f64(), how.linger.as_secs_f64());
    for (number, at) in arrivals.iter().enumerate() {
        let replica = if turn > 0.0 { turn_of(*at, turn) } else { number };
        let replicas = queues.len();
        queues[replica % replicas].push(*at);
    }
    let mut cores = vec![0.0_f64; how.postgres_cores.max(1)];
    let mut made = Batches::default();
    // When a writer sends its next batch, and which row is the first of it.
    let mut next: BinaryHeap<Reverse<(Moment, usize, usize)>> = BinaryHeap::new();
    for (replica, queue) in queues.iter().enumerate() {
        if let Some(first) = queue.first() {
            next.push(Reverse((Moment(first + linger), replica, 0)));
        }
    }
    while let Some(Reverse((Moment(sent), replica, first))) = next.pop() {
        let queue = &queues[replica];
        let rows = queue[first..].iter().take(how.most_rows).take_while(|at| **at <= sent).count().max(1);
        let core = cores.iter_mut().min_by(|one, other| one.total_cmp(other));
        let Some(core) = core else { break };
        *core = core.max(sent) + costs.batch_s + costs.row_s * rows as f64;
        let done = *core + how.flush.as_secs_f64();
        made.count += 1;
        made.waits_s.extend(queue[first..first + rows].iter().map(|at| done - at));
        if let Some(later) = queue.get(first + rows) {
            next.push(Reverse((Moment(done.max(later + linger)), replica, first + rows)));
        }
    }
    made.waits_s.sort_by(f64::total_cmp);
    made
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // moments of a run, in turns
fn turn_of(at: f64, turn: f64) -> usize {
    (at / turn) as usize
}

/// Seconds, which are ordered.
#[derive(Clone, Copy, PartialEq)]
struct Moment(f64);

impl Eq for Moment {}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// What is asked: requests a second, people, and what there is for them.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Creations that are stored.
    pub creations: f64,
    /// Searches, answered in memory.
    pub searches: f64,
    /// All other requests.
    pub lookups: f64,
    /// In the table.
    pub people: f64,
    /// Cores of a replica.
    pub replica_cores: f64,
    /// Longest wait of 99 of 100 creations.
    pub p99: Duration,
    /// How they are written; the number of replicas is what is looked for.
    pub writing: Writing,
    /// Of the arrivals.
    pub seed: u64,
}

/// What it comes to with so many replicas.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How many.
    pub replicas: usize,
    /// Of the simulated time.
    pub batches: Batches,
    /// Batches a second.
    pub batches_per_s: f64,
    /// Cores of Postgres in use.
    pub postgres: f64,
    /// Cores in use of each replica.
    pub replica: f64,
    /// Bytes of each replica.
    pub bytes: f64,
}

impl Question {
    /// What so many replicas come to.
    #[must_use]
    pub fn answer(&self, replicas: usize, costs: &Costs) -> Answer {
        let mut rng = Rng::with_seed(self.seed);
        let arrived = arrivals(self.creations, self.creations, SIMULATED_S, &mut rng);
        let batches = batches(&arrived, &Writing { replicas, ..self.writing }, costs);
        let (count, rows) = (batches.count as f64 / SIMULATED_S, arrived.len() as f64 / SIMULATED_S);
        let polls = replicas as f64 / POLL_S;
        let requests = rows + self.searches + self.lookups;
        let work = count * costs.replica_batch_s
            + requests * costs.request_s
            + self.searches * self.people * costs.search_person_s;
        Answer {
            replicas,
            batches_per_s: count,
            postgres: count * costs.batch_s + rows * costs.row_s + polls * costs.poll_s,
            replica: work / replicas as f64,
            bytes: costs.replica_bytes + self.people * costs.person_bytes,
            batches,
        }
    }

    /// Whether that is enough.
    #[must_use]
    pub fn is_met_by(&self, answer: &Answer) -> bool {
        self.has_room(answer)
            && answer.replica <= BUSY * self.replica_cores
            && answer.batches.quantile_s(0.99) <= self.p99.as_secs_f64()
    }

    /// Whether Postgres can carry it; if not, more replicas do not help.
    #[must_use]
    pub fn has_room(&self, answer: &Answer) -> bool {
        answer.postgres <= BUSY * self.writing.postgres_cores as f64
    }

    /// The fewest replicas that are enough, from `least` on; `None` where no number is.
    #[must_use]
    pub fn fewest(&self, least: usize, costs: &Costs) -> Option<Answer> {
        (least.max(1)..=MOST_REPLICAS)
            .map(|replicas| self.answer(replicas, costs))
            .take_while(|answer| self.has_room(answer))
            .find(|answer| self.is_met_by(answer))
    }
}

#[cfg(test)]
mod tests;
