//! Liveness: the threads and the endless coroutines of the process, what becomes of each that panics, and
//! when it last got on.
//!
//! Every thread is started here, by one of three names that say what its panic means: [`keep`] begins its
//! work again, [`vital`] ends the process, [`once`] is for a task of whose end somebody hears otherwise. Each
//! panic is counted by the thread's name and logged. docs/supervision.md lists them all.
//!
//! A part that is at something beats, and one that waits for work rests. One that is at something for longer
//! than its bound is stuck: `/healthz` tells it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Tended;
use crate::limits;
use crate::metrics::Exposition;

/// The process ends because a thread panicked without which it is of no use.
pub const EXIT_PANICKED: i32 = 70;

/// The process ends because the thread of the coroutines does not get on.
pub const EXIT_STUCK: i32 = 71;

/// Pauses before work begins again that panicked; doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// A part that has panicked so often, without as long a life as the last pause between, fails.
const PANICS_TO_FAIL: u32 = 4;

/// It waits for work.
const RESTS: u64 = u64::MAX;

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
static PARTS: Mutex<Vec<Arc<Part>>> = Mutex::new(Vec::new());
/// By name; those of all that were ever started.
static PANICS: Mutex<BTreeMap<Cow<'static, str>, u64>> = Mutex::new(BTreeMap::new());

thread_local! {
    static OWN: RefCell<Option<Arc<Part>>> = const { RefCell::new(None) };
}

struct Part {
    name: Cow<'static, str>,
    bound: Option<Duration>,
    /// When it beat last, in milliseconds since the start; [`RESTS`].
    beat_ms: AtomicU64,
    failing: AtomicBool,
}

impl Part {
    fn beat(&self) {
        self.beat_ms.store(now_ms(), Ordering::Relaxed);
    }

    fn rest(&self) {
        self.beat_ms.store(RESTS, Ordering::Relaxed);
    }

    fn stuck(&self) -> Option<Stuck> {
        let beat_ms = self.beat_ms.load(Ordering::Relaxed);
        let silent = match beat_ms {
            RESTS => Duration::ZERO,
            beat_ms => Duration::from_millis(now_ms().saturating_sub(beat_ms)),
        };
        let failing = self.failing.load(Ordering::Relaxed);
        let stuck = failing || self.bound.is_some_and(|bound| silent > bound);
        stuck.then(|| Stuck { part: self.name.clone(), silent, bound: self.bound, failing })
    }
}

fn now_ms() -> u64 {
    // One less than what stands for a rest, in half an eternity.
    u64::try_from(STARTED.elapsed().as_millis()).unwrap_or(RESTS - 1)
}

/// A part that does not get on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Its name.
    pub part: Cow<'static, str>,
    /// For how long it has not beaten.
    pub silent: Duration,
    /// For how long it may not.
    pub bound: Option<Duration>,
    /// It panics again and again.
    pub failing: bool,
}

/// The parts that do not get on.
#[must_use]
pub fn stuck() -> Vec<Stuck> {
    PARTS.lock().iter().filter_map(|part| part.stuck()).collect()
}

/// A part of the process for as long as this lives.
pub struct Life(Arc<Part>);

impl Life {
    /// A part that beats at least so often while it does not rest.
    #[must_use]
    pub fn begin(name: impl Into<Cow<'static, str>>, bound: Option<Duration>) -> Self {
        let name = name.into();
        PANICS.lock().entry(name.clone()).or_default();
        let part =
            Arc::new(Part { name, bound, beat_ms: AtomicU64::new(RESTS), failing: AtomicBool::new(false) });
        PARTS.lock().push(part.clone());
        Self(part)
    }

    /// It gets on.
    pub fn beat(&self) {
        self.0.beat();
    }

    /// It waits for work.
    pub fn rest(&self) {
        self.0.rest();
    }

    /// Does `work` until it returns, again whenever it panics. For what restarts within itself.
    pub(crate) fn keep(&self, mut work: impl FnMut(), pause: impl Fn(Duration)) {
        let (mut next, mut panics) = (FIRST_PAUSE, 0);
        loop {
            let began = Instant::now();
            if catch_unwind(AssertUnwindSafe(&mut work)).is_ok() {
                return;
            }
            note_panic(self.0.name.clone());
            if began.elapsed() >= LAST_PAUSE {
                (next, panics) = (FIRST_PAUSE, 0);
            }
            panics += 1;
            self.0.failing.store(panics >= PANICS_TO_FAIL, Ordering::Relaxed);
            self.rest();
            log::error!("{} panicked, and begins again in {next:?}", self.0.name);
            pause(next);
            next = (next * 2).min(LAST_PAUSE);
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        PARTS.lock().retain(|part| !Arc::ptr_eq(part, &self.0));
    }
}

/// Makes a name known before the first of its threads: a scrape must not find new series later.
pub(crate) fn know(name: &'static str) {
    PANICS.lock().entry(name.into()).or_default();
}

/// Counts a panic that was caught, under the name of whoever goes on.
pub(crate) fn note_panic(name: impl Into<Cow<'static, str>>) {
    *PANICS.lock().entry(name.into()).or_default() += 1;
}

/// The calling thread gets on. In a thread that nobody looks after it does nothing.
pub(crate) fn beat() {
    OWN.with_borrow(|own| own.iter().for_each(|part| part.beat()));
}

/// The calling thread waits for work.
pub(crate) fn rest() {
    OWN.with_borrow(|own| own.iter().for_each(|part| part.rest()));
}

/// Starts a thread whose work begins again whenever it panics, until it returns. It beats at least so often
/// while it does not rest, if there is a bound.
///
/// # Errors
/// If no thread can be started.
pub fn keep(
    name: impl Into<Cow<'static, str>>,
    bound: Option<Duration>,
    work: impl FnMut() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let life = Life::begin(name, bound);
    let name = life.0.name.to_string();
    start(name, move || {
        OWN.set(Some(life.0.clone()));
        life.keep(work, thread::sleep);
    })
}

/// Starts a thread without which the process is of no use: it ends with a panic of it.
///
/// # Errors
/// If no thread can be started.
pub fn vital<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let life = Life::begin(name, None);
    start(name.to_owned(), move || {
        let _life = life;
        catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| end(&format!("{name} panicked, and the process ends"), EXIT_PANICKED))
    })
}

/// Starts a thread for one task. Somebody waits for it, or for what it sends, and hears of its end in any
/// case.
///
/// # Errors
/// If no thread can be started.
pub fn once<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let life = Life::begin(name, None);
    start(name.to_owned(), move || {
        let _life = life;
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            note_panic(name);
            log::error!("{name} panicked");
            resume_unwind(panic)
        })
    })
}

/// The last line, and the end.
fn end(line: &str, code: i32) -> ! {
    log::error!("{line}");
    log::logger().flush();
    std::process::exit(code)
}

/// Named, and with a stack of [`limits::THREAD_STACK_BYTES`].
fn start<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name).stack_size(limits::THREAD_STACK_BYTES).spawn(work)
}

/// What was counted.
pub(crate) fn expose(exposition: &mut Exposition) {
    for (name, panics) in PANICS.lock().iter() {
        let help = "Panics of threads and of endless coroutines, which went on.";
        exposition.sample("pouco_thread_panics_total", help, &[("thread", name)], *panics);
    }
}

/// Ends the process where the thread of the coroutines does not get on: nobody could tell it that, since
/// `/healthz` is answered there.
///
/// The janitor looks. It counts only time in which it had its own turns: a process that was stopped as a
/// whole, or had no CPU, is not stuck.
pub(crate) struct Watchdog {
    worker: Life,
    seen: Mutex<Seen>,
}

struct Seen {
    beat_ms: u64,
    looked: Instant,
    silent: Duration,
    said: bool,
}

impl Watchdog {
    /// Starts the coroutine that beats, with the process's life.
    ///
    /// # Errors
    /// If there is no coroutine to be had.
    pub(crate) fn start() -> io::Result<Arc<Self>> {
        let worker = Life::begin("pouco-worker", Some(limits::LOOP_SILENCE));
        worker.beat();
        let seen = Seen { beat_ms: 0, looked: Instant::now(), silent: Duration::ZERO, said: false };
        let dog = Arc::new(Self { worker, seen: Mutex::new(seen) });
        let beating = Arc::downgrade(&dog);
        let builder = may::coroutine::Builder::new().name("pouco-beat".into());
        may::go!(builder, move || {
            while let Some(dog) = beating.upgrade() {
                dog.worker.beat();
                drop(dog);
                super::sleep(limits::WORKER_BEAT);
            }
        })?;
        Ok(dog)
    }

    /// For how long the worker has been silent, as far as this has looked.
    fn look(&self, now: Instant) -> Duration {
        let mut seen = self.seen.lock();
        let beat_ms = self.worker.0.beat_ms.load(Ordering::Relaxed);
        let since = now.saturating_duration_since(seen.looked).min(2 * limits::WORKER_BEAT);
        seen.looked = now;
        if seen.beat_ms != beat_ms {
            (seen.beat_ms, seen.silent, seen.said) = (beat_ms, Duration::ZERO, false);
        } else {
            seen.silent += since;
        }
        if seen.silent > limits::LOOP_SILENCE && !std::mem::replace(&mut seen.said, true) {
            log::error!("the coroutines have made no progress for {:?}", seen.silent);
        }
        seen.silent
    }
}

impl Tended for Watchdog {
    fn tend(&self, now: Instant) {
        let silent = self.look(now);
        if silent > limits::WORKER_SILENCE {
            let seconds = silent.as_secs();
            end(
                &format!("the coroutines have made no progress for {seconds} s, and the process ends"),
                EXIT_STUCK,
            );
        }
    }

    fn is_quiet(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn panics(name: &str) -> u64 {
        PANICS.lock().get(name).copied().unwrap_or_default()
    }

    fn is_stuck(name: &str) -> bool {
        stuck().iter().any(|one| one.part == name)
    }

    #[test]
    fn work_that_panics_begins_again_and_is_counted() {
        let (told, begun) = mpsc::channel();
        let mut left = PANICS_TO_FAIL;
        let kept = keep("test-kept", None, move || {
            told.send(is_stuck("test-kept")).unwrap();
            left -= 1;
            assert!(left == 0, "on purpose");
        });
        kept.unwrap().join().unwrap();
        assert_eq!(begun.iter().collect::<Vec<_>>(), [false; PANICS_TO_FAIL as usize]);
        assert_eq!(panics("test-kept"), u64::from(PANICS_TO_FAIL) - 1);
    }

    #[test]
    fn what_panics_again_and_again_fails() {
        let (told, begun) = mpsc::channel();
        let mut left = PANICS_TO_FAIL + 1;
        let kept = keep("test-failing", None, move || {
            told.send(is_stuck("test-failing")).unwrap();
            left -= 1;
            assert!(left == 0, "on purpose");
        });
        kept.unwrap().join().unwrap();
        assert_eq!(begun.iter().last(), Some(true));
        assert!(!is_stuck("test-failing"), "it has ended");
    }

    #[test]
    fn a_task_that_panics_is_counted_and_its_waiter_hears_of_it() {
        let task = once("test-once", || panic!("on purpose"));
        assert!(task.unwrap().join().is_err());
        assert_eq!(panics("test-once"), 1);
    }

    #[test]
    fn who_rests_is_not_stuck_and_who_does_not_beat_is() {
        let life = Life::begin("test-stuck", Some(Duration::ZERO));
        assert!(!is_stuck("test-stuck"));
        life.beat();
        let end = now_ms() + 2;
        while now_ms() < end {
            thread::yield_now();
        }
        let all = stuck();
        let one = all.iter().find(|one| one.part == "test-stuck").unwrap();
        assert!(one.silent > Duration::ZERO && !one.failing, "{one:?}");
        life.rest();
        assert!(!is_stuck("test-stuck"));
    }

    /// Time in which the process itself did not run is nobody's silence.
    #[test]
    fn a_pause_of_the_whole_process_is_not_the_worker_s_silence() {
        let worker = Life::begin("test-worker", None);
        worker.beat();
        let mut now = Instant::now();
        let seen = Seen { beat_ms: 0, looked: now, silent: Duration::ZERO, said: false };
        let dog = Watchdog { worker, seen: Mutex::new(seen) };
        assert_eq!(dog.look(now), Duration::ZERO);
        now += 100 * limits::WORKER_SILENCE;
        assert!(dog.look(now) <= 2 * limits::WORKER_BEAT);
        let mut looks = 0;
        while dog.look(now) <= limits::WORKER_SILENCE {
            now += limits::WORKER_BEAT;
            looks += 1;
        }
        assert!(looks > 10, "{looks}");
    }
}
