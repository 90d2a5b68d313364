//! Passwords: hashed and compared with bcrypt, off the worker and within bounds.
//!
//! A hash takes tens of milliseconds of CPU, and twice that for each step of the cost. So it is made by few
//! threads (one, unless told otherwise: on a CPU and a half a second one would take what requests need),
//! which the kernel runs behind the worker. How long a password would wait is estimated from what hashes took
//! lately; past the bound it is refused at once, so a flood of logins costs the others one thread and no
//! more.
//!
//! Race window: estimate and admission are two steps. All callers are coroutines of one worker, and the queue
//! itself is bounded as well.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::http::{RETRY_AFTER_S, Rejection, Status};
use crate::metrics::Exposition;
use crate::waiting::aside::{Aside, Counts, Undone};

/// What bcrypt looks at. Of a longer password it would take any end, so none may be longer. The crate has a
/// check of its own, but that refuses exactly this many bytes too, since it counts the NUL behind them.
pub(super) const PASSWORD_BYTES: usize = 72;

/// Passwords that may wait, whatever they are estimated to take.
const QUEUE: usize = 64;
/// How long a hash may take, and its wait beyond the bound where the estimate was wrong.
const LONGEST: Duration = Duration::from_secs(5);
/// What a hash of cost 10 takes, until it has been measured.
const FIRST_GUESS_US: u64 = 60_000;
/// How far the threads that hash stand behind the worker. Not the last place (19 more): where all CPUs are
/// busy logins would come to nothing.
const NICENESS: i32 = 10;

/// Salt and hash of a password that nobody knows. It is compared where an account is unknown, so that the
/// answer takes the same time.
const NOBODYS: &str = "QvDK3ZTnH8w7zUe9k1Xr5eJ0Yw2mB4cGqLh6sN9tFoVaRdPiSxE1K";

/// What hashes cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashing {
    pub(super) cost: u32,
    pub(super) threads: usize,
    pub(super) longest_wait: Duration,
}

/// The threads that hash.
pub(super) struct Passwords {
    hashing: Hashing,
    aside: Aside,
    lately: Arc<Lately>,
    refused: AtomicU64,
    nobodys: String,
}

/// What hashes took.
struct Lately {
    hashed: AtomicU64,
    mean_us: AtomicU64,
}

/// Why there is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHash {
    /// Not now: it would have waited for too long, or has, or the process ends.
    Busy,
    /// Never; it is in the log.
    Failed,
}

impl From<NoHash> for Rejection {
    fn from(reason: NoHash) -> Self {
        match reason {
            NoHash::Busy => Self {
                retry_after_s: Some(RETRY_AFTER_S),
                ..Self::new(Status::ServiceUnavailable, "too many passwords are waiting to be hashed")
            },
            NoHash::Failed => Self::new(Status::InternalServerError, "the password cannot be hashed"),
        }
    }
}

impl Passwords {
    /// No thread is started yet.
    ///
    /// # Errors
    /// If there is no timer for the deadlines.
    pub(super) fn new(hashing: Hashing) -> io::Result<Self> {
        let steps = 1_u64 << hashing.cost;
        let lately =
            Lately { hashed: AtomicU64::new(0), mean_us: AtomicU64::new(FIRST_GUESS_US * steps / (1 << 10)) };
        Ok(Self {
            hashing,
            aside: Aside::with_bounds(hashing.threads, QUEUE)?,
            lately: Arc::new(lately),
            refused: AtomicU64::new(0),
            nobodys: format!("$2b${:02}${NOBODYS}", hashing.cost),
        })
    }

    /// The hash to keep of a password, with a salt of its own.
    ///
    /// # Errors
    /// [`NoHash`].
    pub(super) fn hash(&self, password: String) -> Result<String, NoHash> {
        let cost = self.hashing.cost;
        self.run(move || bcrypt::hash(&password, cost))
    }

    /// Whether it is the password of this hash; `None` is nobody's, and takes as long.
    ///
    /// # Errors
    /// [`NoHash`].
    pub(super) fn is_right(&self, password: String, hash: Option<String>) -> Result<bool, NoHash> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobodys.clone());
        let right = self.run(move || bcrypt::verify(&password, &hash))?;
        Ok(right && known)
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, bcrypt::BcryptError> + Send + 'static,
    ) -> Result<T, NoHash> {
        if self.wait() > self.hashing.longest_wait {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(NoHash::Busy);
        }
        let lately = self.lately.clone();
        let done = self.aside.run(Instant::now() + self.hashing.longest_wait + LONGEST, move || {
            step_behind();
            lately.measure(work)
        });
        match done {
            Ok(Ok(value)) => Ok(value),
            // Of a hash in the database that is none; a password is never in it.
            Ok(Err(error)) => {
                log::error!("a password cannot be hashed or compared: {error}");
                Err(NoHash::Failed)
            }
            Err(Undone::Panicked) => Err(NoHash::Failed),
            Err(Undone::Full | Undone::Late | Undone::Closed) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(NoHash::Busy)
            }
        }
    }

    /// How long the next password would wait for a thread, at most.
    fn wait(&self) -> Duration {
        let Counts { waiting, running, .. } = self.aside.counts();
        let threads = self.hashing.threads;
        if waiting + running < threads {
            return Duration::ZERO;
        }
        let before = (waiting + running) / threads;
        self.lately.mean() * u32::try_from(before).unwrap_or(u32::MAX)
    }

    /// Ends the threads. For a thread, which blocks for as long as a hash takes.
    pub(super) fn stop(&self) {
        self.aside.close();
    }

    /// What was counted.
    pub(super) fn expose(&self, exposition: &mut Exposition) {
        let Counts { waiting, running, .. } = self.aside.counts();
        exposition.sample("pouco_hashes_waiting", "Passwords that wait to be hashed.", &[], waiting);
        exposition.sample("pouco_hashes_running", "Passwords that are hashed now.", &[], running);
        let help = "Passwords hashed, to be kept or compared.";
        exposition.atomic("pouco_hashes_total", help, &self.lately.hashed);
        let help = "Passwords not hashed, since they would have waited for too long.";
        exposition.atomic("pouco_hashes_refused_total", help, &self.refused);
        let help = "How long hashes took, without their wait.";
        exposition.histogram("pouco_hash_duration_seconds", help, &[], &self.aside.seconds());
    }
}

impl Lately {
    fn mean(&self) -> Duration {
        Duration::from_micros(self.mean_us.load(Ordering::Relaxed))
    }

    /// The last eight count most. Two threads may overwrite each other's share; it is an estimate.
    fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mean_us = self.mean_us.load(Ordering::Relaxed);
        self.mean_us.store((mean_us.saturating_mul(7).saturating_add(took_us)) / 8, Ordering::Relaxed);
        self.hashed.fetch_add(1, Ordering::Relaxed);
        done
    }
}

/// Has the kernel run this thread behind the others, once. On Linux a priority is a thread's own.
fn step_behind() {
    thread_local!(static BEHIND: () = {
        if let Err(error) = rustix::process::nice(NICENESS) {
            log::warn!("passwords are hashed at the worker's priority: {error}");
        }
    });
    BEHIND.with(|()| ());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(longest_wait: Duration) -> Passwords {
        Passwords::new(Hashing { cost: 4, threads: 1, longest_wait }).unwrap()
    }

    #[test]
    fn a_hash_is_of_its_password_and_of_the_kind_that_is_asked_for() {
        let passwords = passwords(LONGEST);
        let hash = passwords.hash("correct horse".into()).unwrap();
        assert!(hash.starts_with("$2b$04$"), "{hash}");
        assert_ne!(hash, passwords.hash("correct horse".into()).unwrap(), "each has a salt of its own");
        for kind in ["$2b$", "$2a$", "$2y$"] {
            let hash = hash.replace("$2b$", kind);
            let is_right = |password: &str| passwords.is_right(password.into(), Some(hash.clone()));
            assert_eq!(is_right("correct horse"), Ok(true), "{kind}");
            assert_eq!(is_right("correct hors"), Ok(false), "{kind}");
        }
        let longest = "x".repeat(PASSWORD_BYTES);
        let hash = passwords.hash(longest.clone()).unwrap();
        assert_eq!(passwords.is_right(longest, Some(hash)), Ok(true));
    }

    #[test]
    fn nobodys_hash_is_one_and_fits_no_password() {
        let passwords = passwords(LONGEST);
        let before = passwords.lately.hashed.load(Ordering::Relaxed);
        assert_eq!(passwords.is_right("correct horse".into(), None), Ok(false));
        assert_eq!(passwords.lately.hashed.load(Ordering::Relaxed), before + 1);
        assert_eq!(passwords.is_right(String::new(), None), Ok(false));
    }

    #[test]
    fn a_hash_that_is_none_is_an_error_and_no_wrong_password() {
        let passwords = passwords(LONGEST);
        for hash in ["", "plain", "$2b$04$short", "$1$abc$def"] {
            let answer = passwords.is_right("correct horse".into(), Some(hash.into()));
            assert_eq!(answer, Err(NoHash::Failed), "{hash}");
        }
    }

    #[test]
    fn what_would_wait_for_long_is_refused_at_once() {
        let passwords = Arc::new(passwords(Duration::from_millis(500)));
        assert_eq!(passwords.wait(), Duration::ZERO);
        let (release, released) = std::sync::mpsc::channel::<()>();
        let held = passwords.clone();
        let holder = std::thread::spawn(move || {
            held.aside.run(Instant::now() + LONGEST, move || released.recv().is_err())
        });
        while passwords.aside.counts().running == 0 {
            std::thread::yield_now();
        }
        passwords.lately.mean_us.store(501_000, Ordering::Relaxed);
        assert_eq!(passwords.hash("correct horse".into()), Err(NoHash::Busy));
        assert_eq!(passwords.refused.load(Ordering::Relaxed), 1);
        assert_eq!(passwords.aside.counts().waiting, 0, "it was not even queued");
        drop(release);
        assert_eq!(holder.join().unwrap(), Ok(true));
        passwords.stop();
        assert_eq!(passwords.hash("correct horse".into()), Err(NoHash::Busy), "the process ends");
    }
}
