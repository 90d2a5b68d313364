//! Stock: how much of each product there is. It is added to and removed from by hand here; orders take theirs
//! in [`super::orders`].
//!
//! Every change is committed with a row among the idempotency keys, the client's or one of our own: what
//! became of it can be asked after a lost answer.

use std::io::Write;

use postgres::Row;
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::auth::Caller;
use super::keys::{Answer, DIFFERS, Earlier, Key};
use super::paging::{Page, page};
use super::{Inventory, Outcome};
use crate::dates::{Fraction, write_moment};
use crate::http::{Rejection, Request, Response, Status};
use crate::random;
use crate::store::{Lane, NotDone, Session, Transaction, Undo};

/// As the table has it.
const LARGEST_STOCK: i64 = 1_000_000_000_000;

const PAGE: &str = concat!(
    "SELECT product_id, quantity, last_updated FROM inventory.stock WHERE product_id > ",
    page!("product_id")
);

const LOCK: &str = "SELECT quantity FROM inventory.stock WHERE product_id = $1 FOR UPDATE";

const CHANGE: &str = "
    UPDATE inventory.stock SET quantity = quantity + $2, last_updated = now()
    WHERE product_id = $1 AND quantity + $2 >= 0 RETURNING product_id, quantity, last_updated";

/// A change and its key in one statement, where the key is our own and so nobody else's. No row if there is
/// no such product, or the stock would be out of bounds. The body is as [`write_item`] has it, but always
/// with six digits.
const CHANGE_ALONE: &str = r#"
    WITH changed AS (
        UPDATE inventory.stock SET quantity = quantity + $2, last_updated = now()
        WHERE product_id = $1 AND quantity + $2 BETWEEN 0 AND 1000000000000
        RETURNING product_id, quantity, last_updated)
    INSERT INTO inventory.idempotency_keys (user_id, key, fingerprint, request, status, body)
    SELECT $3, $4, $5, $6, 200, convert_to(format(
        '{"id":%1$s,"product_id":%1$s,"quantity":%2$s,"last_updated":"%3$s"}', product_id, quantity,
        to_char(last_updated AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')), 'UTF8')
    FROM changed RETURNING body"#;

/// A key that is a day old is as good as none.
const KEEP: &str = "
    INSERT INTO inventory.idempotency_keys AS kept (user_id, key, fingerprint, request, status, body)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (user_id, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, request = excluded.request, status = excluded.status, body = excluded.body,
        created_at = now()
    WHERE kept.created_at < now() - interval '24 hours'";

const KEPT: &str = "
    SELECT fingerprint, status, body, request FROM inventory.idempotency_keys
    WHERE user_id = $1 AND key = $2 AND status IS NOT NULL AND created_at >= now() - interval '24 hours'";

/// So much of a product.
#[derive(Deserialize)]
struct Quantity {
    product_id: i64,
    quantity: i32,
}

fn write_item(out: &mut Vec<u8>, row: &Row) -> Result<(), postgres::Error> {
    let (product, quantity): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let updated: OffsetDateTime = row.try_get(2)?;
    // A product has one row, whose id is the product's. Writing to a Vec does not fail.
    let _ = write!(
        out,
        "{{\"id\":{product},\"product_id\":{product},\"quantity\":{quantity},\"last_updated\":\""
    );
    write_moment(out, updated, Fraction::MicrosecondsIfAny);
    out.extend_from_slice(b"\"}");
    Ok(())
}

fn page(session: &mut Session, page: Page) -> Result<Vec<u8>, postgres::Error> {
    let rows = session.query(PAGE, &[&page.after, &page.skip, &page.limit])?;
    let mut out = Vec::with_capacity(2 + 96 * rows.len());
    out.push(b'[');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_item(&mut out, row)?;
    }
    out.push(b']');
    Ok(out)
}

/// Another request had the key: the change is undone.
struct KeyTaken;

/// Changes the stock of `product` by `by`, and keeps the answer under our own `key`. `None` if it is refused.
fn change_alone(
    transaction: &mut Transaction<'_>,
    key: &Key,
    number: Uuid,
    product: i64,
    by: i64,
) -> Result<Option<Answer>, Undo<KeyTaken>> {
    let (text, fingerprint) = (&*key.text, key.fingerprint.as_slice());
    let rows =
        transaction.query_last(CHANGE_ALONE, &[&product, &by, &key.user, &text, &fingerprint, &number])?;
    let body = rows.first().map(|row| row.try_get::<_, Vec<u8>>(0)).transpose()?;
    Ok(body.map(|body| Answer { status: Status::Ok, body, order: None }))
}

/// Changes the stock of `product` by `by`, and keeps the answer under `key`; a refusal only if the client
/// sent one.
fn change(
    transaction: &mut Transaction<'_>,
    key: &Key,
    number: Uuid,
    product: i64,
    by: i64,
) -> Result<Answer, Undo<KeyTaken>> {
    let locked = transaction.query(LOCK, &[&product])?;
    let left = locked.first().map(|row| row.try_get::<_, i64>(0)).transpose()?.map(|quantity| quantity + by);
    let answer = match left.map_or(Err(NO_PRODUCT), within_bounds) {
        Ok(()) => {
            let rows = transaction.query(CHANGE, &[&product, &by])?;
            let mut body = Vec::with_capacity(96);
            if let Some(row) = rows.first() {
                write_item(&mut body, row)?;
            }
            Answer { status: Status::Ok, body, order: None }
        }
        Err(refused) if key.is_own() => return Ok(Answer::refused(&refused)),
        Err(refused) => Answer::refused(&refused),
    };
    let (text, fingerprint, status) = (&*key.text, key.fingerprint.as_slice(), answer.code());
    match transaction.execute(KEEP, &[&key.user, &text, &fingerprint, &number, &status, &answer.body])? {
        0 => Err(Undo::Because(KeyTaken)),
        _ => Ok(answer),
    }
}

const NO_PRODUCT: Rejection = Rejection::of_field(Status::NotFound, "no such product", "product_id");

fn within_bounds(left: i64) -> Result<(), Rejection> {
    match left {
        0..=LARGEST_STOCK => Ok(()),
        ..0 => Err(Rejection::of_field(Status::BadRequest, "there is less in stock", "quantity")),
        _ => {
            let error = "there would be more in stock than can be counted";
            Err(Rejection::of_field(Status::UnprocessableContent, error, "quantity"))
        }
    }
}

/// What was answered under `key`, and the number of the request that was.
fn kept(session: &mut Session, key: &Key) -> Result<Option<(Earlier, Uuid)>, postgres::Error> {
    let rows = session.query(KEPT, &[&key.user, &&*key.text])?;
    let read = |row: &Row| {
        let earlier = Earlier::of(&key.fingerprint, row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok((earlier, row.try_get(3)?))
    };
    rows.first().map(read).transpose()
}

/// The answer of our own request, if it was committed.
fn settled(session: &mut Session, key: &Key, number: Uuid) -> Result<Option<Answer>, postgres::Error> {
    Ok(match kept(session, key)? {
        Some((Earlier::Answered(answer), of)) if of == number => Some(answer),
        _ => None,
    })
}

impl Inventory {
    /// `GET /inventory`: a page in the order of product ids.
    pub(super) fn stock(
        &self,
        _: &Caller,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let asked = Page::of(request)?;
        response.json(&self.pool.read(Lane::Scan, move |session| page(session, asked))?);
        Ok(())
    }

    /// `POST /inventory/add`: 200 and the stock; 404.
    pub(super) fn add_stock(
        &self,
        caller: &Caller,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        self.change_stock(caller, "/inventory/add", 1, request, response)
    }

    /// `POST /inventory/remove`: 200 and the stock; 404; 400 if there is less.
    pub(super) fn remove_stock(
        &self,
        caller: &Caller,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        self.change_stock(caller, "/inventory/remove", -1, request, response)
    }

    fn change_stock(
        &self,
        caller: &Caller,
        route: &'static str,
        sign: i64,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let claim = self.under_way.claim(caller.id, route, request)?;
        let Quantity { product_id, quantity } = request.valid_json()?;
        if quantity < 1 {
            let error = "expected a whole number from 1 to 2147483647";
            return Err(Rejection::of_field(Status::UnprocessableContent, error, "quantity"));
        }
        let number = random::uuid();
        let by = sign * i64::from(quantity);
        let key = claim.as_ref().map_or_else(|| Key::own(caller.id, number), |claim| claim.key.clone());
        match self.change(&key, number, product_id, by) {
            Ok(answer) => answer.send(response),
            Err(NotDone::Because(KeyTaken)) => {
                let earlier = self.pool.read(Lane::Lookup, move |session| kept(session, &key))?;
                // It was a day old just now, and is swept.
                let Some((Earlier::Answered(answer), _)) = earlier else { return Err(DIFFERS) };
                self.answer_again(&answer, response);
            }
            Err(NotDone::Refused(refusal)) => return Err(NotDone::<Rejection>::Refused(refusal).into()),
            Err(NotDone::Unavailable(reason)) => return Err(reason.into()),
        }
        Ok(())
    }

    /// One statement where it can be; otherwise, and to say why not, several behind a lock.
    fn change(&self, key: &Key, number: Uuid, product: i64, by: i64) -> Result<Answer, NotDone<KeyTaken>> {
        if key.is_own() {
            let (asked, done) = (key.clone(), key.clone());
            let changed = self.pool.transact(
                move |session| settled(session, &asked, number).map(|answer| answer.map(Some)),
                move |transaction| change_alone(transaction, &done, number, product, by),
            )?;
            if let Some(answer) = changed {
                return Ok(answer);
            }
        }
        let (asked, done) = (key.clone(), key.clone());
        self.pool.transact(
            move |session| settled(session, &asked, number),
            move |transaction| change(transaction, &done, number, product, by),
        )
    }

    /// The answer of an earlier request with the same key.
    pub(super) fn answer_again(&self, answer: &Answer, response: &mut Response<'_>) {
        self.outcomes.count(Outcome::Again);
        response.header("idempotency-replayed", "true");
        answer.send(response);
    }
}
