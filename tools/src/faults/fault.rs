//! What is done to the stack, one thing at a time.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::aborts::{Aborts, Commits};
use super::failover;
use super::history::{Attempted, History};
use super::hostile::Hostile;
use super::measure::{Promise, Ready};
use super::postgres::Postgres;
use super::proxy::Cut;
use super::stack::Stack;
use super::supervisor::Supervised;
use super::{Failure, promised};
use super::{threads, volume};

/// How often backends are ended while that is the fault.
const END_INTERVAL: Duration = Duration::from_millis(20);

/// Connections cut by one fault, and how long that may take.
const CUTS: u32 = 5;
const CUTS_PATIENCE: Duration = promised(10_000);

const NO_PROXIES: &str = "this stack has no proxies";
const NO_VOLUME: &str = "this stack has no volume";

/// Every fault is recovered from in this time after its end, unless Postgres itself needs most of it.
pub const RECOVERY: Duration = promised(5_000);

/// The same where nothing has to start that takes its time.
pub const SHORT_RECOVERY: Duration = promised(3_000);

/// So long a disk may stall until a replica has to say that it is not ready.
const NOTICED: Duration = Duration::from_millis(2_500);

/// A silent statement, 3 s in which a second session asks the same server, 5 s to sign in there, and then the
/// other server.
const LEAVING_A_FROZEN_SERVER: Duration = promised(10_000);

/// A fault. Replicas are numbered from 0; a duration is how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL; down for so long.
    KillReplica(usize, Duration),
    /// SIGKILL of all at once.
    KillReplicas(Duration),
    /// SIGTERM: it drains first.
    StopReplica(usize),
    /// SIGSTOP, later SIGCONT.
    PauseReplica(usize, Duration),
    /// SIGKILL of every process of Postgres. Before this and the other ends of Postgres hundreds of INSERTs
    /// are aborted.
    KillPostgres(Duration),
    /// The same while nobody else commits: the most ids are given out again.
    KillPostgresQuietly(Duration),
    /// SIGKILL of the postmaster alone.
    KillPostmaster(Duration),
    /// The immediate stop.
    StopPostgresAtOnce(Duration),
    /// SIGSTOP of every process of Postgres, later SIGCONT.
    PausePostgres(Duration),
    /// A replica's connections to Postgres stay open and accept, and nothing comes through either way.
    Silence(usize, Duration),
    /// The primary is killed and the standby promoted. An asynchronous one lacks what was committed last.
    FailOver(Commits),
    /// The primary stands still, and stays so; the standby is promoted.
    FailOverFrozen,
    /// The primary that was left runs again, but as a server that does not write.
    ComeBackFenced,
    /// Postgres's data is replaced by a copy from some time before.
    CopyBack,
    /// `pg_terminate_backend` for the replicas' sessions, again and again.
    EndBackends(Duration),
    /// The connection of a replica's writer is cut.
    CutConnection(usize, Cut),
    /// SIGKILL of nginx.
    KillNginx(Duration),
    /// Hostile clients at a replica.
    Hostile(usize, Hostile),
    /// Each thread of a replica stands still for so long, one after the other.
    StallThreads(usize, Duration),
    /// A thread of a replica aborts.
    Abort(usize),
    /// A replica can map no more memory, so that nobody who connects gets a stack.
    Starve(usize, Duration),
    /// Whatever Postgres writes hangs.
    StallDisk(Duration),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::KillReplica(_, lasts)
            | Self::KillReplicas(lasts)
            | Self::PauseReplica(_, lasts)
            | Self::KillPostgres(lasts)
            | Self::KillPostgresQuietly(lasts)
            | Self::Silence(_, lasts)
            | Self::KillPostmaster(lasts)
            | Self::StopPostgresAtOnce(lasts)
            | Self::PausePostgres(lasts)
            | Self::EndBackends(lasts)
            | Self::StallThreads(_, lasts)
            | Self::Starve(_, lasts)
            | Self::StallDisk(lasts)
            | Self::Hostile(
                _,
                Hostile::SlowReaders(lasts) | Hostile::Idle(_, lasts) | Hostile::Pipelining(lasts),
            )
            | Self::KillNginx(lasts) => write!(f, " for {:.1} s", lasts.as_secs_f64()),
            Self::StopReplica(_)
            | Self::CutConnection(..)
            | Self::FailOver(_)
            | Self::FailOverFrozen
            | Self::ComeBackFenced
            | Self::Abort(_)
            | Self::Hostile(_, Hostile::LargeCreations(_))
            | Self::CopyBack => Ok(()),
        }
    }
}

impl Fault {
    /// What reports count it as.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::KillReplica(..) => "replica killed",
            Self::KillReplicas(_) => "both replicas killed",
            Self::StopReplica(_) => "replica restarted (SIGTERM)",
            Self::PauseReplica(..) => "replica paused",
            Self::KillPostgres(_) => "Postgres killed",
            Self::KillPostgresQuietly(_) => "Postgres killed after aborts",
            Self::Silence(..) => "the way to Postgres silent",
            Self::FailOver(_) => "standby promoted",
            Self::FailOverFrozen => "standby promoted, primary frozen",
            Self::ComeBackFenced => "old primary back, fenced",
            Self::CopyBack => "data folder copied back",
            Self::KillPostmaster(_) => "postmaster killed",
            Self::StopPostgresAtOnce(_) => "Postgres stopped at once",
            Self::PausePostgres(_) => "Postgres paused",
            Self::EndBackends(_) => "backends terminated",
            Self::CutConnection(_, Cut::Before) => "cut before the statement",
            Self::CutConnection(_, Cut::During) => "cut during the statement",
            Self::CutConnection(_, Cut::After) => "cut before the answer",
            Self::KillNginx(_) => "nginx killed",
            Self::Hostile(_, Hostile::SlowReaders(_)) => "slow readers",
            Self::Hostile(_, Hostile::LargeCreations(_)) => "large creations",
            Self::Hostile(_, Hostile::Idle(..)) => "idle connections",
            Self::Hostile(_, Hostile::Pipelining(_)) => "pipelining without an end",
            Self::StallThreads(..) => "threads stalled",
            Self::Abort(_) => "a thread aborted",
            Self::Starve(..) => "no memory for stacks",
            Self::StallDisk(_) => "Postgres's disk stalled",
        }
    }

    /// How soon after its end requests must succeed on both replicas again.
    pub fn recovery(&self) -> Duration {
        match self {
            Self::FailOverFrozen => LEAVING_A_FROZEN_SERVER,
            Self::Hostile(..)
            | Self::StallThreads(..)
            | Self::Abort(_)
            | Self::Starve(..)
            | Self::StallDisk(_) => SHORT_RECOVERY,
            _ => RECOVERY,
        }
    }

    /// Whom to look at meanwhile, and what is promised then.
    pub fn watched(&self) -> Option<(usize, Promise)> {
        let promise = |ready, serves, creates| Promise { ready, serves, creates };
        match *self {
            Self::Hostile(replica, _) => Some((replica, promise(Ready::Stays, true, true))),
            // One of the threads is that of all coroutines.
            Self::StallThreads(replica, _) | Self::Abort(replica) | Self::Starve(replica, _) => {
                Some((replica, promise(Ready::Returns, false, false)))
            }
            Self::StallDisk(lasts) if lasts > NOTICED => Some((0, promise(Ready::Goes, true, false))),
            Self::StallDisk(_) => Some((0, promise(Ready::Returns, true, false))),
            _ => None,
        }
    }

    /// Does it and returns at its end: what was ended is being started again, what was paused goes on.
    pub fn inject(&self, stack: &Stack, history: &History<impl Attempted>) -> Result<(), Failure> {
        let postgres = stack.primary();
        match *self {
            Self::KillReplica(index, lasts) => end(&[&stack.replicas[index]], Signal::KILL, lasts),
            Self::KillReplicas(lasts) => end(&stack.replicas.iter().collect::<Vec<_>>(), Signal::KILL, lasts),
            Self::StopReplica(index) => end(&[&stack.replicas[index]], Signal::TERM, Duration::ZERO),
            Self::PauseReplica(index, lasts) => {
                stack.replicas[index].signal(Signal::STOP)?;
                thread::sleep(lasts);
                Ok(stack.replicas[index].signal(Signal::CONT)?)
            }
            Self::KillPostgres(lasts) => down(stack, lasts, Commits::GoOn, Postgres::kill),
            Self::KillPostgresQuietly(lasts) => down(stack, lasts, Commits::Wait, Postgres::kill),
            Self::KillPostmaster(lasts) => down(stack, lasts, Commits::GoOn, Postgres::kill_postmaster),
            Self::StopPostgresAtOnce(lasts) => down(stack, lasts, Commits::GoOn, Postgres::stop_at_once),
            Self::PausePostgres(lasts) => {
                let paused = postgres.pause()?;
                thread::sleep(lasts);
                Postgres::resume(&paused);
                Ok(())
            }
            Self::Silence(index, lasts) => {
                let proxy = stack.proxies.get(index).ok_or(NO_PROXIES)?;
                proxy.be_silent(true);
                thread::sleep(lasts);
                proxy.be_silent(false);
                Ok(())
            }
            Self::FailOver(commits) => failover::fail_over(stack, history, commits),
            Self::FailOverFrozen => failover::fail_over_frozen(stack),
            Self::ComeBackFenced => failover::come_back_fenced(stack),
            Self::CopyBack => failover::copy_back(stack, history),
            Self::EndBackends(lasts) => end_backends(postgres, lasts),
            Self::CutConnection(index, cut) => {
                let proxy = stack.proxies.get(index).ok_or(NO_PROXIES)?;
                match proxy.cut(cut, CUTS, CUTS_PATIENCE) {
                    CUTS => Ok(()),
                    done => Err(format!("only {done} of {CUTS} commits came by the proxy").into()),
                }
            }
            Self::Hostile(replica, hostile) => hostile.attack(stack, replica),
            Self::StallThreads(replica, lasts) => threads::stall_each(stack, replica, lasts),
            Self::Abort(replica) => threads::abort(stack, replica),
            Self::Starve(replica, lasts) => threads::starve(stack, replica, lasts),
            Self::StallDisk(lasts) => volume::stall(stack.volume.as_ref().ok_or(NO_VOLUME)?, lasts),
            Self::KillNginx(lasts) => {
                let nginx = stack.nginx.as_ref().ok_or("this stack has no nginx")?;
                nginx.process.hold();
                nginx.process.signal_tree(Signal::KILL)?;
                nginx.process.wait_until_gone()?;
                thread::sleep(lasts);
                nginx.process.release();
                Ok(())
            }
        }
    }
}

fn end(processes: &[&Supervised], signal: Signal, lasts: Duration) -> Result<(), Failure> {
    processes.iter().for_each(|process| process.hold());
    for process in processes {
        process.signal(signal)?;
    }
    for process in processes {
        let exit = process.wait_until_gone()?;
        if signal == Signal::TERM && !exit.success() {
            return Err(format!("{} was told to stop and ended with {exit}", process.name()).into());
        }
    }
    thread::sleep(lasts);
    processes.iter().for_each(|process| process.release());
    Ok(())
}

fn down(
    stack: &Stack,
    lasts: Duration,
    commits: Commits,
    how: fn(&Postgres) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let postgres = stack.primary();
    let aborts = Aborts::start(postgres, stack.subject, commits)?;
    postgres.hold();
    let ended = how(postgres);
    drop(aborts);
    thread::sleep(lasts);
    postgres.release();
    ended
}

fn end_backends(postgres: &Postgres, lasts: Duration) -> Result<(), Failure> {
    let mut client = postgres.client()?;
    let until = Instant::now() + lasts;
    while Instant::now() < until {
        client.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pouco'",
            &[],
        )?;
        thread::sleep(END_INTERVAL);
    }
    Ok(())
}
