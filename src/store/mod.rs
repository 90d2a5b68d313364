//! Postgres: sessions, the group commit, the pool with its transactions, the change feed, migrations.
//!
//! The writer and the feed use their sessions on an OS thread of their own; those of the pool are used by
//! coroutines. All are reached through bounded queues, and the coroutine that asked parks until its `reply`
//! comes. Postgres may come late, go away, fall silent and come back, or come back with less than it had: all
//! of them wait, reconnect and go on, and nobody waits past a deadline for something that was never sent.
//!
//! What may not enter: HTTP, JSON, any API's table. A table comes in through [`Batch`], a lookup or a
//! transaction through a closure.

mod batch;
pub mod commit;
mod company;
mod connect;
mod drive;
mod exposition;
mod failure;
mod feed;
mod gather;
mod lanes;
mod local;
mod migrate;
mod passfile;
mod pool;
mod pulse;
mod reply;
mod server;
mod session;
mod socket;
mod tls;
mod transact;
mod unconnected;
mod writer;

pub use batch::Batch;
pub use connect::{Connector, Purpose};
pub use failure::Chain;
pub use feed::{Feed, Follow, Followed};
pub use gather::{Fetch, Gather};
pub use lanes::Lane;
pub use migrate::{MigrateError, Migration, Schema, is_current, migrate};
pub use pool::{Pool, PoolMetrics, PoolThreads};
pub use pulse::Pulse;
pub use server::{Durability, Origin};
pub use session::Session;
pub use transact::{NotDone, Refusal, Transaction, Undo};
pub use unconnected::{ConnectError, NoSession};

/// Why the store could not do what was asked. All but the last are a 503: nothing of it is stored, and the
/// client may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The bounded queue is full.
    QueueFull,
    /// It waited until its deadline and was never sent to Postgres.
    Deadline,
    /// Postgres refused for a reason that is not the request's fault (disk full, too many connections, …).
    Refused,
    /// The process is ending.
    ShuttingDown,
    /// It was sent, and our own code cannot read what became of it: a 500.
    Unknown,
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::QueueFull => "too many requests are waiting for the database",
            Self::Deadline => "the database did not answer in time",
            Self::Refused => "the database cannot take this now",
            Self::ShuttingDown => "this replica is shutting down",
            Self::Unknown => "what became of this is not known",
        })
    }
}
