//! Somebody who is logged in, and what the tests of products, stock and orders ask for.

use serde_json::{Value, json};

use crate::client::{PASSWORD, log_in, register, replica, tokens};
use crate::support::{Answer, Database, Replica, Target};

/// A user of one replica, with a token.
#[derive(Clone)]
pub(crate) struct Shopper {
    api: Target,
    pub(crate) token: String,
}

/// A replica on a database of its own, and somebody who has logged in.
pub(crate) fn shop() -> (Database, Replica, Shopper) {
    let database = Database::create();
    let replica = replica(&database, &[]);
    let ana = Shopper::new(&replica, "ana@example.com");
    (database, replica, ana)
}

fn text(method: &str, path: &str, token: &str, fields: &[(&str, &str)], body: &str) -> String {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Shopper {
    pub(crate) fn new(replica: &Replica, email: &str) -> Self {
        assert_eq!(register(replica, email).status, 201);
        Self::logged_in(replica, email, PASSWORD)
    }

    pub(crate) fn logged_in(replica: &Replica, email: &str, password: &str) -> Self {
        let (token, _) = tokens(&log_in(replica, email, password));
        Self { api: replica.api.clone(), token }
    }

    /// Somebody who has not.
    pub(crate) fn without_token(replica: &Replica) -> Self {
        Self { api: replica.api.clone(), token: String::new() }
    }

    /// The same user, asking another replica.
    pub(crate) fn at(&self, replica: &Replica) -> Self {
        Self { api: replica.api.clone(), ..self.clone() }
    }

    pub(crate) fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        self.api.ask(text(method, path, &self.token, fields, body))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[], &body.to_string())
    }

    pub(crate) fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("Idempotency-Key", key)], &body.to_string())
    }

    /// A product with so much in stock, and its id.
    pub(crate) fn product(&self, sku: &str, price: &str, quantity: i64) -> i64 {
        let body = format!("{{\"name\":\"The {sku}\",\"price\":{price},\"sku\":\"{sku}\"}}");
        let answer = self.ask("POST", "/products", &[], &body);
        assert_eq!(answer.status, 201, "{}", answer.text());
        let id = answer.json()["id"].as_i64().unwrap();
        if quantity > 0 {
            let added = self.post("/inventory/add", &json!({"product_id": id, "quantity": quantity}));
            assert_eq!(added.status, 200, "{}", added.text());
        }
        id
    }

    pub(crate) fn order(&self, lines: &[(i64, i64)]) -> Answer {
        self.post("/orders", &basket(lines))
    }

    /// What is in stock; `None` for a product without any row.
    pub(crate) fn stock(&self, product: i64) -> Option<i64> {
        let answer = self.get(&format!("/inventory?after={}&limit=1", product - 1));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let item = answer.json()[0].clone();
        (item["product_id"] == product).then(|| item["quantity"].as_i64().unwrap())
    }
}

pub(crate) fn basket(lines: &[(i64, i64)]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(product, quantity)| json!({"product_id": product, "quantity": quantity}))
        .collect();
    json!({"items": lines})
}
