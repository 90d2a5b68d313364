//! What clients send, read and checked: 400 for what cannot be read, 422 for what breaks a rule.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use crate::money::Cents;
use crate::rejection::Rejection;

const LINES_MOST: usize = 100;
const PAGE_MOST: i64 = 100;
/// What bcrypt looks at.
const PASSWORD_BYTES: usize = 72;

const NO_BODY: Rejection = Rejection::new(StatusCode::BAD_REQUEST, "the body cannot be read");
const NO_JSON: Rejection = Rejection::new(StatusCode::BAD_REQUEST, "the body is no JSON");
const NO_FORM: Rejection = Rejection::new(StatusCode::BAD_REQUEST, "the body is neither JSON nor a form");
const TOO_LARGE: Rejection = Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");

/// A body that has been read and checked, whatever its content type says.
pub(crate) struct Body<T>(pub(crate) T);

/// Something that a body is.
pub(crate) trait Parse: Sized {
    fn parse(body: &[u8]) -> Result<Self, Rejection>;
}

/// Something with rules that its type does not know.
trait Rules {
    fn check(&self) -> Result<(), Rejection>;
}

impl<T: DeserializeOwned + Rules> Parse for T {
    fn parse(body: &[u8]) -> Result<Self, Rejection> {
        let read: Self = serde_json::from_slice(body).map_err(|error| match error.classify() {
            Category::Data => Rejection {
                error: error.to_string().into(),
                ..Rejection::new(StatusCode::UNPROCESSABLE_ENTITY, "")
            },
            _ => NO_JSON,
        })?;
        read.check()?;
        Ok(read)
    }
}

impl<T: Parse + 'static> FromRequest for Body<T> {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move {
            let bytes = bytes.await.map_err(|error| match error.as_error::<PayloadError>() {
                Some(PayloadError::Overflow) => TOO_LARGE,
                _ => NO_BODY,
            })?;
            T::parse(&bytes).map(Self)
        })
    }
}

fn check_text(field: &'static str, text: &str, most: usize) -> Result<(), Rejection> {
    if text.chars().count() > most {
        return Err(Rejection::invalid(field, format!("expected at most {most} characters")));
    }
    let is_bad = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if text.trim().is_empty() || text.contains(is_bad) {
        return Err(Rejection::invalid(field, "expected a text"));
    }
    Ok(())
}

fn check_password(password: &str) -> Result<(), Rejection> {
    if password.len() > PASSWORD_BYTES {
        return Err(Rejection::invalid("password", "is longer than 72 bytes"));
    }
    if password.contains('\0') {
        return Err(Rejection::invalid("password", "has a NUL"));
    }
    Ok(())
}

fn is_email(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |c: char| c.is_alphanumeric() || c == '-';
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(inner)
    };
    let blank = |c: char| c.is_whitespace() || c.is_control();
    let Some((local, domain)) = text.split_once('@') else { return false };
    text.len() <= 254
        && (1..=64).contains(&local.len())
        && !local.contains(blank)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

#[derive(Debug, Deserialize)]
pub(crate) struct Registration {
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) full_name: String,
}

impl Rules for Registration {
    fn check(&self) -> Result<(), Rejection> {
        if !is_email(&self.email) {
            return Err(Rejection::invalid("email", "is no e-mail address"));
        }
        if self.password.chars().count() < 8 {
            return Err(Rejection::invalid("password", "is shorter than 8 characters"));
        }
        check_password(&self.password)?;
        check_text("full_name", &self.full_name, 255)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) email: String,
    pub(crate) password: String,
}

#[derive(Deserialize)]
struct Login {
    username: Option<String>,
    email: Option<String>,
    password: Option<String>,
}

impl Rules for Login {
    fn check(&self) -> Result<(), Rejection> {
        Ok(())
    }
}

impl Parse for Credentials {
    /// JSON begins with a brace and a form does not, whatever the content type says: JMeter sends its form as
    /// JSON.
    fn parse(body: &[u8]) -> Result<Self, Rejection> {
        let body = body.trim_ascii();
        let Login { username, email, password } = if body.starts_with(b"{") {
            Login::parse(body)?
        } else {
            serde_urlencoded::from_bytes(body).map_err(|_| NO_FORM)?
        };
        let email = username.or(email).filter(|email| !email.is_empty() && !email.contains('\0'));
        let email = email.ok_or_else(|| Rejection::invalid("username", "is no e-mail address"))?;
        let password = password.ok_or_else(|| Rejection::invalid("password", "is missing"))?;
        check_password(&password)?;
        Ok(Self { email, password })
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct NewProduct {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) price: Cents,
    pub(crate) sku: String,
}

impl Rules for NewProduct {
    fn check(&self) -> Result<(), Rejection> {
        check_text("name", &self.name, 200)?;
        check_text("sku", &self.sku, 64)?;
        self.description.as_deref().map_or(Ok(()), |text| check_text("description", text, 2000))
    }
}

/// What is to be different of a product; what is missing or null stays, but for the description.
#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) description: Option<Option<String>>,
    pub(crate) price: Option<Cents>,
    pub(crate) sku: Option<String>,
}

/// A member that is there, and may be null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl Rules for Change {
    fn check(&self) -> Result<(), Rejection> {
        let description = self.description.as_ref().and_then(Option::as_ref);
        let texts = [
            ("name", self.name.as_ref(), 200),
            ("sku", self.sku.as_ref(), 64),
            ("description", description, 2000),
        ];
        texts.into_iter().filter_map(|(field, text, most)| Some(check_text(field, text?, most))).collect()
    }
}

/// So much of a product.
#[derive(Debug, Deserialize)]
pub(crate) struct Quantity {
    pub(crate) product_id: i64,
    pub(crate) quantity: i32,
}

impl Quantity {
    fn check_at(&self, place: &str) -> Result<(), Rejection> {
        if self.product_id < 1 {
            return Err(Rejection::invalid(format!("{place}product_id"), "expected a positive whole number"));
        }
        if self.quantity < 1 {
            let error = "expected a whole number from 1 to 2147483647";
            return Err(Rejection::invalid(format!("{place}quantity"), error));
        }
        Ok(())
    }
}

impl Rules for Quantity {
    fn check(&self) -> Result<(), Rejection> {
        self.check_at("")
    }
}

/// The body of an order. A price of the client's is looked at by nobody.
#[derive(Debug, Deserialize)]
pub(crate) struct NewOrder {
    status: Option<String>,
    items: Vec<NewLine>,
}

#[derive(Debug, Deserialize)]
struct NewLine {
    product_id: i64,
    quantity: i32,
    #[serde(default, rename = "unit_price")]
    _unit_price: Option<f64>,
}

impl Rules for NewOrder {
    fn check(&self) -> Result<(), Rejection> {
        if self.status.as_deref().is_some_and(|status| status != "pending") {
            return Err(Rejection::invalid("status", "a new order is pending"));
        }
        if !(1..=LINES_MOST).contains(&self.items.len()) {
            return Err(Rejection::invalid("items", "expected 1 to 100 lines"));
        }
        self.items.iter().enumerate().try_for_each(|(index, &NewLine { product_id, quantity, .. })| {
            Quantity { product_id, quantity }.check_at(&format!("items[{index}]."))
        })
    }
}

/// What an order takes: each product once, in the order of the products.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) products: Vec<i64>,
    pub(crate) quantities: Vec<i64>,
}

impl NewOrder {
    pub(crate) fn wanted(mut self) -> Wanted {
        self.items.sort_by_key(|line| line.product_id);
        let mut wanted = Wanted::default();
        for NewLine { product_id, quantity, .. } in self.items {
            match wanted.quantities.last_mut() {
                Some(last) if wanted.products.last() == Some(&product_id) => *last += i64::from(quantity),
                _ => {
                    wanted.products.push(product_id);
                    wanted.quantities.push(quantity.into());
                }
            }
        }
        wanted
    }
}

/// Which part of a list is asked for.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Page {
    #[serde(default = "page_most")]
    pub(crate) limit: i64,
    #[serde(default)]
    pub(crate) skip: i64,
    #[serde(default)]
    pub(crate) after: i64,
}

fn page_most() -> i64 {
    PAGE_MOST
}

impl Page {
    pub(crate) fn checked(self) -> Result<Self, Rejection> {
        if !(1..=PAGE_MOST).contains(&self.limit) {
            return Err(Rejection::invalid("limit", "expected a whole number from 1 to 100"));
        }
        for (field, number) in [("skip", self.skip), ("after", self.after)] {
            if number < 0 {
                return Err(Rejection::invalid(field, "expected a whole number from 0"));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
