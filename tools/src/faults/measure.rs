//! What a fault costs the others: the replica's memory, how long somebody at another address waits, what the
//! replica says of itself; and what of that breaks a promise.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::check::{Broken, Violation};
use super::client::Client;
use super::history::{Attempted, History};
use super::hostile::{Tally, connect};
use super::stack::Stack;
use super::{Failure, lock, promised};
use crate::client::Connection;

/// A replica's memory above what it had before, beyond what its accounts of people and pages say.
const MEMORY_BYTES: u64 = 64 << 20;

/// 99 of 100 requests of others take no longer. In a test the bound, or ten times what it was before, only
/// tells a server that serves others from one that does not, as with [`promised`].
pub const LATENCY: Duration = Duration::from_millis(if cfg!(debug_assertions) { 8_000 } else { 20 });
const TIMES_USUAL: u32 = if cfg!(debug_assertions) { 10 } else { 0 };

/// How long others are looked at before the fault, and acknowledged requests of the history.
const BEFORE: Duration = Duration::from_secs(1);
const HISTORY_BEFORE: Duration = Duration::from_secs(3);

/// How soon `/readyz` tells of a change; and by how much later that may be seen here.
const TELLING: Duration = promised(2_000);
const SEEING: Duration = promised(500);
pub const TOLD: Duration = TELLING.saturating_add(SEEING);

/// How long a look at it may take, and a replica that stays ready not be so on a busy machine.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);
const BLINK: Duration = Duration::from_millis(if cfg!(debug_assertions) { 2_500 } else { 0 });

/// How long after a fault somebody who connects anew may wait, and an index be neither complete nor given up.
pub const SETTLING: Duration = promised(3_000);

/// How often all is looked at, and the metrics after so many looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
const SCRAPE_EACH: u32 = 5;

/// The other address, and how often it asks.
const BYSTANDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const ASK_INTERVAL: Duration = Duration::from_millis(10);
const ASK_PATIENCE: Duration = promised(2_000);

/// How often Postgres's disk is asked how long it takes to write something down. Where that is longer than
/// the second, rows wait for it for as long as `/readyz` bears, whatever a replica does.
const SYNC_INTERVAL: Duration = Duration::from_millis(100);
const DISK_STALLS: Duration = Duration::from_millis(500);

/// What counts refusals and cuts.
const COUNTERS: [&str; 8] = [
    "pouco_http_limit_hits_total",
    "pouco_http_timeouts_total",
    "pouco_connections_evicted_total",
    "pouco_commit_queue_full_total",
    "pouco_commit_expired_total",
    "pouco_read_queue_full_total",
    "pouco_read_expired_total",
    "pouco_searches_refused_total",
];

/// What accounts for memory of its own, each with a bound.
const ACCOUNTS: [&str; 2] = ["pouco_search_index_bytes", "pouco_cache_bytes"];

/// What `/readyz` is to say during a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// 200 all the time.
    Stays,
    /// 503 soon after its beginning, 200 soon after its end.
    Goes,
    /// Whatever it is meanwhile, it is 200 soon after the end.
    Returns,
}

/// What is promised during a fault.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    pub ready: Ready,
    /// Whether somebody at another address is served in time.
    pub serves: bool,
    /// Whether creations are as well.
    pub creates: bool,
}

/// An index of people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Index {
    pub is_complete: bool,
    pub people: f64,
    pub bytes: f64,
    /// What it may take.
    pub limit: f64,
    /// Whether the log says that it was given up.
    pub said: bool,
}

/// What was measured of one replica during one fault. Times are since the fault's beginning.
#[derive(Clone, Debug)]
pub struct Measured {
    pub fault: String,
    pub replica: usize,
    pub promise: Promise,
    pub ended: Duration,
    /// Its memory before the fault and at most, and by how much its accounts grew.
    pub idle: u64,
    pub peak: u64,
    pub accounted: u64,
    /// How long 99 of 100 requests of the bystander took before the fault.
    pub usual: Duration,
    /// How long each took during it, and those without an answer.
    pub asked: Vec<Duration>,
    pub unanswered: Vec<String>,
    /// The same for acknowledged requests of the history.
    pub usually_created: Duration,
    pub created: Vec<Duration>,
    /// The longest that Postgres's disk took to write something down. A creation may wait for that twice: for
    /// the commit under way and for its own.
    pub synced: Duration,
    /// When `/readyz` was asked, and whether it was a 200.
    pub ready: Vec<(Duration, bool)>,
    pub hostile: Tally,
    /// By how much the counters of refusals and cuts grew.
    pub counted: f64,
    /// From the end to an answer for somebody who connects anew.
    pub newcomer: Option<Duration>,
    pub index: Option<Index>,
}

/// Of 100, 99 are not longer.
pub fn p99(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times.get((times.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

impl Measured {
    /// What it took above what it had, without what its accounts tell of.
    pub fn above(&self) -> u64 {
        self.peak.saturating_sub(self.idle).saturating_sub(self.accounted)
    }

    /// For people to read.
    pub fn line(&self) -> String {
        let Tally { tried, served, refused, cut, .. } = self.hostile;
        let mib = |bytes: u64| bytes / (1 << 20);
        let index = self.index.map_or_else(String::new, |index| {
            let word = if index.is_complete { "complete" } else { "given up" };
            format!("; index {word}, {:.0} people, {:.1} MiB", index.people, index.bytes / f64::from(1 << 20))
        });
        let gone =
            self.ready.iter().find(|(_, ready)| !ready).map(|(at, _)| format!("; not ready {at:.1?} in"));
        let back = self.ready.iter().rev().take_while(|(at, ready)| *ready && *at > self.ended).last();
        let back =
            back.filter(|_| gone.is_some()).map(|(at, _)| format!(", ready {:.1?} after", *at - self.ended));
        format!(
            "{}: replica {}: {} MiB above {} ({} more by its accounts); p99 of others {:.0?} of {}, \
             {:.0?} before, of what was acknowledged {:.0?} of {}, {:.0?} before, the disk {:.0?} at most; \
             {tried} tried: \
             {served} served, {refused} refused, {cut} cut, {:.0} counted; newcomer after {:.0?}{}{}{index}",
            self.fault,
            self.replica + 1,
            mib(self.above()),
            mib(self.idle),
            mib(self.accounted),
            p99(&self.asked),
            self.asked.len(),
            self.usual,
            p99(&self.created),
            self.created.len(),
            self.usually_created,
            self.synced,
            self.counted,
            self.newcomer.unwrap_or(Duration::MAX),
            gone.unwrap_or_default(),
            back.unwrap_or_default(),
        )
    }
}

/// Every promise that was broken.
pub fn judge(measured: &Measured) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut add = |broken, what: String| {
        let what = format!("{}, replica {}: {what}", measured.fault, measured.replica + 1);
        violations.push(Violation { broken, what });
    };
    if measured.above() > MEMORY_BYTES {
        add(Broken::Memory, format!("{} KiB more than idle", measured.above() / 1024));
    }
    let is_late = |times: &[Duration], usual: Duration, disk: Duration| {
        times.is_empty() || p99(times) > LATENCY.max(usual * TIMES_USUAL) + disk
    };
    if measured.promise.serves && is_late(&measured.asked, measured.usual, Duration::ZERO) {
        add(
            Broken::Latency,
            format!("another address: {:?} of {}", p99(&measured.asked), measured.asked.len()),
        );
    }
    if measured.promise.creates && is_late(&measured.created, measured.usually_created, 2 * measured.synced) {
        let (p99, of) = (p99(&measured.created), measured.created.len());
        add(Broken::Latency, format!("what was acknowledged: {p99:?} of {of}"));
    }
    if measured.promise.serves && !measured.unanswered.is_empty() {
        let first = measured.unanswered[0].clone();
        add(Broken::Starved, format!("{} got no answer, the first: {first}", measured.unanswered.len()));
    }
    if measured.newcomer.is_none_or(|took| took > SETTLING) {
        add(Broken::SlowRecovery, format!("who connects anew is served after {:?}", measured.newcomer));
    }
    let Tally { refused, cut, odd, .. } = measured.hostile;
    if measured.counted < f64::from(u32::try_from(refused + cut).unwrap_or(u32::MAX)) {
        add(Broken::Uncounted, format!("{refused} refused and {cut} cut, {} counted", measured.counted));
    }
    if odd > 0 {
        add(Broken::UnexpectedStatus, format!("{odd} answers that are neither success nor refusal"));
    }
    if let Some(what) = wrongly_ready(measured) {
        add(Broken::Readiness, what);
    }
    if let Some(index) = &measured.index
        && !is_right(index)
    {
        add(Broken::IndexLost, format!("{index:?}"));
    }
    violations
}

/// Complete and within its bytes; or given up, nothing of it left, and told of.
fn is_right(index: &Index) -> bool {
    match index.is_complete {
        true => index.bytes <= index.limit,
        false => index.people == 0.0 && index.said,
    }
}

/// When a replica was no longer ready, and stayed so for longer than a blink.
fn away(measured: &Measured) -> Option<Duration> {
    let (mut last, mut since) = (Duration::ZERO, None);
    for (at, ready) in &measured.ready {
        if !ready {
            since.get_or_insert(*at);
        } else if since.is_some() && *at - last > BLINK {
            break;
        } else {
            (last, since) = (*at, None);
        }
    }
    since
}

fn wrongly_ready(measured: &Measured) -> Option<String> {
    let (ended, limit) = (measured.ended, TOLD);
    let not = |since: Duration| measured.ready.iter().find(|(at, ready)| *at >= since && !ready);
    match measured.promise.ready {
        Ready::Stays if measured.synced < DISK_STALLS => {
            return away(measured).map(|at| format!("not ready {at:.1?} after its beginning"));
        }
        Ready::Goes if not(Duration::ZERO).is_none_or(|(at, _)| *at > limit) => {
            return Some(format!("not told within {limit:?} of its beginning"));
        }
        Ready::Stays | Ready::Goes | Ready::Returns => {}
    }
    let late = measured.ready.iter().filter(|(at, _)| *at >= ended + limit);
    let mut late = late.map(|(_, ready)| *ready).peekable();
    let is_back = match late.peek() {
        Some(_) => late.all(|ready| ready),
        // It was back before there was need to look for so long.
        None => measured.ready.last().is_some_and(|(at, ready)| *at >= ended && *ready),
    };
    (!is_back).then(|| format!("not ready {limit:?} after its end"))
}

/// Looks at one replica from before a fault until all is settled after it.
pub struct Watch {
    replica: usize,
    began: Instant,
    /// The same by the history.
    since: Duration,
    usual: Duration,
    usually_created: Duration,
    idle: u64,
    before: Scraped,
    tally: Tally,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    admin: PathBuf,
}

#[derive(Default)]
struct Seen {
    peak: u64,
    accounted: f64,
    ready: Vec<(Duration, bool)>,
    asked: Vec<(Duration, Duration)>,
    synced: Vec<(Duration, Duration)>,
    unanswered: Vec<(Duration, String)>,
}

/// What is read from `/metrics`.
#[derive(Clone, Default)]
struct Scraped {
    counted: f64,
    accounted: f64,
    /// Complete, people, bytes.
    index: Option<(f64, f64, f64)>,
}

impl Scraped {
    fn of(text: &str) -> Self {
        let value = |line: &str| line.rsplit(' ').next().and_then(|word| word.parse::<f64>().ok());
        let sum = |names: &[&str]| {
            let is_one =
                |line: &&str| line.split(['{', ' ']).next().is_some_and(|name| names.contains(&name));
            text.lines().filter(is_one).filter_map(value).sum()
        };
        let one = |name: &str| text.lines().find(|line| line.split(' ').next() == Some(name)).and_then(value);
        let part = |end: &str| one(&format!("pouco_search_index_{end}"));
        let index = || Some((part("complete")?, part("people")?, part("bytes")?));
        Self { counted: sum(&COUNTERS), accounted: sum(&ACCOUNTS), index: index() }
    }
}

fn scrape(admin: &Path) -> Option<Scraped> {
    let answer = Client::new(admin, LOOK_PATIENCE).get("/metrics").ok()?;
    (answer.status == 200).then(|| Scraped::of(&String::from_utf8_lossy(&answer.body)))
}

/// Bytes of a process's own memory that are in RAM.
pub fn anonymous_bytes(pid: Pid) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}

impl Watch {
    pub fn start(stack: &Stack, replica: usize, history: &History<impl Attempted>) -> Result<Self, Failure> {
        let admin = stack.admin(replica);
        let pid = stack.replicas[replica].pid().ok_or("the replica does not run")?;
        let idle = anonymous_bytes(pid).ok_or("the replica's memory cannot be read")?;
        let before = scrape(&admin).ok_or("the replica has no metrics")?;
        let mut watch = Self {
            replica,
            began: Instant::now() + BEFORE,
            since: Duration::ZERO,
            usual: Duration::ZERO,
            usually_created: Duration::ZERO,
            idle,
            before,
            tally: *lock(&stack.hostile),
            seen: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
            admin: admin.clone(),
        };
        let (to, (path, status)) = (stack.tcp(replica)?, stack.subject.in_memory);
        let began = watch.began;
        watch.go("gauge", move |seen, stop| gauge(began, pid, &admin, seen, stop))?;
        let disk = tempfile::tempfile_in(stack.data.parent().ok_or("the data have no folder")?)?;
        watch.go("disk", move |seen, stop| sync_often(began, &disk, seen, stop))?;
        watch.go("bystander", move |seen, stop| bystand(began, to, path, status, seen, stop))?;
        thread::sleep(watch.began.saturating_duration_since(Instant::now()));
        watch.since = history.now();
        let before = std::mem::take(&mut *lock(&watch.seen));
        watch.usual = p99(&before.asked.iter().map(|(_, took)| *took).collect::<Vec<_>>());
        let long_ago = watch.since.saturating_sub(HISTORY_BEFORE);
        watch.usually_created = p99(&acknowledged(history, replica, (long_ago, watch.since)));
        Ok(watch)
    }

    fn go(
        &mut self,
        name: &str,
        work: impl FnOnce(&Mutex<Seen>, &AtomicBool) + Send + 'static,
    ) -> Result<(), Failure> {
        let (seen, stop) = (self.seen.clone(), self.stop.clone());
        self.threads.push(thread::Builder::new().name(name.into()).spawn(move || work(&seen, &stop))?);
        Ok(())
    }

    /// What was seen. The fault ended so long after this began.
    pub fn finish(
        mut self,
        stack: &Stack,
        history: &History<impl Attempted>,
        (fault, promise): (String, Promise),
        ended: Duration,
    ) -> Result<Measured, Failure> {
        let newcomer = newcomer(stack, self.replica).map(|()| self.began.elapsed().saturating_sub(ended));
        let is_ready = |seen: &Seen| seen.ready.last().is_some_and(|(at, ready)| *at > ended && *ready);
        self.settle(TELLING + 2 * SEEING, |watch| is_ready(&lock(&watch.seen)));
        let mut after = Scraped::default();
        self.settle(SETTLING, |watch| {
            after = scrape(&watch.admin).unwrap_or_default();
            after.index.is_none_or(|(complete, people, _)| complete == 1.0 || people == 0.0)
        });
        self.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| "a thread that looks has panicked")?;
        }
        let seen = std::mem::take(&mut *lock(&self.seen));
        let during = |at: &Duration| *at <= ended;
        Ok(Measured {
            fault,
            replica: self.replica,
            promise,
            ended,
            idle: self.idle,
            peak: seen.peak,
            accounted: bytes(seen.accounted.max(after.accounted) - self.before.accounted),
            usual: self.usual,
            asked: seen.asked.into_iter().filter(|(at, _)| during(at)).map(|(_, took)| took).collect(),
            unanswered: seen
                .unanswered
                .into_iter()
                .filter(|(at, _)| during(at))
                .map(|(_, why)| why)
                .collect(),
            usually_created: self.usually_created,
            created: acknowledged(history, self.replica, (self.since, self.since + ended)),
            synced: seen
                .synced
                .iter()
                .filter(|(at, _)| during(at))
                .map(|(_, took)| *took)
                .max()
                .unwrap_or_default(),
            ready: seen.ready,
            hostile: lock(&stack.hostile).since(&self.tally),
            // Those of a process that was started again begin anew.
            counted: (after.counted - self.before.counted).max(0.0),
            newcomer,
            index: after.index.map(|(complete, people, bytes)| Index {
                is_complete: complete == 1.0,
                people,
                bytes,
                limit: stack.index_bytes,
                said: stack.logs().contains("POUCO_CACHE_BYTES"),
            }),
        })
    }

    fn settle(&mut self, patience: Duration, mut is_settled: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + patience;
        while !is_settled(self) && Instant::now() < deadline {
            thread::park_timeout(LOOK_INTERVAL);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// How long what this replica acknowledged between two times took.
fn acknowledged(
    history: &History<impl Attempted>,
    replica: usize,
    (since, until): (Duration, Duration),
) -> Vec<Duration> {
    let ended = history.ended_in(since, until);
    let done = ended.iter().filter(|one| one.began() >= since && one.is_done_by(replica));
    done.map(|one| one.ended() - one.began()).collect()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count of bytes
fn bytes(value: f64) -> u64 {
    value.max(0.0) as u64
}

fn gauge(began: Instant, pid: Pid, admin: &Path, seen: &Mutex<Seen>, stop: &AtomicBool) {
    let mut operator = Client::new(admin, LOOK_PATIENCE);
    let mut looks = 0;
    while !stop.load(Ordering::Acquire) {
        let peak = anonymous_bytes(pid).unwrap_or_default();
        // When it was asked: an answer that takes long is a late one.
        let ready = operator.get("/readyz").is_ok_and(|answer| answer.status == 200);
        let accounted = if looks % SCRAPE_EACH == 0 { scrape(admin) } else { None };
        {
            let mut seen = lock(seen);
            seen.peak = seen.peak.max(peak);
            seen.ready.push((began.elapsed(), ready));
            seen.accounted = seen.accounted.max(accounted.unwrap_or_default().accounted);
        }
        looks += 1;
        thread::park_timeout(LOOK_INTERVAL);
    }
}

/// Writes the same bytes down again and again, as a log does whose file is there already.
fn sync_often(began: Instant, file: &File, seen: &Mutex<Seen>, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        let asked = Instant::now();
        // A disk that takes nothing is seen by Postgres as well.
        let done = file.write_all_at(&[0; 4_096], 0).and_then(|()| file.sync_data());
        if done.is_ok() {
            lock(seen).synced.push((began.elapsed().saturating_sub(asked.elapsed()), asked.elapsed()));
        }
        thread::park_timeout(SYNC_INTERVAL);
    }
}

/// Asks all the time, by turns on a connection that it keeps and on a new one.
fn bystand(began: Instant, to: SocketAddr, path: &str, status: u16, seen: &Mutex<Seen>, stop: &AtomicBool) {
    let mut kept = None;
    let mut keeps = false;
    while !stop.load(Ordering::Acquire) {
        let asked = Instant::now();
        keeps = !keeps;
        let outcome = match kept.take().filter(|_| keeps) {
            Some(stream) => Ok(stream),
            None => connect(BYSTANDER, to, None).and_then(Connection::of),
        };
        let outcome = outcome.and_then(|stream| ask(stream, path, status));
        let (at, took) = (began.elapsed(), asked.elapsed());
        match outcome {
            Ok(stream) => {
                kept = Some(stream);
                lock(seen).asked.push((at, took));
            }
            Err(error) => lock(seen).unanswered.push((at, error.to_string())),
        }
        thread::park_timeout(ASK_INTERVAL);
    }
}

fn ask(mut connection: Connection, path: &str, status: u16) -> io::Result<Connection> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: bystander\r\n\r\n");
    let answer = connection.exchange(&request, Instant::now() + ASK_PATIENCE)?;
    if answer.status != status {
        return Err(io::Error::other(format!("{path}: {}", answer.status)));
    }
    Ok(connection)
}

/// Returns when somebody who connects to both of its addresses is served; `None` if that does not come.
fn newcomer(stack: &Stack, replica: usize) -> Option<()> {
    let (path, status) = stack.subject.in_memory;
    let deadline = Instant::now() + 2 * SETTLING;
    loop {
        let by_unix =
            Client::new(&stack.api(replica), SETTLING).get(path).is_ok_and(|one| one.status == status);
        let by_tcp =
            stack.tcp(replica).ok().and_then(|to| Connection::of(connect(BYSTANDER, to, None).ok()?).ok());
        if by_unix && by_tcp.is_some_and(|stream| ask(stream, path, status).is_ok()) {
            return Some(());
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::park_timeout(LOOK_INTERVAL);
    }
}
