//! What sessions are for, and when Postgres ends what they do.

use std::time::Duration;

use crate::limits;

/// What a session is for. `target_session_attrs` in `DATABASE_URL` counts more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It writes, so its server has to.
    Write,
    /// It must see what was written: a server that writes is preferred, and a read-only one taken where no
    /// other answers.
    Read,
    /// As `Read`, for a pool whose users wait for so long.
    Serve(Duration),
    /// It writes, and may take its time: migrations, an index.
    Maintain,
}

/// When Postgres itself ends what a session does.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Ends {
    /// `statement_timeout`. It does not hold for the wait of a commit.
    pub(in crate::store) statement: Duration,
    /// `lock_timeout`.
    pub(in crate::store) lock: Duration,
}

impl Purpose {
    pub(super) fn ends(self) -> Ends {
        let lock = Duration::from_millis(limits::LOCK_TIMEOUT_MS);
        let statement = Duration::from_millis(match self {
            Self::Write => limits::WRITE_STATEMENT_MS,
            Self::Read => limits::LONG_STATEMENT_MS,
            Self::Maintain => limits::MAINTENANCE_STATEMENT_MS,
            // 0 would be no end at all. Half the time for a lock: then there is time to say so.
            Self::Serve(within) => {
                let statement = within.max(Duration::from_millis(2));
                return Ends { statement, lock: lock.min(statement / 2) };
            }
        });
        Ends { statement, lock }
    }
}
