//! What a long run came to: for people (faults.txt), for programs (faults.json), and every request
//! (history.tsv.gz).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use pouco_tools::faults::Failure;
use pouco_tools::faults::audit::Looked;
use pouco_tools::faults::check::Broken;
use pouco_tools::faults::history::{Attempted, Reads};
use pouco_tools::faults::measure::p99;
use pouco_tools::faults::run::{Injected, Verdict, Workload};

/// Violations that are shown; all are counted.
const SHOWN: usize = 50;

pub(crate) struct Report<W: Workload> {
    pub(crate) seed: u64,
    pub(crate) nginx: bool,
    pub(crate) rate: f64,
    pub(crate) took: Duration,
    pub(crate) reads: BTreeMap<&'static str, Reads>,
    pub(crate) verdict: Verdict<W>,
}

/// All faults of a kind.
struct Kind {
    name: &'static str,
    count: usize,
    refused: usize,
    unknown: usize,
    /// Seconds, sorted; the slower replica of each.
    recovery_s: Vec<f64>,
    /// The longest start of Postgres among them.
    postgres_start_s: Option<f64>,
    never: usize,
}

impl Kind {
    fn shown(&self) -> (f64, f64, f64) {
        let at =
            |part: usize, of: usize| self.recovery_s.get((self.recovery_s.len() - 1) * part / of).copied();
        match self.recovery_s[..] {
            [] => (f64::NAN, f64::NAN, f64::NAN),
            [least, ..] => (least, at(1, 2).unwrap_or(least), at(1, 1).unwrap_or(least)),
        }
    }
}

impl<W: Workload> Report<W> {
    fn outcomes(&self) -> BTreeMap<String, usize> {
        let mut outcomes = BTreeMap::new();
        for attempt in &self.verdict.attempts {
            *outcomes.entry(attempt.word()).or_default() += 1;
        }
        outcomes
    }

    fn broken(&self) -> BTreeMap<Broken, usize> {
        let mut broken = BTreeMap::new();
        for violation in &self.verdict.violations {
            *broken.entry(violation.broken).or_default() += 1;
        }
        broken
    }

    fn kinds(&self) -> Vec<Kind> {
        let mut kinds: BTreeMap<&'static str, Vec<&Injected>> = BTreeMap::new();
        for fault in &self.verdict.faults {
            kinds.entry(fault.fault.kind()).or_default().push(fault);
        }
        kinds.into_iter().map(|(name, faults)| self.kind(name, &faults)).collect()
    }

    fn kind(&self, name: &'static str, faults: &[&Injected]) -> Kind {
        let during = |matches: fn(&W::Attempt) -> bool| {
            let hit = |attempt: &&W::Attempt| {
                matches(attempt)
                    && faults.iter().any(|one| attempt.ended() >= one.began && attempt.began() <= one.ended)
            };
            self.verdict.attempts.iter().filter(hit).count()
        };
        let slower: Vec<Option<f64>> = faults
            .iter()
            .map(|fault| fault.recovery.iter().copied().collect::<Option<Vec<_>>>())
            .map(|both| both.and_then(|both| both.into_iter().max()).map(|took| took.as_secs_f64()))
            .collect();
        let mut recovery_s: Vec<f64> = slower.iter().flatten().copied().collect();
        recovery_s.sort_by(f64::total_cmp);
        let starts = faults.iter().filter_map(|fault| fault.postgres_start);
        Kind {
            name,
            count: faults.len(),
            refused: during(|attempt| attempt.status() == Some(503)),
            unknown: during(W::Attempt::is_unknown),
            never: slower.len() - recovery_s.len(),
            postgres_start_s: starts.max().map(|took| took.as_secs_f64()),
            recovery_s,
        }
    }

    pub(crate) fn text(&self) -> String {
        let verdict = &self.verdict;
        let mut text = String::new();
        // Writing to a text cannot fail.
        let mut add = |line: String| {
            let _ = writeln!(text, "{line}");
        };
        add(format!(
            "{:.0} s of faults, seed {}, {} {}/s tried {}",
            self.took.as_secs_f64(),
            self.seed,
            self.rate,
            W::Attempt::NAME,
            if self.nginx { "through nginx" } else { "on both replicas, without nginx" }
        ));
        add(format!("{}: {}, by outcome: {:?}", W::Attempt::NAME, verdict.attempts.len(), self.outcomes()));
        for (route, reads) in &self.reads {
            let Reads { answered, unavailable, broken } = reads;
            add(format!("reads {route}: {answered} answered, {unavailable} refused for now, {broken} cut"));
        }
        add(format!("rows in Postgres: {}", verdict.rows.len()));
        for looked in &verdict.looked {
            let Looked { name, invisible, ghosts, .. } = looked;
            let told = W::told(looked);
            add(format!("looked up through {name}: {told}; invisible: {invisible}, ghosts: {ghosts}"));
        }
        add(format!("faults: {}\n", verdict.faults.len()));
        add(format!(
            "{:<30} {:>5} {:>9} {:>9}   seconds to recover: {:>6} {:>6} {:>6}",
            "fault", "count", "503", "unknown", "min", "median", "max"
        ));
        for kind in self.kinds() {
            let (least, median, most) = kind.shown();
            let start = kind
                .postgres_start_s
                .map_or_else(String::new, |took| format!("   Postgres's own start: at most {took:.2}"));
            let never = if kind.never > 0 { format!("  NEVER: {}", kind.never) } else { String::new() };
            add(format!(
                "{:<30} {:>5} {:>9} {:>9}   {:>26.2} {median:>6.2} {most:>6.2}{start}{never}",
                kind.name, kind.count, kind.refused, kind.unknown, least
            ));
        }
        if !verdict.measured.is_empty() {
            add("\nwhat others felt of them:".into());
        }
        for measured in &verdict.measured {
            add(format!("  {}", measured.line()));
        }
        let by_kind =
            if verdict.violations.is_empty() { String::new() } else { format!("{:?}", self.broken()) };
        add(format!("\nviolations: {} {by_kind}", verdict.violations.len()).trim_end().to_owned());
        for violation in verdict.violations.iter().take(SHOWN) {
            add(format!("  {violation}"));
        }
        text
    }

    fn json(&self) -> Value {
        let verdict = &self.verdict;
        let reads = |reads: &Reads| json!([reads.answered, reads.unavailable, reads.broken]);
        json!({
            "seed": self.seed,
            "nginx": self.nginx,
            (format!("{}_per_s", W::Attempt::NAME)): self.rate,
            "seconds": self.took.as_secs_f64(),
            (W::Attempt::NAME): verdict.attempts.len(),
            "outcomes": self.outcomes(),
            "reads_answered_refused_cut":
                self.reads.iter().map(|(route, one)| ((*route).to_owned(), reads(one))).collect::<BTreeMap<_, _>>(),
            "rows": verdict.rows.len(),
            "looked_up": verdict.looked.iter().map(|one| json!({
                "through": one.name,
                "by_id": one.by_id,
                "by_search": one.by_search,
                "created_again": one.taken,
                "invisible": one.invisible,
                "ghosts": one.ghosts,
            })).collect::<Vec<_>>(),
            "faults": verdict.faults.iter().map(|one| json!({
                "fault": one.fault.kind(),
                "what": one.fault.to_string(),
                "began_s": one.began.as_secs_f64(),
                "ended_s": one.ended.as_secs_f64(),
                "postgres_start_s": one.postgres_start.map(|took| took.as_secs_f64()),
                "recovered_after_s": one.recovery.map(|took| took.map(|took| took.as_secs_f64())),
            })).collect::<Vec<_>>(),
            "measured": verdict.measured.iter().map(|one| json!({
                "fault": one.fault,
                "replica": one.replica + 1,
                "idle_bytes": one.idle,
                "bytes_above_idle": one.above(),
                "bytes_by_accounts": one.accounted,
                "p99_of_others_ms": p99(&one.asked).as_secs_f64() * 1e3,
                "p99_of_acknowledged_ms": p99(&one.created).as_secs_f64() * 1e3,
                "refused": one.hostile.refused,
                "cut": one.hostile.cut,
                "counted": one.counted,
            })).collect::<Vec<_>>(),
            "violations": verdict.violations.len(),
            "first_violations":
                verdict.violations.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>(),
        })
    }

    /// One line a request.
    fn history(&self) -> String {
        let mut lines = format!("{}\n", W::Attempt::COLUMNS);
        for one in &self.verdict.attempts {
            // Writing to a text cannot fail.
            let _ = writeln!(lines, "{}", one.line());
        }
        lines
    }

    pub(crate) fn write(&self, folder: &Path, text: &str) -> Result<(), Failure> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("faults.txt"), text)?;
        fs::write(folder.join("faults.json"), format!("{:#}\n", self.json()))?;
        let archive = fs::File::create(folder.join("history.tsv.gz"))?;
        let mut gzip =
            Command::new("gzip").args(["-9", "-n"]).stdin(Stdio::piped()).stdout(archive).spawn()?;
        if let Some(mut input) = gzip.stdin.take() {
            input.write_all(self.history().as_bytes())?;
        }
        if gzip.wait()?.success() { Ok(()) } else { Err("gzip failed".into()) }
    }
}
