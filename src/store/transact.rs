//! Transactions: a closure with BEGIN before its first statement and COMMIT after its last, whose outcome is
//! known for certain when its caller is answered.
//!
//! Until COMMIT is sent a transaction can end at any time, and is then undone: by its closure, by a database
//! error, by a panic, by its caller's deadline. Once COMMIT is on its way it comes to its own end. If its
//! connection is lost then, the closure is never run again blindly: the old backend is ended, and `settled`
//! asks in a new statement whether the work is there.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use postgres::types::ToSql;
use postgres::{Error, Row};

use super::Unavailable;
use super::failure::{Chain, Failure};
use super::lanes::Lane;
use super::pool::{Job, Pool, PoolMetrics};
use super::reply::Reply;
use super::server::Backend;
use super::session::Session;
use crate::waiting::{self, Expire};

/// How often a transaction is tried again after a deadlock or a serialization failure.
const RETRIES: u32 = 10;

/// The longest pause between two tries.
const LONGEST_PAUSE_MS: u64 = 128;

/// A transaction under way. BEGIN goes with its first statement.
pub struct Transaction<'s> {
    session: &'s mut Session,
    /// Asked before COMMIT: whether it may still be sent.
    may_commit: &'s dyn Fn() -> bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was sent.
    Fresh,
    Open,
    /// A statement failed: only a ROLLBACK is taken.
    Failed,
    /// COMMIT was sent with the last statement.
    Ended,
}

/// Why a closure wants its transaction undone.
#[derive(Debug)]
pub enum Undo<E> {
    /// A reason of its own.
    Because(E),
    /// A statement failed.
    Database(Error),
    /// The caller's deadline has passed before COMMIT was sent.
    Late,
}

impl<E> From<Error> for Undo<E> {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

/// Why a transaction was not committed. None of it is stored.
#[derive(Debug)]
pub enum NotDone<E> {
    /// The closure's own reason.
    Because(E),
    /// Postgres refused the data.
    Refused(Refusal),
    /// It could not be done now.
    Unavailable(Unavailable),
}

impl<E> From<Unavailable> for NotDone<E> {
    fn from(reason: Unavailable) -> Self {
        Self::Unavailable(reason)
    }
}

/// What Postgres said of data that it refused (Postgres manual, appendix A).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE, five characters.
    pub code: String,
    /// The constraint that was violated, if it was one with a name.
    pub constraint: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.constraint {
            Some(constraint) => write!(f, "{} ({constraint})", self.code),
            None => f.write_str(&self.code),
        }
    }
}

impl<'s> Transaction<'s> {
    pub(super) fn new(session: &'s mut Session, may_commit: &'s dyn Fn() -> bool) -> Self {
        Self { session, may_commit, state: State::Fresh }
    }

    /// The rows of `sql`.
    ///
    /// # Errors
    /// Those of the statement; the transaction can then only be undone.
    pub fn query(&mut self, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let begin = self.begin();
        let answer = self.session.query_between(begin, sql, values, None);
        self.note(answer)
    }

    /// How many rows `sql` has changed.
    ///
    /// # Errors
    /// As [`Transaction::query`].
    pub fn execute(&mut self, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        let begin = self.begin();
        let answer = self.session.execute_between(begin, sql, values, None);
        self.note(answer)
    }

    /// As [`Transaction::query`], as the last statement: COMMIT goes with it, which saves a round trip. If it
    /// is the only one it needs neither BEGIN nor COMMIT. Nothing may be asked of the transaction afterwards.
    ///
    /// # Errors
    /// Those of the statement or of the commit. [`Undo::Late`] if nothing was sent any more.
    pub fn query_last<E>(
        &mut self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Undo<E>> {
        let commit = self.end(sql)?;
        let answer = self.session.query_between(None, sql, values, commit);
        self.note_last(commit, answer)
    }

    /// As [`Transaction::query_last`], for how many rows `sql` has changed.
    ///
    /// # Errors
    /// As [`Transaction::query_last`].
    pub fn execute_last<E>(
        &mut self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Undo<E>> {
        let commit = self.end(sql)?;
        let answer = self.session.execute_between(None, sql, values, commit);
        self.note_last(commit, answer)
    }

    /// What goes before the next statement.
    fn begin(&mut self) -> Option<&'static str> {
        assert!(self.state != State::Ended, "a statement after the last one of a transaction");
        let fresh = self.state == State::Fresh;
        self.state = State::Failed;
        fresh.then_some("BEGIN")
    }

    /// What goes after the last statement, which is prepared by then: whatever fails from now on was sent.
    fn end<E>(&mut self, sql: &'static str) -> Result<Option<&'static str>, Undo<E>> {
        assert!(self.state != State::Ended, "a statement after the last one of a transaction");
        let alone = self.state == State::Fresh;
        if let Err(error) = self.session.prepare(sql) {
            self.state = if alone { State::Fresh } else { State::Failed };
            return Err(error.into());
        }
        if !(self.may_commit)() {
            return Err(Undo::Late);
        }
        self.state = State::Ended;
        self.session.take_warning();
        Ok((!alone).then_some("COMMIT"))
    }

    /// A statement that Postgres has refused has ended the transaction with the COMMIT behind it. One that
    /// could not be sent has kept COMMIT back.
    fn note_last<T, E>(&mut self, commit: Option<&str>, answer: Result<T, Error>) -> Result<T, Undo<E>> {
        if commit.is_some() && answer.as_ref().is_err_and(|error| error.as_db_error().is_none()) {
            self.state = State::Failed;
        }
        Ok(answer?)
    }

    fn note<T>(&mut self, answer: Result<T, Error>) -> Result<T, Error> {
        if answer.is_ok() {
            self.state = State::Open;
        }
        answer
    }

    /// Undoes what there is.
    pub(super) fn roll_back(&mut self) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Open | State::Failed => self.session.batch("ROLLBACK"),
            State::Fresh | State::Ended => Ok(()),
        }
    }

    /// Commits what the closure left open. It is refused if that is too late, or if a statement had failed,
    /// which the closure kept to itself.
    pub(super) fn commit(&mut self) -> Result<Result<(), Unavailable>, Error> {
        match self.state {
            State::Fresh | State::Ended => return Ok(Ok(())),
            State::Failed => return self.roll_back().map(|()| Err(Unavailable::Refused)),
            State::Open => {}
        }
        if !(self.may_commit)() {
            return self.roll_back().map(|()| Err(Unavailable::Deadline));
        }
        self.state = State::Ended;
        self.session.take_warning();
        self.session.batch("COMMIT").map(Ok)
    }
}

impl Pool {
    /// Runs `work` as a transaction on one of the connections and parks until its outcome is known.
    ///
    /// `work` may be run more than once, so it has no effect but by its transaction: after a conflict, and
    /// when its connection was lost before COMMIT was sent. What it stores bears an id that the caller chose;
    /// `settled` looks for that, and gives the answer if it is there. It is asked if the connection was lost
    /// with COMMIT on its way, when no other transaction that could store the id is left.
    ///
    /// # Errors
    /// None of it is stored. The closure's own reason; data that Postgres refuses, by SQLSTATE; otherwise
    /// what stands against it now.
    pub fn transact<T, E>(
        &self,
        settled: impl Fn(&mut Session) -> Result<Option<T>, Error> + Send + 'static,
        work: impl Fn(&mut Transaction<'_>) -> Result<T, Undo<E>> + Send + 'static,
    ) -> Result<T, NotDone<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (reply, waiter) = super::reply::channel();
        let gate = Arc::new(Gate { wait: reply.expiry(), committing: Mutex::new(false) });
        let end = self.expire(gate.clone());
        let job =
            Work { work, settled, end, gate, reply: Some(reply), sent: Sent::default(), pool: self.counts() };
        self.submit(Lane::Transaction, Box::new(job))?;
        waiter.wait()?
    }
}

/// Ends a wait at its deadline, unless COMMIT is on its way.
struct Gate {
    wait: Arc<dyn Expire>,
    committing: Mutex<bool>,
}

impl Gate {
    /// From now on the wait is as long as the commit takes. `false` if its deadline has passed.
    fn close(&self) -> bool {
        let mut committing = self.committing.lock();
        *committing = !self.wait.is_over();
        *committing
    }
}

impl Expire for Gate {
    fn expire(&self) -> bool {
        !*self.committing.lock() && self.wait.expire()
    }

    fn is_over(&self) -> bool {
        self.wait.is_over()
    }
}

struct Work<T, E, S, W> {
    work: W,
    settled: S,
    /// Until when the caller waits for COMMIT to be sent.
    end: Instant,
    gate: Arc<Gate>,
    reply: Option<Reply<Result<T, NotDone<E>>>>,
    sent: Sent,
    pool: Arc<PoolMetrics>,
}

/// Whether COMMIT was sent, and to whom, without its outcome being known yet.
#[derive(Default)]
struct Sent {
    to: Option<Backend>,
    commit: Cell<bool>,
    /// Whether the outcome is being asked.
    asked: bool,
}

/// How a try ended.
enum Tried<T, E> {
    Done(T),
    NotDone(NotDone<E>),
    Conflict(Error),
    /// Undone, and the session is of no more use.
    Left(Error),
    /// COMMIT was sent, and what became of it is not known. Without an error the session lives, but the wait
    /// for a standby was cancelled.
    Unknown(Option<Error>),
}

impl<T, E, S, W> Work<T, E, S, W>
where
    T: Send,
    E: Send,
    S: Fn(&mut Session) -> Result<Option<T>, Error>,
    W: Fn(&mut Transaction<'_>) -> Result<T, Undo<E>>,
{
    fn answer(&mut self, answer: Result<T, NotDone<E>>) {
        let counter = if answer.is_ok() { &self.pool.committed } else { &self.pool.undone };
        counter.fetch_add(1, Ordering::Relaxed);
        self.sent = Sent::default();
        if let Some(reply) = self.reply.take() {
            reply.send(answer);
        }
    }

    /// Whether anybody still waits.
    fn is_awaited(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_settled())
    }

    fn attempt(&mut self, session: &mut Session) -> Tried<T, E> {
        if !session.set_end(Some(self.end)) {
            return Tried::NotDone(Unavailable::Deadline.into());
        }
        self.sent.to = Some(session.backend());
        let (socket, sent, gate) = (session.socket(), &self.sent.commit, &self.gate);
        let may_commit = || {
            // In this order: nobody may be told that it is too late, and then have it done.
            sent.set(gate.close() && socket.set_end(None));
            sent.get()
        };
        let mut transaction = Transaction::new(session, &may_commit);
        let tried = match (self.work)(&mut transaction) {
            Ok(value) => match transaction.commit() {
                Ok(Ok(())) => Tried::Done(value),
                Ok(Err(reason)) => Tried::NotDone(reason.into()),
                Err(error) => failed(error, sent.get()),
            },
            Err(undo) => {
                let tried = match undo {
                    Undo::Because(reason) => Tried::NotDone(NotDone::Because(reason)),
                    Undo::Late => Tried::NotDone(Unavailable::Deadline.into()),
                    Undo::Database(error) => failed(error, sent.get()),
                };
                match tried {
                    Tried::Left(_) | Tried::Unknown(_) => tried,
                    tried => transaction.roll_back().map_or_else(Tried::Left, |()| tried),
                }
            }
        };
        match tried {
            Tried::Done(_) if sent.get() && session.take_warning() => Tried::Unknown(None),
            tried => tried,
        }
    }

    /// Finds out what became of a COMMIT, and answers if that is the last word. `false`: it was not done, and
    /// may be tried again. On an error the outcome is still unknown, and the next session is asked.
    fn settle(&mut self, session: &mut Session, backend: Backend) -> Result<bool, Error> {
        self.sent.asked = true;
        match self.find_out(session, backend) {
            Ok(Some(value)) => self.answer(Ok(value)),
            Ok(None) => {
                self.sent = Sent::default();
                return Ok(false);
            }
            Err(error) if matches!(Failure::of(&error), Failure::Lost | Failure::Stale) => return Err(error),
            Err(error) => {
                log::error!("the outcome of a transaction cannot be read: {}", Chain(&error));
                self.answer(Err(Unavailable::Unknown.into()));
            }
        }
        Ok(true)
    }

    /// Asks what became of a COMMIT. `None`: it was not done, and will not be.
    fn find_out(&self, session: &mut Session, backend: Backend) -> Result<Option<T>, Error> {
        for tries in 0.. {
            if tries > 0 {
                rest(tries);
            }
            match self.ask(session, backend) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(error) if matches!(Failure::of(&error), Failure::Conflict | Failure::Server) => {
                    log::warn!("the outcome of a transaction is not known yet: {}", Chain(&error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// `None` if it cannot be said yet.
    fn ask(&self, session: &mut Session, backend: Backend) -> Result<Option<Option<T>>, Error> {
        if backend != session.backend() && !session.end(&[backend])? {
            return Ok(None);
        }
        let answer = (self.settled)(session)?;
        session.take_warning();
        session.fence()?;
        Ok((!session.take_warning()).then_some(answer))
    }
}

/// What a failed statement means for its transaction; `sent` if COMMIT was sent.
fn failed<T, E>(error: Error, sent: bool) -> Tried<T, E> {
    match Failure::of(&error) {
        Failure::Lost if sent => Tried::Unknown(Some(error)),
        Failure::Broken if sent => Tried::Unknown(None),
        Failure::Lost | Failure::Stale => Tried::Left(error),
        Failure::Conflict => Tried::Conflict(error),
        Failure::Data => Tried::NotDone(NotDone::Refused(refusal(&error))),
        Failure::Server | Failure::Broken => {
            log::error!("a transaction failed: {}", Chain(&error));
            Tried::NotDone(Unavailable::Refused.into())
        }
    }
}

fn refusal(error: &Error) -> Refusal {
    let said = error.as_db_error();
    Refusal {
        // What the client library cannot send is refused as Postgres refuses what it cannot represent.
        code: said.map_or("22000", |said| said.code().code()).into(),
        constraint: said.and_then(|said| said.constraint()).map(Into::into),
    }
}

fn rest(tries: u32) {
    let longest = 1_u64.checked_shl(tries).unwrap_or(u64::MAX).min(LONGEST_PAUSE_MS);
    waiting::sleep(Duration::from_millis(fastrand::u64(longest / 2..=longest)));
}

impl<T, E, S, W> Job for Work<T, E, S, W>
where
    T: Send,
    E: Send,
    S: Fn(&mut Session) -> Result<Option<T>, Error> + Send,
    W: Fn(&mut Transaction<'_>) -> Result<T, Undo<E>> + Send,
{
    fn goes_on_after_panic(&self) -> bool {
        self.sent.commit.get() && !self.sent.asked
    }

    fn run(&mut self, session: &mut Session) -> Result<(), Error> {
        if let (Some(backend), true) = (self.sent.to, self.sent.commit.get())
            && self.settle(session, backend)?
        {
            return Ok(());
        }
        for tries in 1.. {
            if !self.is_awaited() {
                return Ok(());
            }
            // A wait for a COMMIT has no deadline any more; a try that comes after it has one again.
            if Instant::now() >= self.end {
                self.answer(Err(Unavailable::Deadline.into()));
                return Ok(());
            }
            let tried = self.attempt(session);
            if !matches!(tried, Tried::Unknown(_)) {
                self.sent = Sent::default();
            }
            let answer = match tried {
                Tried::Done(value) => Ok(value),
                Tried::NotDone(reason) => Err(reason),
                Tried::Left(error) => return Err(error),
                Tried::Unknown(lost) => {
                    self.pool.uncertain.fetch_add(1, Ordering::Relaxed);
                    let backend = session.backend();
                    match lost {
                        Some(error) => return Err(error),
                        None if self.settle(session, backend)? => return Ok(()),
                        None => continue,
                    }
                }
                Tried::Conflict(_) if tries <= RETRIES => {
                    self.pool.conflicts.fetch_add(1, Ordering::Relaxed);
                    rest(tries);
                    continue;
                }
                Tried::Conflict(error) => {
                    log::error!("a transaction is given up: {}", Chain(&error));
                    Err(Unavailable::Refused.into())
                }
            };
            self.answer(answer);
            return Ok(());
        }
        Ok(())
    }
}

impl<T, E, S, W> Drop for Work<T, E, S, W> {
    /// With COMMIT on its way the end of the process, or a panic of `settled`, leaves the outcome unknown.
    fn drop(&mut self) {
        if self.sent.commit.get()
            && let Some(reply) = self.reply.take()
        {
            reply.fail(Unavailable::Unknown);
        }
    }
}
