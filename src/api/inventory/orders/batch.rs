//! Orders by group commit: all that wait go as one transaction, each with an answer of its own. A product in
//! demand costs one lock and one commit a batch, and not one an order.
//!
//! An order that is alone and has no key is one statement. Otherwise, in one transaction whatever the orders:
//! the rows of stock of all products are locked in the order of the products; the keys are claimed; the
//! orders are served in turn, each wholly or not at all; what they take and what they are is written.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use time::OffsetDateTime;
use uuid::Uuid;

use super::super::keys::{Answer, DIFFERS, Earlier, Key};
use super::super::money::{Cents, LARGEST_CENTS};
use super::model::{Order, OrderLine, Step, Wanted};
use super::sql::{self, Offered};
use crate::http::{Rejection, Status};
use crate::store::{Batch, Session, Transaction};

/// An order that waits to be placed.
pub(in crate::api::inventory) struct Waiting {
    /// Chosen by us: what was placed is found by it.
    pub(super) request: Uuid,
    pub(super) customer: i64,
    pub(super) key: Option<Key>,
    /// In the order of the products, each once.
    pub(super) wanted: Box<[Wanted]>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api::inventory) enum Placed {
    Stored(Order),
    /// Of an earlier request with the same key.
    Again(Answer),
    /// A product is short, or is none. Nothing of it is stored.
    Refused(Rejection),
}

/// The kind of items.
pub(in crate::api::inventory) struct Orders;

impl Batch for Orders {
    type Item = Waiting;
    type Answer = Placed;

    const NAME: &'static str = "orders";

    /// An order alone is one statement, two are four.
    const LINGERS_ALONE: bool = false;

    /// Whatever the order of the items, the stock of all of them is locked at once and in the order of
    /// products. It is given out as they came.
    fn order(_: &Waiting, _: &Waiting) -> Ordering {
        Ordering::Equal
    }

    fn bytes(item: &Waiting) -> usize {
        let key = item.key.as_ref().map_or(0, Key::bytes);
        size_of::<Waiting>() + key + size_of_val(&*item.wanted)
    }

    fn label(item: &Waiting) -> String {
        item.request.to_string()
    }

    fn place(session: &mut Session, items: &[&Waiting]) -> Result<Vec<Placed>, postgres::Error> {
        if let [Waiting { request, customer, key: None, wanted }] = items
            && let Some(order) = sql::place_alone(session, *customer, *request, wanted)?
        {
            return Ok(vec![Placed::Stored(order)]);
        }
        session.transaction(|transaction| place(transaction, items))
    }

    fn settled(session: &mut Session, items: &[&Waiting]) -> Result<Vec<Option<Placed>>, postgres::Error> {
        let customers: Vec<i64> = items.iter().map(|item| item.customer).collect();
        let requests: Vec<Uuid> = items.iter().map(|item| item.request).collect();
        let mut stored = sql::of_requests(|sql, values| session.query(sql, values), &customers, &requests)?;
        // What was refused under a key is found by the key when it is tried again.
        Ok(requests
            .iter()
            .map(|request| stored.remove(request).map(|order| Placed::Stored(order.when_placed())))
            .collect())
    }

    fn unstorable() -> Placed {
        Placed::Refused(Rejection::new(Status::UnprocessableContent, "it cannot be stored"))
    }
}

fn place(transaction: &mut Transaction<'_>, items: &[&Waiting]) -> Result<Vec<Placed>, postgres::Error> {
    let mut products: Vec<i64> =
        items.iter().flat_map(|item| item.wanted.iter().map(|line| line.product)).collect();
    products.sort_unstable();
    products.dedup();
    let mut stock = sql::lock_stock(transaction, &products)?;
    let keyed: Vec<(&Key, Uuid)> =
        items.iter().filter_map(|item| Some((item.key.as_ref()?, item.request))).collect();
    let mut earlier = match keyed.is_empty() {
        true => HashMap::new(),
        false => sql::claim_keys(transaction, &keyed)?,
    };
    let mut taken = BTreeMap::new();
    let mut orders: Vec<(Uuid, Order)> = Vec::new();
    let mut answers: Vec<Option<Placed>> = Vec::with_capacity(items.len());
    for item in items {
        let answer = match earlier.remove(&item.request) {
            Some(earlier) => Some(again(earlier)),
            None => match serve(item, &mut stock, &mut taken) {
                Err(refused) => Some(Placed::Refused(refused)),
                Ok(order) => {
                    orders.push((item.request, order));
                    None
                }
            },
        };
        answers.push(answer);
    }
    keep_refused(transaction, items, &answers)?;
    if !orders.is_empty() {
        let taken: Vec<(i64, i64)> = taken.into_iter().collect();
        sql::write(transaction, &taken, &mut orders)?;
    }
    let mut orders = orders.into_iter().map(|(_, order)| Placed::Stored(order));
    // There is an order where there is no other answer.
    Ok(answers.into_iter().filter_map(|answer| answer.or_else(|| orders.next())).collect())
}

fn again(earlier: Earlier) -> Placed {
    match earlier {
        Earlier::Answered(answer) => Placed::Again(answer),
        Earlier::Differs => Placed::Refused(DIFFERS),
    }
}

/// Takes what is wanted from `stock`, all of it or nothing.
fn serve(
    item: &Waiting,
    stock: &mut HashMap<i64, Offered>,
    taken: &mut BTreeMap<i64, i64>,
) -> Result<Order, Rejection> {
    let lines: Vec<OrderLine> =
        item.wanted.iter().map(|wanted| line(wanted, stock)).collect::<Result<_, _>>()?;
    let total = lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.cents()?));
    let Some(total) = total.filter(|total| *total <= LARGEST_CENTS) else {
        let error = "an order's total is at most 9999999999.99";
        return Err(Rejection::of_field(Status::UnprocessableContent, error, "items"));
    };
    for wanted in &item.wanted {
        if let Some(offered) = stock.get_mut(&wanted.product) {
            offered.left -= wanted.quantity;
        }
        *taken.entry(wanted.product).or_default() += wanted.quantity;
    }
    // The id and the dates are Postgres's.
    let (created, status) = (OffsetDateTime::UNIX_EPOCH, Step::Pending);
    Ok(Order {
        id: 0,
        customer: item.customer,
        status,
        total: Cents(total),
        created,
        updated: created,
        lines,
    })
}

fn line(wanted: &Wanted, stock: &HashMap<i64, Offered>) -> Result<OrderLine, Rejection> {
    let refuse =
        |status, error: String| Rejection { error: error.into(), ..Rejection::of_field(status, "", "items") };
    let product = wanted.product;
    let offered = stock
        .get(&product)
        .ok_or_else(|| refuse(Status::NotFound, format!("there is no product {product}")))?;
    if offered.left < wanted.quantity {
        let error = format!("product {product} has {} in stock", offered.left);
        return Err(refuse(Status::BadRequest, error));
    }
    let (name, unit_price) = (offered.name.clone(), offered.price);
    Ok(OrderLine { product, name, quantity: wanted.quantity, unit_price })
}

/// The refusals of keys that were claimed here are answered again, too.
fn keep_refused(
    transaction: &mut Transaction<'_>,
    items: &[&Waiting],
    answers: &[Option<Placed>],
) -> Result<(), postgres::Error> {
    let refused: Vec<(&Key, Answer)> = items
        .iter()
        .zip(answers)
        .filter_map(|(item, answer)| match answer {
            Some(Placed::Refused(rejection)) if *rejection != DIFFERS => {
                Some((item.key.as_ref()?, Answer::refused(rejection)))
            }
            _ => None,
        })
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    let refused: Vec<(&Key, &Answer)> = refused.iter().map(|(key, answer)| (*key, answer)).collect();
    sql::keep_refused(transaction, &refused)
}
