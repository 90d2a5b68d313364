//! Sleep, and the end of waits, in the worker's own loop.
//!
//! `may` has one thread for all timeouts, and a coroutine goes on there when its time has come, in parallel
//! with the worker. Here one coroutine has a timer descriptor (timerfd(2)) that the worker watches among its
//! sockets, and a [`Wheel`] of what is to be woken when. It wakes the others as any coroutine does, so they
//! go on where they slept. The descriptor is armed only while something waits, and again only for an end that
//! is nearer than the one it is armed for.
//!
//! Race window: the lock is released before the waiters that are due are woken. One of them may have been
//! told otherwise meanwhile and be gone, or sleep again: a sleeper looks whether its own entry has come due
//! and parks again if not, and a wait that is over takes no second end.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use may::coroutine::{self, Coroutine};
use may::io::{CoIo, WaitIo};
use parking_lot::{Mutex, MutexGuard};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::Expire;
use super::configure_coroutines;
use super::interest::{FdRef, watch};
use super::life::Life;
use super::wheel::{Key, LAST_TICK, Wheel};
use crate::limits;

/// Nanoseconds of a tick are a power of two: half a millisecond. What ends within one tick is woken together.
const TICK_BITS: u32 = 19;

// Any duration of 64 bits of nanoseconds has its tick.
const _: () = assert!(u64::MAX >> TICK_BITS < LAST_TICK);

/// Room that is kept for waiters that are woken together.
const KEPT_DUE: usize = 1_024;

static TIMER: OnceLock<Arc<Timer>> = OnceLock::new();

/// Parks the calling coroutine for a time; blocks if it is a thread.
pub fn sleep(duration: Duration) {
    match Instant::now().checked_add(duration) {
        Some(end) => sleep_until(end),
        // Past the end of the clock.
        None => loop {
            sleep(Duration::from_secs(u64::from(u32::MAX)));
        },
    }
}

/// Parks the calling coroutine until a certain time; blocks if it is a thread.
pub fn sleep_until(end: Instant) {
    if !coroutine::is_coroutine() {
        return thread::sleep(end.saturating_duration_since(Instant::now()));
    }
    let Ok(timer) = Timer::get() else {
        // Without a descriptor for our own there is still the timer of `may`, which has a thread.
        return coroutine::sleep(end.saturating_duration_since(Instant::now()));
    };
    if end <= Instant::now() {
        return;
    }
    let alarm = timer.add(end, Wake::Sleeper(coroutine::current()));
    while !alarm.is_due() {
        coroutine::park();
    }
}

/// Whom the timer tells.
enum Wake {
    Sleeper(Coroutine),
    Wait(Arc<dyn Expire>),
}

impl Wake {
    fn tell(self) {
        match self {
            Self::Sleeper(coroutine) => coroutine.unpark(),
            // What a wait does with its end is not to end the timer.
            Self::Wait(wait) => {
                if catch_unwind(AssertUnwindSafe(|| wait.expire())).is_err() {
                    log::error!("the end of a wait panicked");
                }
            }
        }
    }
}

/// An end of a wait that is still to come. Dropped before, it leaves nothing behind.
#[must_use]
pub(crate) struct Alarm {
    timer: &'static Timer,
    /// `None` only while it is dropped.
    key: Option<Key>,
}

impl Alarm {
    fn is_due(&self) -> bool {
        let state = self.timer.state();
        self.key.as_ref().is_none_or(|key| state.wheel.is_due(key))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let wake = self.timer.state().wheel.remove(key);
        // Without the lock: it may be the last to hold the wait.
        drop(wake);
    }
}

/// The timer of the process.
pub(crate) struct Timer {
    started: Instant,
    descriptor: OwnedFd,
    state: Mutex<State>,
}

struct State {
    wheel: Wheel<Wake>,
    /// The tick that the descriptor is armed for.
    armed: Option<u64>,
}

impl Timer {
    /// The timer, started if this is the first call.
    ///
    /// # Errors
    /// If there is no descriptor to be had; a later call tries again.
    pub(crate) fn get() -> io::Result<&'static Timer> {
        static STARTING: Mutex<()> = Mutex::new(());
        if let Some(timer) = TIMER.get() {
            return Ok(timer);
        }
        let _alone = STARTING.lock();
        if let Some(timer) = TIMER.get() {
            return Ok(timer);
        }
        configure_coroutines();
        let descriptor =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let watched = watch(&descriptor)?;
        let state = Mutex::new(State { wheel: Wheel::new(), armed: None });
        let timer = Arc::new(Timer { started: Instant::now(), descriptor, state });
        let turning = timer.clone();
        let builder = coroutine::Builder::new().name("pouco-timer".into());
        may::go!(builder, move || turning.turn_for_ever(&watched))?;
        Ok(TIMER.get_or_init(|| timer))
    }

    /// Ends a wait at a certain time, unless the alarm is dropped before.
    pub(crate) fn alarm(&'static self, end: Instant, wait: Arc<dyn Expire>) -> Alarm {
        self.add(end, Wake::Wait(wait))
    }

    fn add(&'static self, end: Instant, wake: Wake) -> Alarm {
        let due = ticks_until(end.saturating_duration_since(self.started));
        let mut state = self.state();
        let now = self.now();
        state.wheel.catch_up(now.tick());
        let key = state.wheel.insert(due, wake);
        self.arm(&mut state, now);
        Alarm { timer: self, key: Some(key) }
    }

    /// The coroutine that wakes the others.
    fn turn_for_ever(&self, watched: &CoIo<FdRef>) {
        let life = Life::begin("pouco-timer", Some(limits::LOOP_SILENCE));
        // Its own pauses would be this timer's; a panic leaves nothing that could not be turned on.
        life.keep(|| self.turn(watched, &life), |_| ());
    }

    fn turn(&self, watched: &CoIo<FdRef>, life: &Life) {
        let mut due = Vec::new();
        loop {
            life.rest();
            // What has come is told once (epoll(7), edges), and arming begins again: nothing needs to be
            // read.
            watched.wait_io();
            life.beat();
            {
                let mut state = self.state();
                let now = self.now();
                state.armed = None;
                state.wheel.turn(now.tick(), &mut due);
                self.arm(&mut state, now);
            }
            due.drain(..).for_each(Wake::tell);
            due.shrink_to(KEPT_DUE);
        }
    }

    /// Arms the descriptor, unless it is armed for a time that is as near. (What it was armed for may have
    /// been taken out; then one turn has nothing to do.)
    fn arm(&self, state: &mut State, now: SinceStart) {
        let Some(next) = state.wheel.next_tick() else { return };
        if state.armed.is_some_and(|armed| armed <= next) {
            return;
        }
        let left = Duration::from_nanos(next << TICK_BITS).saturating_sub(now.0);
        // Zero would disarm it.
        let left = left.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        match timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once) {
            Ok(_) => state.armed = Some(next),
            // No time that is made here is refused (timerfd_settime(2)).
            Err(error) => log::error!("the timer cannot be armed: {error}"),
        }
    }

    fn now(&self) -> SinceStart {
        SinceStart(self.started.elapsed())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A reading of the clock, as the wheel counts.
#[derive(Clone, Copy)]
struct SinceStart(Duration);

impl SinceStart {
    /// The last tick that has come.
    fn tick(self) -> u64 {
        nanos(self.0) >> TICK_BITS
    }
}

/// The first tick that is not before a time: nobody is woken early.
fn ticks_until(time: Duration) -> u64 {
    nanos(time).div_ceil(1 << TICK_BITS)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::waiting::reply::{self, Slot};

    const MS: Duration = Duration::from_millis(1);

    impl Expire for Slot<&'static str> {
        fn expire(&self) -> bool {
            self.settle(Some("late"))
        }

        fn is_over(&self) -> bool {
            self.is_settled()
        }
    }

    #[test]
    fn a_time_is_rounded_up_and_the_present_down() {
        let tick = Duration::from_nanos(1 << TICK_BITS);
        let nano = Duration::from_nanos(1);
        assert_eq!([Duration::ZERO, nano, tick, tick + nano].map(ticks_until), [0, 1, 1, 2]);
        assert_eq!([tick - nano, tick, tick + nano].map(|time| SinceStart(time).tick()), [0, 1, 1]);
        assert!(ticks_until(Duration::MAX) < LAST_TICK);
        assert!(tick <= MS);
    }

    /// No wake-up is early, and an earlier end is woken earlier, except for those woken together: `may` may
    /// begin with the last of these. How late they are hangs on the machine and on what else it tests;
    /// `benches/engine` measures it.
    #[test]
    fn coroutines_sleep_until_their_end_and_wake_in_its_order() {
        const SLEEPERS: u64 = 500;
        const TOGETHER: u64 = 100;
        let (woken, order) = mpsc::channel();
        let begin = Instant::now() + 50 * MS;
        for n in 0..SLEEPERS {
            let woken = woken.clone();
            // The ends come in another order than that of the sleeps.
            let rank = n * 7 % SLEEPERS;
            let end = begin + Duration::from_millis(rank);
            may::go!(move || {
                sleep_until(end);
                woken.send((rank, Instant::now().checked_duration_since(end))).unwrap();
            });
        }
        drop(woken);
        let (ranks, late): (Vec<u64>, Vec<_>) = order.iter().unzip();
        assert_eq!(ranks.len() as u64, SLEEPERS);
        let mut last = 0;
        for rank in &ranks {
            assert!(rank + TOGETHER > last, "{ranks:?}");
            last = last.max(*rank);
        }
        let mut late: Vec<Duration> = late.into_iter().map(|late| late.expect("nobody is early")).collect();
        late.sort();
        assert!(late[late.len() / 2] < 100 * MS, "{late:?}");
    }

    /// The end that comes last is the nearest: the descriptor is armed again for it.
    #[test]
    fn a_nearer_end_does_not_wait_for_a_farther_one() {
        let (woken, order) = mpsc::channel();
        for (name, millis) in [("far", 400), ("near", 20)] {
            let woken = woken.clone();
            let (begun, beginning) = mpsc::channel();
            may::go!(move || {
                begun.send(()).unwrap();
                sleep(MS * millis);
                woken.send(name).unwrap();
            });
            beginning.recv().unwrap();
        }
        assert_eq!([order.recv().unwrap(), order.recv().unwrap()], ["near", "far"]);
    }

    #[test]
    fn threads_sleep_and_what_is_past_does_not() {
        let begun = Instant::now();
        sleep(5 * MS);
        assert!(begun.elapsed() >= 5 * MS);
        let (woken, wakes) = mpsc::channel();
        may::go!(move || {
            sleep_until(begun);
            sleep(Duration::ZERO);
            woken.send(()).unwrap();
        });
        wakes.recv().unwrap();
    }

    /// An answer in time takes the alarm with it; without one the alarm is the answer, for coroutines and
    /// threads.
    #[test]
    fn an_alarm_ends_a_wait_unless_it_is_dropped() {
        fn waits() -> [Option<&'static str>; 2] {
            let timer = Timer::get().unwrap();
            let (reply, waiter) = reply::channel();
            let alarm = timer.alarm(Instant::now() + 10 * MS, reply.slot());
            let late = waiter.wait();
            drop(alarm);
            assert!(reply.is_settled());
            let (reply, waiter) = reply::channel();
            let slot = reply.slot();
            let alarm = timer.alarm(Instant::now() + Duration::from_secs(3_600), slot.clone());
            assert_eq!(Arc::strong_count(&slot), 4);
            reply.send("answered");
            let answer = waiter.wait();
            drop(alarm);
            assert_eq!(Arc::strong_count(&slot), 1, "the wheel has let go of it");
            [late, answer]
        }
        let expected = [Some("late"), Some("answered")];
        assert_eq!(waits(), expected);
        let (said, heard) = mpsc::channel();
        may::go!(move || said.send(waits()).unwrap());
        assert_eq!(heard.recv().unwrap(), expected);
    }

    /// Coroutines and threads, sleeps that end and alarms that are dropped, all at once.
    #[test]
    fn many_sides_use_it_at_once() {
        static ENDED: AtomicU64 = AtomicU64::new(0);
        let coroutines: Vec<_> = (0..100)
            .map(|n| {
                may::go!(move || {
                    for round in 0..5 {
                        sleep(Duration::from_micros((n * 37 + round * 411) % 3_000));
                        ENDED.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let timer = Timer::get().unwrap();
                    for n in 0..500 {
                        let (reply, waiter) = reply::channel::<&str>();
                        let alarm = timer.alarm(Instant::now() + Duration::from_micros(n), reply.slot());
                        if n % 10 == 0 {
                            assert_eq!(waiter.wait(), Some("late"));
                        }
                        drop(alarm);
                    }
                });
            }
        });
        coroutines.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(ENDED.load(Ordering::Relaxed), 500);
    }
}
