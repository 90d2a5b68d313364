//! Products: what is sold, and for how much. A product that is deleted is archived: lists and lookups no
//! longer have it, orders keep what they took.

mod sql;

use std::io::Write;

use serde::{Deserialize, Deserializer};

use super::Inventory;
use super::auth::Caller;
use super::money::Cents;
use super::paging::{self, Page};
use crate::api::text::Text;
use crate::cache::Body;
use crate::http::json::write_string;
use crate::http::{Rejection, Request, Response, Status};
use crate::random;
use crate::store::{Lane, NotDone};

pub(super) use self::sql::of_ids;

const NOT_FOUND: Rejection = Rejection::new(Status::NotFound, "no such product");

/// A product that is to be sold.
#[derive(Deserialize)]
struct NewProduct {
    name: Text<200>,
    price: Cents,
    sku: Text<64>,
    description: Option<Text<2_000>>,
}

/// What is to be different of a product; what is missing stays.
#[derive(Deserialize)]
struct Change {
    name: Option<Text<200>>,
    price: Option<Cents>,
    sku: Option<Text<64>>,
    #[serde(default, deserialize_with = "present")]
    description: Option<Option<Text<2_000>>>,
}

impl Change {
    fn description(&self) -> Option<&str> {
        self.description.as_ref()?.as_deref().map(String::as_str)
    }
}

/// A member that is there, and may be null.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A product as it is answered.
struct Product<'r> {
    id: i64,
    name: &'r str,
    description: Option<&'r str>,
    price: Cents,
    sku: &'r str,
    owner: i64,
}

impl Product<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        // Writing to a Vec does not fail.
        let _ = write!(out, "{{\"id\":{},\"name\":", self.id);
        write_string(out, self.name);
        out.extend_from_slice(b",\"description\":");
        match self.description {
            Some(description) => write_string(out, description),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"price\":");
        self.price.write(out);
        out.extend_from_slice(b",\"sku\":");
        write_string(out, self.sku);
        let _ = write!(out, ",\"owner_id\":{}}}", self.owner);
    }
}

/// What Postgres refuses of a product is a SKU that another one has.
fn refused(reason: NotDone<Rejection>) -> Rejection {
    match reason {
        NotDone::Refused(refusal) if refusal.constraint.as_deref() == Some("products_sku") => {
            Rejection::of_field(Status::Conflict, "another product has it", "sku")
        }
        other => other.into(),
    }
}

impl Inventory {
    /// `POST /products`: 201, 409 for a SKU that another product has.
    pub(super) fn create_product(
        &self,
        caller: &Caller,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let new: NewProduct = request.valid_json()?;
        let (number, owner) = (random::uuid(), caller.id);
        let stored = self.pool.transact::<_, Rejection>(
            move |session| Ok(sql::of_request(session, number)?.map(Some)),
            move |transaction| sql::insert(transaction, number, owner, &new),
        );
        let body = stored.map_err(refused)?.ok_or(NOT_FOUND)?;
        response.status(Status::Created).json(&body);
        Ok(())
    }

    /// `GET /products`: a page in the order of ids.
    pub(super) fn products(
        &self,
        _: &Caller,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let page = Page::of(request)?;
        let body = self.pool.read(Lane::Scan, move |session| sql::page(session, page))?;
        response.json(&body);
        Ok(())
    }

    /// `GET /products/{id}`.
    pub(super) fn product(
        &self,
        _: &Caller,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let body: Body = self.products.get(paging::id(request)?)?.ok_or(NOT_FOUND)?;
        response.json(&body);
        Ok(())
    }

    /// `PUT /products/{id}` with any of the members. Done twice it comes to the same.
    pub(super) fn change_product(
        &self,
        _: &Caller,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let id = paging::id(request)?;
        let change: Change = request.valid_json()?;
        let changed = self
            .pool
            .transact::<_, Rejection>(|_| Ok(None), move |transaction| sql::update(transaction, id, &change));
        response.json(&changed.map_err(refused)?.ok_or(NOT_FOUND)?);
        Ok(())
    }

    /// `DELETE /products/{id}`: the product as it was.
    pub(super) fn archive_product(
        &self,
        _: &Caller,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let id = paging::id(request)?;
        let archived = self.pool.transact::<_, Rejection>(
            move |session| Ok(sql::archived(session, id)?.map(Some)),
            move |transaction| sql::archive(transaction, id),
        );
        response.json(&archived?.ok_or(NOT_FOUND)?);
        Ok(())
    }
}
