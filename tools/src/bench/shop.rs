//! The inventory API as a process of its own, with one user and one product.

use std::error::Error;

use serde_json::{Value, json};

use super::soon;
use crate::support::{Database, Replica};

pub struct Shop {
    pub database: Database,
    pub replica: Replica,
    pub product: i64,
    token: String,
}

impl Shop {
    /// With so much in stock.
    pub fn open(settings: &[(&str, &str)], stock: i64) -> Result<Self, Box<dyn Error>> {
        let database = Database::create();
        let settings: Vec<_> =
            [("POUCO_APIS", "inventory")].into_iter().chain(settings.iter().copied()).collect();
        let replica = Replica::start_with(&database, &settings);
        let mut shop = Self { database, replica, product: 0, token: String::new() };
        let account = json!({"email": "a@example.com", "password": "a password", "full_name": "A"});
        shop.ask(&shop.post("/auth/register", &account))?;
        let answer = shop.ask(&shop.login())?;
        shop.token = answer["access_token"].as_str().ok_or("no token")?.to_owned();
        let product = json!({"name": "In demand", "price": 1, "sku": "ONE"});
        shop.product = shop.ask(&shop.post("/products", &product))?["id"].as_i64().ok_or("no product")?;
        shop.ask(&shop.post("/inventory/add", &json!({"product_id": shop.product, "quantity": stock})))?;
        Ok(shop)
    }

    pub fn login(&self) -> String {
        self.post("/auth/login", &json!({"username": "a@example.com", "password": "a password"}))
    }

    /// The text of a request.
    pub fn post(&self, path: &str, body: &Value) -> String {
        let body = body.to_string();
        format!("{}Content-Length: {}\r\n\r\n{body}", self.head("POST", path), body.len())
    }

    pub fn get(&self, path: &str) -> String {
        format!("{}\r\n", self.head("GET", path))
    }

    fn head(&self, method: &str, path: &str) -> String {
        format!("{method} /api/v1{path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\n", self.token)
    }

    /// The answer of a request that must succeed.
    fn ask(&self, request: &str) -> Result<Value, Box<dyn Error>> {
        let answer = self.replica.api.try_connect()?.exchange(request, soon())?;
        match answer.status {
            200 | 201 => Ok(answer.json()),
            status => Err(format!("{status}: {}", answer.text()).into()),
        }
    }
}
