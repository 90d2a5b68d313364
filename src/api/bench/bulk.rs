//! `/bulk-operations/…`: many rows written, each by a commit of its own or all by one.

use std::io::Write;

use postgres::Row;

use super::Bench;
use super::once::transact_once;
use crate::api::query::number;
use crate::http::{Method, Rejection, Request, Response, Scope, Status};
use crate::store::{Lane, NotDone, Transaction, Undo};

/// Rows where nobody says how many.
pub(super) const DEFAULT_COUNT: i64 = 1_000;
/// Rows at most.
pub(super) const LARGEST_COUNT: i64 = 10_000;
/// Rows of one INSERT among several.
const BATCH_ROWS: usize = 1_000;

/// All rows are of this user.
macro_rules! insert {
    ($rows:literal) => {
        concat!("INSERT INTO bench.bulk_items (user_id, value) SELECT 1, ", $rows, " RETURNING value")
    };
}
/// How many values a statement has written, and their sum.
macro_rules! summed {
    ($statement:expr) => {
        concat!(
            "WITH written AS (",
            $statement,
            ") SELECT count(*), coalesce(sum(value), 0)::bigint FROM written"
        )
    };
}
const INSERT_ONE: &str = insert!("$1::bigint");
const INSERT_MANY: &str = summed!(insert!("value FROM unnest($1::bigint[]) AS new (value)"));
const FIRST: &str = "SELECT id FROM bench.bulk_items ORDER BY id LIMIT $1";
const UPDATE_ONE: &str = "UPDATE bench.bulk_items SET value = value + 1 WHERE id = $1 RETURNING value";
/// In the order of ids, so that two of them do not wait for each other.
const UPDATE_MANY: &str = summed!(
    "UPDATE bench.bulk_items AS item SET value = item.value + 1
     FROM (SELECT id FROM bench.bulk_items ORDER BY id LIMIT $1 FOR UPDATE) AS first
     WHERE item.id = first.id RETURNING item.value"
);
const DELETE: &str = "DELETE FROM bench.bulk_items";

const NO_USER: Rejection = Rejection::new(Status::Conflict, "there is no user 1, whose rows they would be");

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// A statement and a commit a row.
    InsertIndividual,
    /// One transaction of INSERTs of many rows each.
    InsertBatch,
    /// One statement.
    InsertRaw,
    /// A statement and a commit a row.
    UpdateIndividual,
    /// One statement.
    UpdateBulk,
}

impl Writing {
    pub(super) const ALL: [Self; 5] = [
        Self::InsertIndividual,
        Self::InsertBatch,
        Self::InsertRaw,
        Self::UpdateIndividual,
        Self::UpdateBulk,
    ];

    /// The name in the path.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::InsertIndividual => "insert-individual",
            Self::InsertBatch => "insert-batch",
            Self::InsertRaw => "insert-raw",
            Self::UpdateIndividual => "update-individual",
            Self::UpdateBulk => "update-bulk",
        }
    }
}

/// Rows that are committed, and the sum of their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Written {
    count: i64,
    sum: i64,
}

impl Written {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Of a statement that has returned the values themselves.
    fn of_values(rows: &[Row]) -> Result<Self, postgres::Error> {
        let mut written = Self::default();
        for row in rows {
            written.add(Self { count: 1, sum: row.try_get(0)? });
        }
        Ok(written)
    }

    /// Of a statement that has summed them.
    fn of_sums(rows: &[Row]) -> Result<Self, postgres::Error> {
        let mut written = Self::default();
        for row in rows {
            written.add(Self { count: row.try_get(0)?, sum: row.try_get(1)? });
        }
        Ok(written)
    }
}

/// Adds the routes.
pub(super) fn mount(scope: &mut Scope<'_, Bench>) {
    scope.route(Method::Delete, "/bulk-operations/cleanup", Bench::clean_up);
    for writing in Writing::ALL {
        let path = format!("/bulk-operations/{}", writing.name());
        scope.route(Method::Post, &path, move |bench, request, response| {
            bench.bulk(writing, request, response)
        });
    }
}

impl Bench {
    /// 200 with how many rows were written, and the sum of their values. What is committed row by row stays
    /// where it has to stop.
    fn bulk(
        &self,
        writing: Writing,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let count = number(request, "count", 1..=LARGEST_COUNT)?.unwrap_or(DEFAULT_COUNT);
        let written = match writing {
            Writing::InsertIndividual => self.write_each(1..=count, INSERT_ONE)?,
            Writing::InsertBatch => self.write_once(move |transaction| insert_batches(transaction, count))?,
            Writing::InsertRaw => self.write_once(move |transaction| {
                let values: Vec<i64> = (1..=count).collect();
                Ok(Written::of_sums(&transaction.query_last(INSERT_MANY, &[&values])?)?)
            })?,
            Writing::UpdateIndividual => self.write_each(self.first_items(count)?, UPDATE_ONE)?,
            Writing::UpdateBulk => self.write_once(move |transaction| {
                Ok(Written::of_sums(&transaction.query_last(UPDATE_MANY, &[&count])?)?)
            })?,
        };
        response.body_with("application/json", |out| {
            // Writing to a Vec does not fail.
            let _ = write!(out, "{{\"count\":{},\"sum\":{}}}", written.count, written.sum);
        });
        Ok(())
    }

    /// `DELETE /bulk-operations/cleanup`: 200 with how many rows there were.
    fn clean_up(&self, _: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let deleted =
            transact_once::<_, Rejection>(&self.pool, |transaction| transaction.execute_last(DELETE, &[]))?;
        response.body_with("application/json", |out| {
            let _ = write!(out, "{{\"count\":{deleted}}}");
        });
        Ok(())
    }

    fn write_once(
        &self,
        work: impl Fn(&mut Transaction<'_>) -> Result<Written, Undo<Rejection>> + Send + 'static,
    ) -> Result<Written, Rejection> {
        transact_once(&self.pool, work).map_err(refused)
    }

    /// A statement for each of these values.
    fn write_each(
        &self,
        values: impl IntoIterator<Item = i64>,
        sql: &'static str,
    ) -> Result<Written, Rejection> {
        let mut all = Written::default();
        for value in values {
            all.add(self.write_once(move |transaction| {
                Ok(Written::of_values(&transaction.query_last(sql, &[&value])?)?)
            })?);
        }
        Ok(all)
    }

    fn first_items(&self, count: i64) -> Result<Vec<i64>, Rejection> {
        let ids = self.pool.read(Lane::Scan, move |session| {
            let rows = session.query(FIRST, &[&count])?;
            rows.iter().map(|row| row.try_get(0)).collect()
        });
        Ok(ids?)
    }
}

fn insert_batches(transaction: &mut Transaction<'_>, count: i64) -> Result<Written, Undo<Rejection>> {
    let values: Vec<i64> = (1..=count).collect();
    let mut written = Written::default();
    for batch in values.chunks(BATCH_ROWS) {
        written.add(Written::of_sums(&transaction.query(INSERT_MANY, &[&batch])?)?);
    }
    Ok(written)
}

/// What Postgres refuses is a row of nobody.
fn refused(reason: NotDone<Rejection>) -> Rejection {
    match reason {
        NotDone::Refused(refusal) if refusal.code == "23503" => NO_USER,
        other => other.into(),
    }
}
