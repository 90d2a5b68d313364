//! Two records side by side: what became better, what worse, and whether that is a regression.
//!
//! A figure that costs (time, CPU, memory) differs where the interval of the ratio leaves out 1; where a side
//! has one run only, there is no interval, and a ratio within the threshold counts as no difference. It is a
//! regression if it is worse by more than the threshold *and* has an interval. Correctness is no matter of
//! thresholds: one more wrong row in the worst round, one more rule that is not kept, or the first failed
//! request is a regression, with one run as with ten. Only where requests already failed, or rows were
//! already lost by a kill, is their number left to chance, and judged as a cost is.
//!
//! CPU seconds are judged relative to those of the generator, where both records have these and it is the
//! same one: the machine of the second record may be half as fast as that of the first, and be the same. The
//! seconds themselves are then shown only.
//!
//! What may not enter: reading files and exit codes; `main` does that.

mod print;

use anyhow::{Result, bail, ensure};

use crate::contest::Budget;
use crate::contestant::{Acknowledges, Role};
use crate::figures::{Metric, Percentile, Standing, standings, status_name};
use crate::oracle::of_record;
use crate::record::{Record, SCHEMA, Status};
use crate::stats::{self, Change, Estimate};

/// The threshold where none is given: 5 %.
pub const DEFAULT_THRESHOLD: f64 = 0.05;

/// Two records side by side. `Display` prints it as a table.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// A ratio within 1 ± this is small.
    pub threshold: f64,
    /// Every figure that both records have.
    pub lines: Vec<FigureChange>,
    /// What could not be compared, and what differs besides the figures.
    pub notes: Vec<String>,
}

/// One figure of one contestant.
#[derive(Clone, Debug)]
pub struct FigureChange {
    /// Its id.
    pub contestant: String,
    /// In words.
    pub figure: String,
    /// Of the figure.
    pub unit: &'static str,
    /// In the first record; for correctness, of its worst round.
    pub before: Estimate,
    /// In the second record.
    pub after: Estimate,
    /// From the first to the second; absent for correctness, which is counted and not estimated.
    pub change: Option<Change>,
    /// As seen by the user who pays for it.
    pub outcome: Outcome,
    /// Worse by more than the threshold.
    pub regression: bool,
}

/// How a figure changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    #[allow(missing_docs)]
    Better,
    #[allow(missing_docs)]
    Worse,
    /// None that these runs can show.
    NoDifference,
}

impl Comparison {
    /// Something became worse by more than the threshold: the program must exit with 1.
    #[must_use]
    pub fn regressed(&self) -> bool {
        self.lines.iter().any(|line| line.regression)
    }
}

/// What changed from `a` to `b`, contestant by contestant.
///
/// # Errors
/// They cannot be compared: other schema, contest, tool, scale, length, payloads, kill or budget, no
/// contestant in common, or a threshold that is none.
pub fn compare(a: &Record, b: &Record, threshold: f64) -> Result<Comparison> {
    ensure!((0.0..1.0).contains(&threshold), "the threshold is {threshold}; allowed is 0 (included) to 1");
    refuse_unlike(a, b)?;
    let (before, after) = (standings(a), standings(b));
    let version = |record: &Record| record.versions.get(&record.tool).cloned();
    let same_generator = version(a) == version(b);
    let mut comparison = Comparison { threshold, lines: Vec::new(), notes: notes(a, b) };
    let mut in_common = 0;
    for entry in &a.contestants {
        let find = |standings: &[Standing<'_>]| standings.iter().position(|s| s.entry.id == entry.id);
        match (find(&before), find(&after)) {
            (Some(first), Some(second)) => {
                in_common += 1;
                comparison.contestant(&before[first], &after[second]);
                if same_generator {
                    comparison.leave_seconds_to_their_ratio(&before[first].entry.id);
                }
            }
            _ => comparison.notes.push(format!("{} is in the first record only.", entry.id)),
        }
    }
    for entry in b.contestants.iter().filter(|entry| !a.contestants.iter().any(|other| other.id == entry.id))
    {
        comparison.notes.push(format!("{} is in the second record only.", entry.id));
    }
    ensure!(in_common > 0, "the two records have no contestant in common");
    Ok(comparison)
}

/// Figures of unlike runs look alike and mean different things.
fn refuse_unlike(a: &Record, b: &Record) -> Result<()> {
    for record in [a, b] {
        ensure!(
            record.schema == SCHEMA,
            "a record has the schema {}, this program reads {SCHEMA}: compare with the version that wrote it",
            record.schema
        );
    }
    let budget = |record: &Record| {
        let Budget { cpus, memory_bytes, database_connections, .. } = &record.budget;
        let name = record.budget_name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        format!("{name}{cpus} CPUs, {memory_bytes} bytes, {database_connections} connections")
    };
    let length = |record: &Record| match record.seconds {
        Some(seconds) => format!("{seconds} s"),
        None => "the contest's".to_owned(),
    };
    let load = |record: &Record| record.load_name.clone().unwrap_or_else(|| "the contest's".to_owned());
    let kill = |kill: bool| if kill { "kill" } else { "no kill" }.to_owned();
    let pairs = [
        ("contests", a.contest.clone(), b.contest.clone()),
        ("tools", a.tool.clone(), b.tool.clone()),
        ("scales", a.scale.to_string(), b.scale.to_string()),
        ("lengths", length(a), length(b)),
        ("loads", load(a), load(b)),
        ("budgets", budget(a), budget(b)),
    ];
    for (what, first, second) in pairs {
        if first != second {
            bail!("records of different {what} cannot be compared: {first} and {second}");
        }
    }
    // A record of an earlier version does not say.
    let known = [
        ("payloads or terms", a.feeds.clone(), b.feeds.clone()),
        ("ends (with a kill or without)", a.kill.map(kill), b.kill.map(kill)),
    ];
    for (what, first, second) in known {
        if let (Some(first), Some(second)) = (first, second)
            && first != second
        {
            bail!("records of different {what} cannot be compared: {first} and {second}");
        }
    }
    Ok(())
}

/// What a reader must know though it forbids nothing.
fn notes(a: &Record, b: &Record) -> Vec<String> {
    let mut notes = Vec::new();
    if (&a.machine.cpu_model, a.machine.cores) != (&b.machine.cpu_model, b.machine.cores) {
        notes.push(format!(
            "The machines differ: {} ({} cores) and {} ({} cores).",
            a.machine.cpu_model, a.machine.cores, b.machine.cpu_model, b.machine.cores
        ));
    }
    if a.seed != b.seed {
        notes.push(format!("The seeds differ, and so do the payloads: {} and {}.", a.seed, b.seed));
    }
    notes
}

impl Comparison {
    fn contestant(&mut self, before: &Standing<'_>, after: &Standing<'_>) {
        let id = &before.entry.id;
        self.status(before, after);
        for metric in [
            Metric::WrongRows,
            Metric::Oversold,
            Metric::WrongAnswers,
            Metric::Disproved,
            Metric::InvisibleKilled,
            Metric::BrokenRules,
        ] {
            self.count(before, after, &metric);
        }
        for metric in [Metric::Failed, Metric::LostKilled] {
            if [before, after].iter().any(|standing| standing.worst(&metric) == Some(0.0)) {
                self.count(before, after, &metric);
            } else {
                self.cost(before, after, &metric);
            }
        }
        for metric in costs(before) {
            self.cost(before, after, &metric);
        }
        for (standing, other, which) in [(before, after, "second"), (after, before, "first")] {
            for metric in [Metric::WrongRows, Metric::LostKilled, Metric::CpuPerThousand, Metric::Capacity] {
                if !standing.values(&metric).is_empty() && other.values(&metric).is_empty() {
                    self.notes.push(format!("{id}: {} is not in the {which} record.", metric.name()));
                }
            }
        }
    }

    /// Where the CPU relative to the generator's is known, seconds alone are no regression.
    fn leave_seconds_to_their_ratio(&mut self, id: &str) {
        let of = |line: &FigureChange, metric: &Metric| line.contestant == id && line.figure == metric.name();
        if self.lines.iter().any(|line| of(line, &Metric::CpuByGenerator)) {
            // Of a shop all that is CPU.
            let of_shop = OF_SHOPS.iter().filter(|metric| metric.unit() == "s" || **metric == Metric::Login);
            let seconds = [&[Metric::CpuPerThousand, Metric::Cpu][..], &OF_READS].concat();
            let seconds: Vec<Metric> = seconds.into_iter().chain(of_shop.cloned()).collect();
            for line in self.lines.iter_mut().filter(|line| seconds.iter().any(|metric| of(line, metric))) {
                line.regression = false;
            }
        }
    }

    /// Being disqualified, or not coming to an end, is worse than any figure.
    fn status(&mut self, before: &Standing<'_>, after: &Standing<'_>) {
        let share = |standing: &Standing<'_>| {
            let valid = standing.valid().count();
            (standing.attempts.len() - valid, standing.attempts.len())
        };
        let ((bad_before, all_before), (bad_after, all_after)) = (share(before), share(after));
        if all_before == 0 || all_after == 0 {
            return;
        }
        for attempt in after.attempts.iter().filter(|attempt| attempt.verdict.status != Status::Valid) {
            let reasons = attempt.verdict.reasons.join(" ");
            let status = status_name(attempt.verdict.status);
            self.notes.push(format!("{}, round {}: {status}. {reasons}", after.entry.id, attempt.round));
        }
        self.counted(
            &before.entry.id,
            "rounds that do not count",
            (bad_before as f64, all_before),
            (bad_after as f64, all_after),
        );
    }

    /// The worst round of each side: no chance is allowed for.
    fn count(&mut self, before: &Standing<'_>, after: &Standing<'_>, metric: &Metric) {
        let worst = |standing: &Standing<'_>| Some((standing.worst(metric)?, standing.values(metric).len()));
        if let (Some(first), Some(second)) = (worst(before), worst(after)) {
            self.counted(&before.entry.id, &metric.name(), first, second);
        }
    }

    fn counted(&mut self, id: &str, figure: &str, before: (f64, usize), after: (f64, usize)) {
        let exactly = |(median, samples): (f64, usize)| Estimate { median, interval: None, samples };
        let outcome = match after.0.total_cmp(&before.0) {
            std::cmp::Ordering::Less => Outcome::Better,
            std::cmp::Ordering::Equal => Outcome::NoDifference,
            std::cmp::Ordering::Greater => Outcome::Worse,
        };
        self.lines.push(FigureChange {
            contestant: id.to_owned(),
            figure: figure.to_owned(),
            unit: "",
            before: exactly(before),
            after: exactly(after),
            change: None,
            outcome,
            regression: outcome == Outcome::Worse,
        });
    }

    fn cost(&mut self, before: &Standing<'_>, after: &Standing<'_>, metric: &Metric) {
        let (first, second) = (before.values(metric), after.values(metric));
        let estimates = (stats::estimate(&first), stats::estimate(&second), stats::change(&first, &second));
        let (Some(estimate_before), Some(estimate_after), Some(change)) = estimates else { return };
        let whole = first.iter().chain(&second).all(|value| value.fract() == 0.0);
        let unresolved = matches!(metric, Metric::Time(..)) && whole && change.difference.abs() <= 1.0;
        let (outcome, regression) = if unresolved {
            // A generator that writes whole milliseconds makes 1 and 2 of 1.4 and 1.6.
            (Outcome::NoDifference, false)
        } else {
            judge(&change, metric.less_is_better(), self.threshold)
        };
        self.lines.push(FigureChange {
            contestant: before.entry.id.clone(),
            figure: metric.name(),
            unit: metric.unit(),
            before: estimate_before,
            after: estimate_after,
            change: Some(change),
            outcome,
            regression,
        });
    }
}

/// What is shown of a contest that only reads, in addition to all others' figures.
const OF_READS: [Metric; 2] = [Metric::RequestsPerRoleCpu(Role::Api), Metric::RequestsPerCpu];

/// The same of a shop.
const OF_SHOPS: [Metric; 6] = [
    Metric::OrdersPerSecond,
    Metric::RoleCpu(Role::Api),
    Metric::WithoutLogins(Some(Role::Api)),
    Metric::WithoutLogins(None),
    Metric::Login,
    Metric::RoleMemory(Role::Api),
];

/// The figures that cost something, with the names of the requests that `standing` has.
fn costs(standing: &Standing<'_>) -> Vec<Metric> {
    let mut metrics = vec![Metric::CpuPerThousand, Metric::Cpu, Metric::CpuByGenerator, Metric::Memory];
    if standing.entry.acknowledges == Acknowledges::ReadOnly {
        metrics.extend(OF_READS);
    }
    let takes_orders = |(_, metric): &(_, Metric)| *metric == Metric::OrdersPerSecond;
    if (of_record(standing.oracle).words().ranking)(None).iter().any(takes_orders) {
        metrics.extend(OF_SHOPS);
    }
    if standing.entry.variant.is_some() {
        metrics.extend([Metric::RequestsPerSecond, Metric::StatementsPerRequest, Metric::CommitsPerRequest]);
    }
    let mut names: Vec<Option<String>> = vec![None];
    for load in standing.valid().filter_map(|attempt| attempt.load.as_ref()) {
        for name in load.requests.keys().map(|name| Some(name.clone())) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    for name in names {
        metrics.extend([Percentile::P50, Percentile::P99].map(|point| Metric::Time(name.clone(), point)));
    }
    metrics.push(Metric::Capacity);
    metrics
}

/// Whether a change is one, in which direction, and whether it is a regression.
fn judge(change: &Change, less_is_better: bool, threshold: f64) -> (Outcome, bool) {
    let leaves_out = |interval: (f64, f64), value: f64| value < interval.0 || value > interval.1;
    let small = change.ratio.map_or(change.difference == 0.0, |ratio| (ratio - 1.0).abs() <= threshold);
    let (differs, certain) = match (change.ratio_interval, change.difference_interval) {
        (Some(interval), _) => (leaves_out(interval, 1.0), true),
        // No ratio to zero; the difference says as much.
        (None, Some(interval)) => (leaves_out(interval, 0.0), true),
        (None, None) => (!small, false),
    };
    if !differs || change.difference == 0.0 {
        return (Outcome::NoDifference, false);
    }
    if (change.difference < 0.0) == less_is_better {
        (Outcome::Better, false)
    } else {
        (Outcome::Worse, certain && !small)
    }
}
