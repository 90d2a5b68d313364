//! `POST /transactions/decrement/…`: a product sold by many at once, in five ways.
//!
//! | way | what keeps it right |
//! |---|---|
//! | `no-lock` | nothing: what is left is computed of what was read, so updates are lost |
//! | `pessimistic` | the row is locked before it is read |
//! | `optimistic` | the row is changed only while its version is the one that was read |
//! | `serializable` | Postgres ends one of two transactions that would undo each other |
//! | `conditional` | what is left is computed by the statement that changes it, under its condition |
//!
//! The first four are a transaction a request. The last one goes by group commit ([`grouped`]): all that wait
//! are one statement.

mod grouped;

use std::borrow::Cow;
use std::io::Write;
use std::time::Duration;

use postgres::error::SqlState;

pub(super) use self::grouped::Decrements;
use self::grouped::Wanted;
use super::Bench;
use super::once::transact_once;
use crate::api::query::needed;
use crate::http::{Method, Rejection, Request, Response, Scope, Status, sleep};
use crate::store::{NotDone, Transaction, Unavailable, Undo};

const READ: &str = "SELECT quantity, version FROM bench.products WHERE id = $1";
const LOCK: &str = "SELECT quantity, version FROM bench.products WHERE id = $1 FOR UPDATE";
const WRITE: &str = "UPDATE bench.products SET quantity = $2, version = version + 1 WHERE id = $1";
const WRITE_IF_SAME: &str =
    "UPDATE bench.products SET quantity = $2, version = version + 1 WHERE id = $1 AND version = $3";
const SERIALIZABLE: &str = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";

/// How often a transaction that has met another one is tried again.
const RETRIES: u32 = 20;
/// The longest rest before that.
const LONGEST_REST_MS: u64 = 8;

const NO_PRODUCT: Rejection = Rejection::of_field(Status::NotFound, "no such product", "product_id");
const SHORT: Rejection = Rejection::of_field(Status::Conflict, "there is less in stock", "quantity");
const CONTENDED: Rejection = Rejection {
    status: Status::Conflict,
    error: Cow::Borrowed("too many others change the product"),
    field: None,
    retry_after_s: Some(0),
};

/// How a product is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    NoLock,
    Pessimistic,
    Optimistic,
    Serializable,
    Conditional,
}

impl Way {
    pub(super) const ALL: [Self; 5] =
        [Self::NoLock, Self::Pessimistic, Self::Optimistic, Self::Serializable, Self::Conditional];

    /// The name in the path.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NoLock => "no-lock",
            Self::Pessimistic => "pessimistic",
            Self::Optimistic => "optimistic",
            Self::Serializable => "serializable",
            Self::Conditional => "conditional",
        }
    }
}

/// What became of a decrement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is committed, and so many are left.
    Left(i64),
    /// There are fewer.
    Short,
    /// There is no such product.
    Missing,
    /// Nobody knows: the answer was lost with the connection.
    Unknown,
}

/// A transaction has met another one, and is undone.
struct Met;

/// Adds the routes.
pub(super) fn mount(scope: &mut Scope<'_, Bench>) {
    scope.route(Method::Post, "/transactions/reset", Bench::reset);
    for way in Way::ALL {
        let path = format!("/transactions/decrement/{}", way.name());
        scope.route(Method::Post, &path, move |bench, request, response| {
            bench.decrement(way, request, response)
        });
    }
}

impl Bench {
    /// 200 with what is left, after the commit; 409 where there is less than wanted, or, with `Retry-After`,
    /// where others were always first; 404.
    fn decrement(
        &self,
        way: Way,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let product = needed(request, "product_id", 1..=i64::MAX)?;
        let wanted = needed(request, "quantity", 1..=i64::MAX)?;
        let outcome = match way {
            Way::Conditional => self.decrements.commit(Wanted { product, quantity: wanted })?,
            _ => self.decrement_alone(way, product, wanted)?,
        };
        match outcome {
            Outcome::Left(left) => answer(response, product, left),
            Outcome::Short => return Err(SHORT),
            Outcome::Missing => return Err(NO_PRODUCT),
            Outcome::Unknown => return Err(Unavailable::Unknown.into()),
        }
        Ok(())
    }

    fn decrement_alone(&self, way: Way, product: i64, wanted: i64) -> Result<Outcome, Rejection> {
        for tries in 0..=RETRIES {
            let done = transact_once(&self.pool, move |transaction| match way {
                Way::NoLock => write_computed(transaction, READ, product, wanted),
                Way::Optimistic => write_if_same(transaction, product, wanted),
                Way::Serializable => serializable(transaction, product, wanted),
                Way::Pessimistic | Way::Conditional => write_computed(transaction, LOCK, product, wanted),
            });
            match done {
                Err(NotDone::Because(Met)) if tries < RETRIES => {
                    let longest = (1_u64 << tries.min(10)).min(LONGEST_REST_MS);
                    sleep(Duration::from_millis(fastrand::u64(0..=longest)));
                }
                Err(NotDone::Because(Met)) => break,
                Err(NotDone::Refused(refusal)) => {
                    return Err(NotDone::<Rejection>::Refused(refusal).into());
                }
                Err(NotDone::Unavailable(reason)) => return Err(reason.into()),
                Ok(outcome) => return Ok(outcome),
            }
        }
        Err(CONTENDED)
    }

    /// `POST /transactions/reset`: so many of a product from now on.
    fn reset(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let product = needed(request, "product_id", 1..=i64::MAX)?;
        let quantity = needed(request, "quantity", 0..=i64::MAX)?;
        // Done twice it comes to the same.
        let written = self.pool.transact::<_, Rejection>(
            |_| Ok(None),
            move |transaction| transaction.execute_last(WRITE, &[&product, &quantity]),
        );
        if written? == 0 {
            return Err(NO_PRODUCT);
        }
        answer(response, product, quantity);
        Ok(())
    }
}

fn answer(response: &mut Response<'_>, product: i64, quantity: i64) {
    response.body_with("application/json", |out| {
        // Writing to a Vec does not fail.
        let _ = write!(out, "{{\"product_id\":{product},\"quantity\":{quantity}}}");
    });
}

/// What `sql` reads of a product, as the outcome where nothing is left to be done: what will be left, and the
/// version.
fn read(
    transaction: &mut Transaction<'_>,
    sql: &'static str,
    product: i64,
    wanted: i64,
) -> Result<Result<(i64, i64), Outcome>, postgres::Error> {
    let rows = transaction.query(sql, &[&product])?;
    let Some(row) = rows.first() else { return Ok(Err(Outcome::Missing)) };
    let (present, version): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok(if present < wanted { Err(Outcome::Short) } else { Ok((present - wanted, version)) })
}

/// Whatever was written meanwhile is overwritten, unless `sql` has locked the row.
fn write_computed(
    transaction: &mut Transaction<'_>,
    sql: &'static str,
    product: i64,
    wanted: i64,
) -> Result<Outcome, Undo<Met>> {
    let (left, _) = match read(transaction, sql, product, wanted)? {
        Ok(read) => read,
        Err(outcome) => return Ok(outcome),
    };
    transaction.execute_last(WRITE, &[&product, &left])?;
    Ok(Outcome::Left(left))
}

fn write_if_same(transaction: &mut Transaction<'_>, product: i64, wanted: i64) -> Result<Outcome, Undo<Met>> {
    let (left, version) = match read(transaction, READ, product, wanted)? {
        Ok(read) => read,
        Err(outcome) => return Ok(outcome),
    };
    match transaction.execute_last(WRITE_IF_SAME, &[&product, &left, &version])? {
        0 => Err(Undo::Because(Met)),
        _ => Ok(Outcome::Left(left)),
    }
}

fn serializable(transaction: &mut Transaction<'_>, product: i64, wanted: i64) -> Result<Outcome, Undo<Met>> {
    transaction.execute(SERIALIZABLE, &[])?;
    write_computed(transaction, READ, product, wanted).map_err(|undo| match undo {
        // The store would try it again by itself, and more often than is wanted here.
        Undo::Database(error) if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) => {
            Undo::Because(Met)
        }
        other => other,
    })
}
