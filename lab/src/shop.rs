//! Opens a shop before a load, through a contestant's own API: customers who are logged in, products with
//! stock.
//!
//! It costs the contestant a hash of a password for each customer, so it is done before the meters run. What
//! it leaves is in the rows that the oracle starts from.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http::{Connection, Request};

/// What a load needs to find.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Accounts, each with a token.
    pub customers: u32,
    #[allow(missing_docs)]
    pub products: u32,
    /// Of each product, in stock.
    pub pieces: i64,
}

/// A shop that is open.
#[derive(Clone, Debug, Default)]
pub struct Open {
    #[allow(missing_docs)]
    pub customers: Vec<Customer>,
    #[allow(missing_docs)]
    pub products: Vec<Product>,
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct Customer {
    #[allow(missing_docs)]
    pub id: i64,
    /// The name to log in with.
    pub email: String,
    #[allow(missing_docs)]
    pub password: String,
    /// Of the login.
    pub token: String,
}

/// Something to buy, at a price that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    #[allow(missing_docs)]
    pub id: i64,
    /// Hundredths.
    pub cents: i64,
}

const PASSWORD: &str = "correct horse";

#[derive(Deserialize)]
struct Made {
    id: i64,
}

#[derive(Deserialize)]
struct LoggedIn {
    access_token: String,
}

/// Registers, logs in, creates and adds, one after the other.
///
/// # Errors
/// Something of it is answered otherwise than the contest asks.
pub fn open(address: &str, opening: Opening) -> Result<Open> {
    ensure!(opening.customers > 0 && opening.products > 0, "a shop has a customer and a product at least");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let mut desk = Desk { address, token: None };
    let mut shop = Open::default();
    for number in 1..=opening.customers {
        let email = format!("load-{now:x}-{number}@example.com");
        let account =
            format!(r#"{{"email":"{email}","password":"{PASSWORD}","full_name":"Customer {number}"}}"#);
        let made: Made = desk.post("/api/v1/auth/register", JSON, &account)?;
        let token = log_in(address, &email, PASSWORD)?;
        shop.customers.push(Customer { id: made.id, email, password: PASSWORD.to_owned(), token });
    }
    desk.token = shop.customers.first().map(|customer| customer.token.clone());
    for number in 1..=opening.products {
        // Prices that no binary fraction holds.
        let cents = 1_001 + i64::from(number) * 17 % 5_000;
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        let product =
            format!(r#"{{"name":"Product {number}","price":{price},"sku":"LOAD-{now:x}-{number}"}}"#);
        let Made { id } = desk.post("/api/v1/products", JSON, &product)?;
        let added = format!(r#"{{"product_id":{id},"quantity":{}}}"#, opening.pieces);
        if opening.pieces > 0 {
            desk.post::<serde::de::IgnoredAny>("/api/v1/inventory/add", JSON, &added)?;
        }
        shop.products.push(Product { id, cents });
    }
    Ok(shop)
}

/// A new token for somebody who has an account.
///
/// # Errors
/// The login is answered otherwise than the contest asks.
pub fn log_in(address: &str, email: &str, password: &str) -> Result<String> {
    let form = format!("username={}&password={}", email.replace('@', "%40"), password.replace(' ', "+"));
    let desk = Desk { address, token: None };
    Ok(desk.post::<LoggedIn>("/api/v1/auth/login", FORM, &form)?.access_token)
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

struct Desk<'a> {
    address: &'a str,
    token: Option<String>,
}

impl Desk<'_> {
    fn post<T: DeserializeOwned>(&self, path: &str, content_type: &str, body: &str) -> Result<T> {
        let mut headers = vec![("content-type".to_owned(), content_type.to_owned())];
        headers
            .extend(self.token.iter().map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
        let request = Request { method: "POST", path, headers: &headers, body: Some(body.as_bytes()) };
        let asked = Connection::open(self.address).and_then(|mut connection| connection.ask(&request));
        let answer = asked.with_context(|| format!("the shop: {path}"))?;
        let text = String::from_utf8_lossy(&answer.body);
        let said: String = text.chars().take(200).collect();
        ensure!((200..300).contains(&answer.status), "the shop: {path}: status {}: {said}", answer.status);
        serde_json::from_str(&text).with_context(|| format!("the shop: {path}: {said}"))
    }
}
