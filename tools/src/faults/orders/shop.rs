//! The shop that is ordered from: products and prices, customers and their tokens, and the ways to it.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::Failure;
use super::super::client::Client;
use super::super::stack::{REPLICAS, Setup, Stack};

/// What there is of the product in demand at first, and again after each time that it was sold out.
pub const DEMANDED: i64 = 10_000;

/// Products, the one in demand included. It is the first.
const PRODUCTS: i64 = 30;

/// So many of the last ones are never refilled: most baskets with one of them fail.
const SCARCE: usize = 2;
const SCARCE_STOCK: i64 = 60;

/// Who is a customer; many clients are one.
const CUSTOMERS: usize = 24;

const PASSWORD: &str = "correct horse";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    pub id: i64,
    pub name: String,
    pub cents: i64,
}

pub struct Customer {
    pub id: i64,
    /// Header fields that say who it is.
    pub authorization: String,
}

/// Where requests go.
pub struct Target {
    pub socket: PathBuf,
    /// `None` if nginx chooses.
    pub replica: Option<usize>,
}

pub struct Shop {
    pub products: Vec<Product>,
    pub customers: Vec<Customer>,
    pub targets: Vec<Target>,
    pub patience: Duration,
}

impl Shop {
    /// Makes it, with nothing in stock.
    pub fn open(stack: &Stack, setup: &Setup) -> Result<Self, Failure> {
        let mut clerk = Client::new(&stack.api(0), setup.patience);
        let customers: Vec<Customer> =
            (0..CUSTOMERS).map(|number| customer(&mut clerk, number)).collect::<Result<_, _>>()?;
        let owner = &customers[0].authorization;
        let products =
            (1..=PRODUCTS).map(|number| product(&mut clerk, owner, number)).collect::<Result<_, _>>()?;
        let front = stack.nginx.as_ref().map(|nginx| Target { socket: nginx.socket.clone(), replica: None });
        let own = (0..REPLICAS).map(|index| Target { socket: stack.api(index), replica: Some(index) });
        let targets = front.into_iter().chain(own).collect();
        Ok(Self { products, customers, targets, patience: setup.patience })
    }

    /// The one that everybody wants.
    pub fn demanded(&self) -> &Product {
        &self.products[0]
    }

    /// What there is of each product at first.
    pub fn first_stock(&self) -> impl Iterator<Item = (i64, i64)> {
        self.products.iter().enumerate().map(|(index, product)| {
            let stock = match index {
                0 => DEMANDED,
                _ if self.is_scarce(index) => SCARCE_STOCK,
                _ => 500,
            };
            (product.id, stock)
        })
    }

    /// Whether a product, by its place, is never refilled.
    pub fn is_scarce(&self, index: usize) -> bool {
        index + SCARCE >= self.products.len()
    }
}

/// The answer, which must have this status.
fn made(clerk: &mut Client, fields: &str, path: &str, body: &Value, status: u16) -> Result<Value, Failure> {
    let answer =
        clerk.ask("POST", path, fields, &body.to_string()).map_err(|error| format!("{path}: {error:?}"))?;
    let said = String::from_utf8_lossy(&answer.body);
    if answer.status != status {
        return Err(format!("{path}: {} {said}", answer.status).into());
    }
    Ok(serde_json::from_str(&said)?)
}

fn customer(clerk: &mut Client, number: usize) -> Result<Customer, Failure> {
    let email = format!("customer{number}@example.com");
    let account = json!({"email": email, "password": PASSWORD, "full_name": format!("Customer {number}")});
    let account = made(clerk, "", "/api/v1/auth/register", &account, 201)?;
    let login = json!({"username": email, "password": PASSWORD});
    let tokens = made(clerk, "", "/api/v1/auth/login", &login, 200)?;
    let token = tokens["access_token"].as_str().ok_or("a login without a token")?;
    Ok(Customer {
        id: account["id"].as_i64().ok_or("an account without an id")?,
        authorization: format!("Authorization: Bearer {token}\r\n"),
    })
}

fn product(clerk: &mut Client, owner: &str, number: i64) -> Result<Product, Failure> {
    let (name, cents) = (format!("Product \"{number}\" né"), 95 + 37 * number);
    // As text: money is no binary fraction.
    let price: Value = serde_json::from_str(&format!("{}.{:02}", cents / 100, cents % 100))?;
    let body = json!({"name": name, "price": price, "sku": format!("SKU-{number}")});
    let made = made(clerk, owner, "/api/v1/products", &body, 201)?;
    Ok(Product { id: made["id"].as_i64().ok_or("a product without an id")?, name, cents })
}
