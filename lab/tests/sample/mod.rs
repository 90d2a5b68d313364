//! A record as a run of three contestants would leave it: one good, one that is fast and loses rows, one
//! whose memory limit did not hold. Numbers are made, by formulas, with the shape of real ones; nothing here
//! was measured.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;

use pouco_lab::contest::Budget;
use pouco_lab::contestant::{Acknowledges, Role};
use pouco_lab::record::{
    Asked, Attempt, Capacity, Conformance, Entry, ErrorCount, Failure, Generator, Killed, Limits,
    LoadFigures, Machine, Proof, Record, RequestFigures, Resources, SCHEMA, Second, ServiceProof, Status,
    Step, Stored, Usage, Verdict,
};

const SECONDS: u32 = 205;

/// What makes one contestant of the sample unlike another.
struct Kind {
    id: &'static str,
    acknowledges: Acknowledges,
    title: &'static str,
    language: &'static str,
    /// CPU seconds of database, APIs, balancer and cache.
    cpu: [f64; 4],
    memory_bytes: u64,
    p50_ms: f64,
    p99_ms: f64,
    lost: u64,
    lost_killed: u64,
    capacity: f64,
    holds: bool,
}

const GOOD: Kind = Kind {
    id: "pouco",
    acknowledges: Acknowledges::AfterCommit,
    title: "pouco",
    language: "Rust",
    cpu: [3.8, 5.4, 6.5, 0.0],
    memory_bytes: 91_000_000,
    p50_ms: 2.1,
    p99_ms: 9.0,
    lost: 0,
    lost_killed: 0,
    capacity: 8.4,
    holds: true,
};

const FAST_BUT_LOSES: Kind = Kind {
    id: "hasty:before-commit",
    acknowledges: Acknowledges::BeforeCommit,
    title: "Hasty & Sons <queue>",
    language: "C",
    cpu: [2.9, 4.0, 6.1, 0.9],
    memory_bytes: 72_000_000,
    p50_ms: 0.4,
    p99_ms: 3.2,
    lost: 1_167,
    lost_killed: 644,
    capacity: 9.1,
    holds: true,
};

const LIAR: Kind = Kind {
    id: "boundless",
    acknowledges: Acknowledges::BeforeCommit,
    title: "Boundless",
    language: "Python",
    cpu: [64.0, 49.2, 13.1, 3.7],
    memory_bytes: 403_000_000,
    p50_ms: 3.0,
    p99_ms: 8_106.0,
    lost: 0,
    lost_killed: 23,
    capacity: 0.8,
    holds: false,
};

/// The whole record: three contestants, three rounds, capacity.
pub(crate) fn record() -> Record {
    let kinds = [GOOD, FAST_BUT_LOSES, LIAR];
    let mut attempts = Vec::new();
    for round in 1..=3 {
        attempts.extend(kinds.iter().map(|kind| attempt(kind, round)));
    }
    Record {
        schema: SCHEMA.to_owned(),
        contest: "people".to_owned(),
        oracle: None,
        title: "People: the stress test of Rinha de Backend, 2023 Q3".to_owned(),
        command: "pouco-lab run people --contestant pouco,hasty,boundless --times 3 --tool native".to_owned(),
        commit: "8a49a44d1f0c2b7e".to_owned(),
        started_at: "2026-11-21T08:00:00Z".to_owned(),
        ended_at: Some("2026-11-21T09:02:31Z".to_owned()),
        tool: "native".to_owned(),
        scale: 1.0,
        seed: 2023,
        seconds: None,
        feeds: Some("00c0ffee00c0ffee-0123456789abcdef".to_owned()),
        kill: Some(true),
        budget: Budget {
            cpus: 1.5,
            memory_bytes: 3_000_000_000,
            database_connections: 20,
            ..Budget::default()
        },
        budget_name: None,
        load_name: None,
        machine: Machine {
            cpu_model: "Intel(R) Xeon(R) Processor @ 2.60GHz".to_owned(),
            cores: 2,
            memory_bytes: 25_000_000_000,
            kernel: "6.1.0-41-amd64".to_owned(),
            os: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            cgroups: "v1".to_owned(),
        },
        versions: text_map(&[("podman", "4.3.1"), ("pouco-lab", "0.1.0")]),
        contestants: kinds.iter().map(entry).collect(),
        attempts,
        capacities: kinds.iter().map(capacity).collect(),
    }
}

/// The same with one round, and without a kill test, series, capacity, and figures of the generator.
pub(crate) fn partial() -> Record {
    let mut record = record();
    record.ended_at = None;
    record.capacities.clear();
    record.attempts.retain(|attempt| attempt.round == 1);
    for attempt in &mut record.attempts {
        attempt.killed = None;
        attempt.series.clear();
        attempt.generator = None;
    }
    record.attempts[1] = failed_attempt("hasty:before-commit", 1);
    record
}

/// A contest that only reads, in one of its budgets.
pub(crate) fn reads() -> Record {
    let mut record = record();
    record.contest = "users".to_owned();
    record.title = "Users: a read-heavy API over Postgres".to_owned();
    record.kill = Some(false);
    record.budget_name = Some("multi".to_owned());
    record.budget.processes = Some(4);
    record.budget.database_connections_min = Some(8);
    for entry in &mut record.contestants {
        entry.acknowledges = Acknowledges::ReadOnly;
    }
    for attempt in &mut record.attempts {
        attempt.killed = None;
        if let Some(stored) = &mut attempt.stored {
            (stored.sent, stored.acknowledged, stored.counted) = (0, 0, None);
        }
        if let Some(load) = &mut attempt.load {
            load.requests.retain(|name, _| name == "lookup" || name == "search");
        }
    }
    record
}

/// An attempt of which nothing but the reason is known.
pub(crate) fn failed_attempt(contestant: &str, round: u32) -> Attempt {
    Attempt {
        contestant: contestant.to_owned(),
        round,
        started_at: "2026-11-21T08:00:00Z".to_owned(),
        verdict: Verdict {
            status: Status::Failed,
            reasons: vec!["api1 ended with status 1 before it answered.".to_owned()],
            warnings: Vec::new(),
        },
        ..Attempt::default()
    }
}

fn text_map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn entry(kind: &Kind) -> Entry {
    let (name, mode) = kind.id.split_once(':').unwrap_or((kind.id, "after-commit"));
    Entry {
        id: kind.id.to_owned(),
        name: name.to_owned(),
        mode: mode.to_owned(),
        variant: None,
        unranked: false,
        acknowledges: kind.acknowledges,
        title: kind.title.to_owned(),
        language: kind.language.to_owned(),
        about: format!("{} as an example.", kind.title),
        versions: text_map(&[("server", "1.2.3"), ("postgres", "17.6")]),
    }
}

/// A little more or less in each round.
fn wobble(round: u32) -> f64 {
    [1.0, 0.985, 1.02][(round as usize - 1) % 3]
}

fn attempt(kind: &Kind, round: u32) -> Attempt {
    let mut verdict = Verdict { status: Status::Valid, ..Verdict::default() };
    if !kind.holds {
        verdict.status = Status::Disqualified;
        verdict.reasons.push("api1: the memory limit was set to 268 MB and the kernel has none.".to_owned());
    }
    if kind.lost > 0 {
        verdict.warnings.push("2 of 60 rules of the API are not kept.".to_owned());
    }
    Attempt {
        contestant: kind.id.to_owned(),
        round,
        started_at: format!("2026-11-21T08:{:02}:00Z", 5 * round),
        verdict,
        proof: Some(proof(kind)),
        conformance: Some(conformance(kind)),
        load: Some(load(kind, round)),
        resources: Some(resources(kind, round)),
        logins: None,
        generator: Some(Generator {
            cpu_seconds: 3.9 * wobble(round),
            memory_bytes: Some(34_000_000),
            bottleneck: if kind.holds {
                Vec::new()
            } else {
                vec!["Second 190: 612 users were asked for and 540 started.".to_owned()]
            },
        }),
        stored: Some(stored(kind.lost, 46_527)),
        answers: None,
        proofs: Vec::new(),
        database: None,
        killed: Some(Killed {
            stored: stored(kind.lost_killed, 2_547),
            unavailable_seconds: Some(0.6 * wobble(round)),
            invisible: Some(0),
            asked: vec![asked("api1"), asked("api2")],
        }),
        series: series(kind, round),
    }
}

fn asked(replica: &str) -> Asked {
    Asked {
        replica: Some(replica.to_owned()),
        people: 1_700,
        rows: 49_074,
        counted: Some(49_074),
        seconds: 2.5,
        ..Asked::default()
    }
}

fn stored(lost: u64, rows: u64) -> Stored {
    let examples =
        if lost > 0 { vec!["\"Zé|<b>\" was acknowledged and is not there".to_owned()] } else { vec![] };
    Stored {
        sent: rows + 8_100,
        acknowledged: rows,
        expected_low: rows,
        expected_high: rows,
        rows: rows - lost,
        counted: Some(rows - lost),
        lost,
        acknowledged_twice: lost / 20,
        settled_seconds: Some(0.4),
        examples,
        ..Stored::default()
    }
}

fn proof(kind: &Kind) -> Proof {
    let share = |service: &str, role, cpus, memory_bytes| {
        let set = Limits { cpus: Some(cpus), memory_bytes: Some(memory_bytes) };
        let lies = !kind.holds && service == "api1";
        let found = Limits { memory_bytes: if lies { None } else { set.memory_bytes }, ..set };
        ServiceProof {
            service: service.to_owned(),
            role: Some(role),
            set: Some(set),
            before: found,
            after: Some(found),
        }
    };
    Proof {
        services: vec![
            share("nginx", Role::Balancer, 0.3, 67_108_864),
            share("api1", Role::Api, 0.25, 268_435_456),
            share("api2", Role::Api, 0.25, 268_435_456),
            share("postgres", Role::Database, 0.7, 536_870_912),
        ],
        database_connections_limit: 20,
        database_connections_peak: Some(8),
        durability: text_map(&[("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on")]),
        superuser: Some(false),
        holds: kind.holds,
    }
}

fn conformance(kind: &Kind) -> Conformance {
    let failures = if kind.lost == 0 {
        Vec::new()
    } else {
        let failure = |rule: &str, detail: &str| Failure { rule: rule.to_owned(), detail: detail.to_owned() };
        vec![
            failure("a taken nick is refused", "expected 422, got 201"),
            failure("% in a search is a plain character", "expected [], got <50 rows>"),
        ]
    };
    Conformance { passed: 60 - u32::try_from(failures.len()).unwrap(), total: 60, failures }
}

fn figures(count: u64, p50: f64, p99: f64, status: u16) -> RequestFigures {
    RequestFigures {
        count,
        failed: 0,
        statuses: BTreeMap::from([(status, count)]),
        p50_ms: Some(p50),
        p75_ms: Some(p50 * 1.3),
        p90_ms: Some(p50 + (p99 - p50) * 0.4),
        p95_ms: Some(p50 + (p99 - p50) * 0.6),
        p99_ms: Some(p99),
        p999_ms: Some(p99 * 1.5),
        max_ms: Some(p99 * 2.2),
    }
}

fn load(kind: &Kind, round: u32) -> LoadFigures {
    let (p50, p99) = (kind.p50_ms * wobble(round), kind.p99_ms * wobble(round));
    let requests = [
        ("creation", figures(54_630, p50 * 2.0, p99, 201)),
        ("lookup", figures(46_527, p50 * 0.4, p99 * 0.3, 200)),
        ("search", figures(9_610, p50 * 0.5, p99 * 0.4, 200)),
        ("invalid search", figures(4_190, p50 * 0.3, p99 * 0.2, 400)),
    ];
    let mut total = figures(114_957, p50, p99 * 0.8, 200);
    let errors = if kind.lost == 0 {
        Vec::new()
    } else {
        total.failed = 12;
        vec![ErrorCount { message: "creation: connection reset by peer".to_owned(), count: 12 }]
    };
    LoadFigures {
        seconds: 206.3,
        users_asked: 68_430,
        users_started: 68_430,
        total,
        requests: requests.into_iter().map(|(name, figures)| (name.to_owned(), figures)).collect(),
        errors,
    }
}

fn resources(kind: &Kind, round: u32) -> Resources {
    let roles = [
        ("postgres", Role::Database),
        ("api1", Role::Api),
        ("nginx", Role::Balancer),
        ("redis", Role::Cache),
    ];
    let mut services = BTreeMap::new();
    for ((service, role), cpu) in roles.into_iter().zip(kind.cpu) {
        if cpu > 0.0 {
            services
                .insert(service.to_owned(), usage(Some(role), cpu * wobble(round), kind.memory_bytes / 3));
        }
    }
    let cpu = kind.cpu.iter().sum::<f64>() * wobble(round);
    Resources { services, total: usage(None, cpu, kind.memory_bytes + u64::from(round) * 2_000_000) }
}

fn usage(role: Option<Role>, cpu_seconds: f64, memory_bytes: u64) -> Usage {
    Usage {
        role,
        cpu_seconds,
        throttled_seconds: Some(cpu_seconds / 50.0),
        memory_bytes,
        memory_raw_peak_bytes: Some(memory_bytes * 3 / 2),
        voluntary_switches: Some(1_234_567),
        involuntary_switches: Some(4_321),
        oom_kills: Some(0),
    }
}

/// The contest's rates, and answers to them with the noise of a run.
fn series(kind: &Kind, round: u32) -> Vec<Second> {
    let mut random = fastrand::Rng::with_seed(u64::from(round));
    let total: f64 = kind.cpu.iter().sum();
    let second = |second: u32| {
        let since = f64::from(second.saturating_sub(25));
        let asked = if second < 25 { 8.0 } else { 6.0 + since * (740.0 - 6.0) / 180.0 };
        let noise = 0.9 + 0.2 * random.f64();
        let late = kind.p99_ms > 1_000.0 && second > 150;
        let p99 = if late { kind.p99_ms } else { 2.0 + kind.p99_ms.min(20.0) * noise * asked / 740.0 };
        Second {
            second,
            asked,
            started: u64::from(second) / 2 + u64::from(second.saturating_sub(25)) * 18 / 5,
            answers: u64::from(second) + u64::from(second.saturating_sub(25)) * 6,
            failed: u64::from(kind.lost > 0 && second > 180 && second.is_multiple_of(7)),
            p50_ms: Some(kind.p50_ms * noise),
            p95_ms: None,
            p99_ms: (second != 60).then_some(p99),
            cpus: Some((total / 100.0 * asked / 370.0 * noise).min(1.5)),
            memory_bytes: Some(kind.memory_bytes / 2 + kind.memory_bytes / 2 * u64::from(second) / 205),
        }
    };
    (0..SECONDS).map(second).collect()
}

fn capacity(kind: &Kind) -> Capacity {
    let step = |scale: f64| Step {
        scale,
        seconds: 30.0,
        requests_per_second: 1_340.0 * scale,
        failed: if scale > kind.capacity { 311 } else { 0 },
        p99_ms: Some(if scale > kind.capacity { 2_400.0 } else { 20.0 + 5.0 * scale }),
        cpu_seconds: 20.0 + scale,
        settled_seconds: Some(2.5),
        acknowledged_before: 12_345,
        passed: scale <= kind.capacity,
        errors: Vec::new(),
        bottleneck: Vec::new(),
    };
    Capacity {
        contestant: kind.id.to_owned(),
        started_at: "2026-11-21T08:50:00Z".to_owned(),
        scale: Some(kind.capacity),
        at_least: false,
        requests_per_second: Some(1_340.0 * kind.capacity),
        rule: "no failed request and p99 ≤ 100 ms for 20 s".to_owned(),
        steps: vec![step(kind.capacity / 2.0), step(kind.capacity * 1.2), step(kind.capacity)],
        lost: None,
        warnings: Vec::new(),
        reasons: if kind.holds { Vec::new() } else { vec!["The memory limit did not hold.".to_owned()] },
    }
}

/// Nine contestants in two modes, with long names.
pub(crate) fn crowd() -> Record {
    let mut record = record();
    let (entries, attempts, capacities) =
        (record.contestants.clone(), record.attempts.clone(), record.capacities.clone());
    for copy in ["twice", "thrice"] {
        let renamed = |id: &str| format!("{id}-{copy}");
        for mut entry in entries.iter().cloned() {
            entry.id = renamed(&entry.id);
            entry.mode = copy.to_owned();
            if copy == "thrice" {
                entry.title = format!("{} with a name that goes on for long", entry.title);
            }
            record.contestants.push(entry);
        }
        for mut attempt in attempts.iter().cloned() {
            attempt.contestant = renamed(&attempt.contestant);
            attempt.verdict = Verdict { status: Status::Valid, ..Verdict::default() };
            record.attempts.push(attempt);
        }
        for mut capacity in capacities.iter().cloned() {
            capacity.contestant = renamed(&capacity.contestant);
            capacity.reasons.clear();
            record.capacities.push(capacity);
        }
    }
    record
}
