//! Orders: placed by group commit ([`batch`]), read from Postgres, and changed step by step ([`life`]).

pub(super) mod batch;
mod life;
mod model;
mod sql;

use serde::Deserialize;

use self::batch::{Placed, Waiting};
use self::life::{Refused, Wish};
pub(super) use self::model::Order;
use self::model::{Asked, Step};
use self::sql::Found;
use super::auth::Caller;
use super::keys::Answer;
use super::paging::{self, Page};
use super::{Inventory, Outcome};
use crate::http::{Rejection, Request, Response, Status};
use crate::random;
use crate::store::{Lane, NotDone};

const NOT_FOUND: Rejection = Rejection::new(Status::NotFound, "no such order");
const FORBIDDEN: Rejection = Rejection::new(Status::Forbidden, "the order is another customer's");

/// The body of `PATCH /orders/{id}`.
#[derive(Deserialize)]
struct Change {
    status: Step,
}

impl Inventory {
    /// `POST /orders`: 201 and the order; 404 for a product that is none, 400 for one that is short.
    pub(super) fn place_order(
        &self,
        caller: &Caller,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let claim = self.under_way.claim(caller.id, "/orders", request)?;
        let wanted = request.valid_json::<Asked>()?.wanted()?;
        let key = claim.as_ref().map(|claim| claim.key.clone());
        let number = random::uuid();
        let placed = self.orders.commit(Waiting { request: number, customer: caller.id, key, wanted })?;
        match placed {
            Placed::Stored(order) => {
                self.outcomes.count(Outcome::Placed);
                Answer::placed(order).send(response);
            }
            Placed::Again(answer) => self.answer_again(&answer, response),
            Placed::Refused(rejection) => {
                self.outcomes.count(Outcome::of_refusal(rejection.status));
                return Err(rejection);
            }
        }
        Ok(())
    }

    /// `GET /orders`: a page of the caller's, in the order of ids.
    pub(super) fn own_orders(
        &self,
        caller: &Caller,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let (page, customer) = (Page::of(request)?, caller.id);
        let orders = self.pool.read(Lane::Scan, move |session| sql::page(session, customer, page))?;
        response.body_with("application/json", |out| {
            out.push(b'[');
            for (index, order) in orders.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                order.write(out);
            }
            out.push(b']');
        });
        Ok(())
    }

    /// `GET /orders/{id}`: 403 for another customer's.
    pub(super) fn order(
        &self,
        caller: &Caller,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        self.answer_order(caller.id, paging::id(request)?, response)
    }

    /// `PATCH /orders/{id}`: the next step of its life; 409 where there is no such step from where it is.
    pub(super) fn change_order(
        &self,
        caller: &Caller,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let order = paging::id(request)?;
        let Change { status: step } = request.valid_json()?;
        let (customer, request) = (caller.id, random::uuid());
        let wish = Wish { customer, order, step, request };
        let taken = self.pool.transact(
            move |session| life::settled(session, wish),
            move |transaction| life::take(transaction, wish),
        );
        match taken {
            Ok(()) => self.answer_order(customer, order, response),
            Err(NotDone::Because(Refused::Nothing)) => Err(NOT_FOUND),
            Err(NotDone::Because(Refused::SomebodyElses)) => Err(FORBIDDEN),
            Err(NotDone::Because(Refused::From(from))) => {
                let error = format!("a {} order does not become {}", from.name(), step.name());
                Err(Rejection { error: error.into(), ..Rejection::of_field(Status::Conflict, "", "status") })
            }
            Err(NotDone::Refused(refusal)) => Err(NotDone::<Rejection>::Refused(refusal).into()),
            Err(NotDone::Unavailable(reason)) => Err(reason.into()),
        }
    }

    fn answer_order(&self, customer: i64, id: i64, response: &mut Response<'_>) -> Result<(), Rejection> {
        match self.pool.read(Lane::Lookup, move |session| sql::find(session, customer, id))? {
            Found::Own(order) => response.json(&order.body()),
            Found::SomebodyElses => return Err(FORBIDDEN),
            Found::Nothing => return Err(NOT_FOUND),
        }
        Ok(())
    }
}
