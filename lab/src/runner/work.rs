//! What a load costs the database: statements, from `pg_stat_statements`, and commits, from
//! `pg_stat_database`. Both are read in sessions that are closed while the load runs.
//!
//! **When a commit is counted.** A backend adds its own to the view once a second, and when it ends; at rest
//! it keeps the last ones for itself, for ten seconds. So after the load the contestant's sessions are ended,
//! which a pool must bear; nothing is asked of the API any more. The few of before the load may be in it.

use anyhow::{Context, Result};

use crate::contest::Contest;
use crate::contestant::Contestant;
use crate::record::DatabaseWork;
use crate::stack::Stack;

const COMMITS: &str = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
/// Of the lab's own transactions so many are added after the first reading: that one, the count of
/// statements, and the first of the last session.
const OWN: u64 = 3;

/// What had been counted before the load.
pub(super) struct Work {
    commits: u64,
    counts_statements: bool,
}

impl Work {
    /// Counting begins; nothing where the load is none that is compared with others of its kind.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub(super) fn begin(contest: &Contest, stack: &dyn Stack) -> Result<Option<Self>> {
        if !contest.load.optional {
            return Ok(None);
        }
        // Where Postgres has not loaded it, one of these is refused; without query ids it counts nothing.
        let extension = stack.sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
        let reset = "SELECT current_setting('compute_query_id') FROM pg_stat_statements_reset()";
        let counts_statements =
            extension.and_then(|_| stack.sql(reset)).is_ok_and(|numbers| numbers.trim() != "off");
        let commits = number(stack, COMMITS)?;
        Ok(Some(Self { commits, counts_statements }))
    }

    /// Of the contestant's role, since it began.
    ///
    /// # Errors
    /// As for [`Work::begin`].
    pub(super) fn statements(&self, contestant: &Contestant, stack: &dyn Stack) -> Result<Option<u64>> {
        self.counts_statements.then(|| number(stack, &statements(&role(contestant)?))).transpose()
    }

    /// What the contestant's role has done since.
    ///
    /// # Errors
    /// As for [`Work::begin`].
    pub(super) fn end(&self, contestant: &Contestant, stack: &dyn Stack) -> Result<DatabaseWork> {
        let role = role(contestant)?;
        let statements = self.statements(contestant, stack)?;
        let mut session = stack.session()?;
        let mut number = |query: &str| parsed(&session.line(query)?);
        let ended = format!(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
            WHERE usename = '{role}' AND datname = current_database() AND pid <> pg_backend_pid()"
        );
        number(&ended.replace('\n', " "))?;
        let commits = number(COMMITS)?.saturating_sub(self.commits + OWN);
        Ok(DatabaseWork { statements, commits })
    }
}

fn role(contestant: &Contestant) -> Result<String> {
    Ok(contestant.rows()?.user.replace('\'', "''"))
}

/// Without those that are about transactions and settings, and without the lab's own.
fn statements(role: &str) -> String {
    let others =
        "begin|start|commit|end|rollback|savepoint|release|set|show|reset|discard|deallocate|prepare";
    format!(
        "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements JOIN pg_roles ON pg_roles.oid = userid \
         WHERE rolname = '{role}' AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND query !~* '^\\s*({others})\\M' AND query !~ 'pg_stat_|pg_terminate_backend'"
    )
}

fn number(stack: &dyn Stack, query: &str) -> Result<u64> {
    parsed(&stack.sql(query)?)
}

fn parsed(text: &str) -> Result<u64> {
    text.trim().parse().with_context(|| format!("{text:?} is no number"))
}
