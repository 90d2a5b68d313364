//! The first look at a server: whether it is one that this was made for, and what it says of its database's
//! history.
//!
//! A database may turn out to have lost what was seen in it: a standby was promoted that lacked the last
//! commits, or an older copy of the data took the place of the newer one. What is in memory is then no
//! replica of it any more.

use std::fmt;

use postgres::Row;
use postgres::types::PgLsn;

use super::unconnected::ConnectError;

/// The oldest server that has the builtin locale provider, on which case folding rests.
const OLDEST_SERVER: i32 = 170_000;

/// The first question of a session. It also settles what holds for the session:
///
/// - a backend whose client is gone ends by itself, also in the middle of a statement;
/// - no statement waits for a lock forever, and none runs forever;
/// - a commit is not answered before it is on disk, and on the disk of the standbys that it has to wait for:
///   `synchronous_commit` is raised to `on` where it is weaker, and stays `remote_apply` where it is that.
///   What it was is asked before: a list is worked out from its first value to its last;
/// - the backend is this session's alone. It gets a mark, and one that has it already is another session's: a
///   pooler that shares backends between transactions stands before Postgres. One that gives a backend to a
///   session for its life has the mark reset (PgBouncer's `server_reset_query`).
///
/// The timeline of a primary is that of the WAL file which it writes; a standby has no such file, and says
/// what its last checkpoint knew.
pub(super) const LOOK: &str = "
    SELECT current_setting('server_version_num')::int,
           current_setting('server_encoding'),
           current_setting('transaction_read_only') = 'on',
           pg_is_in_recovery(),
           pg_backend_pid(),
           (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint
            FROM pg_stat_activity WHERE pid = pg_backend_pid()),
           (SELECT system_identifier FROM pg_control_system()),
           CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
                ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END,
           CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_insert_lsn() END,
           CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_flush_lsn() END,
           current_setting('fsync') = 'on',
           current_setting('full_page_writes') = 'on',
           current_setting('synchronous_commit') IN ('on', 'remote_apply'),
           coalesce(current_setting('pouco.session', true), '') <> '',
           set_config('pouco.session', 'begun', false),
           set_config('client_connection_check_interval', $1, false),
           set_config('lock_timeout', $2, false),
           set_config('statement_timeout', $3, false),
           set_config('synchronous_commit',
                      CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')
                           THEN 'on' ELSE current_setting('synchronous_commit') END, false),
           (SELECT least(current_setting('max_connections')::int
                         - current_setting('superuser_reserved_connections')::int
                         - current_setting('reserved_connections')::int,
                         nullif(rolconnlimit, -1), nullif(datconnlimit, -1))
            FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database())";

/// What [`LOOK`] found.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) read_only: bool,
    pub(super) in_recovery: bool,
    pub(super) backend: Backend,
    system: i64,
    timeline: i32,
    /// Where the next WAL goes, or how far a standby has come.
    position: PgLsn,
    /// What of it is safe.
    flushed: PgLsn,
    pub(super) durability: Durability,
    /// How many connections the server, the role and the database allow, whichever is least.
    pub(super) connections: i32,
}

/// Whether what is committed stays, by the settings of the server, the database and the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durability {
    fsync: bool,
    full_page_writes: bool,
    /// Whether `synchronous_commit` was strong enough before [`LOOK`] has raised it.
    waits: bool,
}

impl Durability {
    /// Whether the server can lose what it has acknowledged. Both settings are its own, and no session can
    /// raise them.
    #[must_use]
    pub fn is_weak(self) -> bool {
        !(self.fsync && self.full_page_writes)
    }

    /// Whether the role's or the database's `synchronous_commit` had to be raised.
    #[must_use]
    pub fn is_raised(self) -> bool {
        !self.waits
    }

    /// Says what is weak.
    pub(super) fn warn(self) {
        if self.is_weak() {
            log::warn!(
                "{self} in Postgres: what is committed may be lost when its machine crashes; switch that on, or set \
                 POUCO_DURABILITY=refuse"
            );
        }
        if self.is_raised() {
            log::warn!(
                "synchronous_commit is too weak by the settings of the server, the database or the role: it is \
                 raised to `on` in each session here, and others that write as this role may lose commits"
            );
        }
    }
}

/// Those that are weak, or that none is.
impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.fsync, self.full_page_writes) {
            (false, false) => "fsync and full_page_writes are off",
            (false, true) => "fsync is off",
            (true, false) => "full_page_writes is off",
            (true, true) => "fsync and full_page_writes are on",
        })
    }
}

/// The server process of a session. Its number alone may have been another's before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) pid: i32,
    /// In microseconds since the Unix epoch, by the server's clock.
    pub(super) started_us: i64,
}

impl Server {
    pub(super) fn read(row: &Row) -> Result<Self, ConnectError> {
        let version = row.try_get(0)?;
        let encoding: String = row.try_get(1)?;
        if version < OLDEST_SERVER {
            return Err(ConnectError::TooOld(version));
        }
        if encoding != "UTF8" {
            return Err(ConnectError::Encoding(encoding));
        }
        if row.try_get(13)? {
            return Err(ConnectError::Pooled);
        }
        Ok(Self {
            read_only: row.try_get(2)?,
            in_recovery: row.try_get(3)?,
            backend: Backend { pid: row.try_get(4)?, started_us: row.try_get(5)? },
            system: row.try_get(6)?,
            timeline: row.try_get(7)?,
            position: row.try_get(8)?,
            flushed: row.try_get(9)?,
            durability: Durability {
                fsync: row.try_get(10)?,
                full_page_writes: row.try_get(11)?,
                waits: row.try_get(12)?,
            },
            connections: row.try_get::<_, Option<i32>>(19)?.unwrap_or(i32::MAX),
        })
    }
}

/// What servers say of a history of a database: another one has another cluster, or a newer timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The cluster.
    pub system: i64,
    /// Its timeline.
    pub timeline: i32,
}

/// What is known of the database's history: which it is, and how far it was seen.
#[derive(Clone, Debug)]
pub(super) struct Lineage {
    system: i64,
    timeline: i32,
    flushed: PgLsn,
}

/// Why what was seen may not be there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Another database cluster.
    System,
    /// From this timeline to that.
    Timeline(i32, i32),
    /// It has come less far than it had.
    Position(PgLsn, PgLsn),
    /// The row that was seen last is not there.
    Row,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("it is another cluster"),
            Self::Timeline(seen, now) => write!(f, "its timeline was {seen} and is {now}"),
            Self::Position(seen, now) => write!(f, "its WAL had come to {seen} and is at {now}"),
            Self::Row => f.write_str("the row that was seen last is gone"),
        }
    }
}

impl Lineage {
    pub(super) fn of(server: &Server) -> Self {
        Self { system: server.system, timeline: server.timeline, flushed: server.flushed }
    }

    pub(super) fn origin(&self) -> Origin {
        Origin { system: self.system, timeline: self.timeline }
    }

    /// Whether the server has left this history, or never was in it.
    ///
    /// A standby may be behind in timeline and position without having lost anything; only of a newer
    /// timeline it tells.
    pub(super) fn lost(&self, server: &Server) -> Option<Lost> {
        if server.system != self.system {
            return Some(Lost::System);
        }
        let elsewhere = match server.in_recovery {
            true => server.timeline > self.timeline,
            false => server.timeline != self.timeline,
        };
        if elsewhere {
            return Some(Lost::Timeline(self.timeline, server.timeline));
        }
        let behind = !server.in_recovery && server.position < self.flushed;
        behind.then_some(Lost::Position(self.flushed, server.position))
    }

    /// Whether the server is one of this database that another one has succeeded: both timelines, then.
    ///
    /// A standby on an older timeline may yet follow. Until it does it lacks what was acknowledged since.
    pub(super) fn succeeded(&self, server: &Server) -> Option<(i32, i32)> {
        let older = server.system == self.system && server.timeline < self.timeline;
        older.then_some((server.timeline, self.timeline))
    }

    /// WAL up to here is safe. `false` if more was seen before.
    pub(super) fn note_flushed(&mut self, flushed: PgLsn) -> bool {
        let is_newest = flushed >= self.flushed;
        self.flushed = self.flushed.max(flushed);
        is_newest
    }

    pub(super) fn note(&mut self, server: &Server) {
        self.note_flushed(server.flushed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(timeline: i32, position: u64) -> Server {
        Server {
            read_only: false,
            in_recovery: false,
            backend: Backend { pid: 1, started_us: 1 },
            system: 7,
            timeline,
            position: position.into(),
            flushed: position.into(),
            durability: Durability { fsync: true, full_page_writes: true, waits: true },
            connections: 97,
        }
    }

    #[test]
    fn a_history_that_goes_on_has_lost_nothing() {
        let mut lineage = Lineage::of(&server(1, 100));
        assert_eq!(lineage.lost(&server(1, 100)), None);
        assert!(lineage.note_flushed(150.into()));
        assert_eq!(lineage.lost(&server(1, 150)), None);
        assert!(!lineage.note_flushed(120.into()), "a standby that is behind");
        assert_eq!(lineage.lost(&server(1, 149)), Some(Lost::Position(150.into(), 149.into())));
    }

    #[test]
    fn another_timeline_or_cluster_is_another_history() {
        let lineage = Lineage::of(&server(2, 100));
        assert_eq!(lineage.lost(&server(3, 500)), Some(Lost::Timeline(2, 3)));
        assert_eq!(lineage.lost(&server(1, 500)), Some(Lost::Timeline(2, 1)));
        assert_eq!(lineage.succeeded(&server(1, 500)), Some((1, 2)));
        assert_eq!(lineage.succeeded(&server(2, 500)), None);
        let other = Server { system: 8, ..server(1, 500) };
        assert_eq!((lineage.lost(&other), lineage.succeeded(&other)), (Some(Lost::System), None));
    }

    #[test]
    fn a_standby_that_is_behind_has_lost_nothing() {
        let lineage = Lineage::of(&server(2, 100));
        let standby = |timeline, position| Server { in_recovery: true, ..server(timeline, position) };
        assert_eq!(lineage.lost(&standby(2, 50)), None);
        assert_eq!(lineage.lost(&standby(1, 50)), None);
        assert_eq!(lineage.succeeded(&standby(2, 50)), None);
        assert_eq!(lineage.succeeded(&standby(1, 50)), Some((1, 2)), "it lacks what came since");
        assert_eq!(lineage.lost(&standby(3, 50)), Some(Lost::Timeline(2, 3)));
    }
}
