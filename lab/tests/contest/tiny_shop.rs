//! The contestants of the lab's own contest of a shop: a transaction an order, and, where they are told to,
//! one of the faults that the contest must find.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use serde_json::{Value, json};

use crate::listen::{self, Request, variable};

/// Two replicas start at once.
const SCHEMA: &str = "BEGIN;
    SELECT pg_advisory_xact_lock(1);
    CREATE TABLE IF NOT EXISTS users (id bigserial PRIMARY KEY, email text UNIQUE NOT NULL);
    CREATE TABLE IF NOT EXISTS products (id bigserial PRIMARY KEY, price numeric(12, 2) NOT NULL);
    CREATE TABLE IF NOT EXISTS stock (product bigint PRIMARY KEY, quantity bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS orders (id bigserial PRIMARY KEY, customer bigint NOT NULL,
        total numeric(12, 2) NOT NULL);
    CREATE TABLE IF NOT EXISTS lines (order_id bigint NOT NULL, product bigint NOT NULL,
        quantity bigint NOT NULL, price numeric(12, 2) NOT NULL);
    CREATE INDEX IF NOT EXISTS lines_order ON lines (order_id);
    CREATE OR REPLACE FUNCTION place(customer bigint, items json, takes bool, lowest bigint)
    RETURNS bigint AS $$
    DECLARE
        item record;
        made bigint;
    BEGIN
        INSERT INTO orders (customer, total) VALUES (customer, 0) RETURNING id INTO made;
        FOR item IN SELECT * FROM json_to_recordset(items)
            AS it (product_id bigint, quantity bigint) ORDER BY 1 LOOP
            UPDATE stock SET quantity = stock.quantity - item.quantity
                WHERE takes AND product = item.product_id AND stock.quantity - item.quantity >= lowest;
            IF takes AND NOT FOUND THEN
                RAISE EXCEPTION 'short';
            END IF;
            INSERT INTO lines SELECT made, id, item.quantity, price FROM products WHERE id = item.product_id;
        END LOOP;
        UPDATE orders SET total = (SELECT sum(quantity * price) FROM lines WHERE order_id = made)
            WHERE id = made;
        RETURN made;
    END $$ LANGUAGE plpgsql;
    COMMIT";

const ORDER: &str = "SELECT json_build_object('id', id, 'customer_id', customer, 'status', 'pending',
    'total_amount', total, 'items', (SELECT json_agg(json_build_object('product_id', product,
        'quantity', quantity, 'unit_price', price)) FROM lines WHERE order_id = orders.id))::text
    FROM orders WHERE id = $1";

const STOCK: &str =
    "SELECT coalesce(json_agg(json_build_object('product_id', product, 'quantity', quantity)), '[]')
    ::text FROM (SELECT * FROM stock ORDER BY product LIMIT 100 OFFSET $1) AS page";

/// With so many changes of the stock the contest opens the shop.
const OPENED: u64 = 3;

/// As long as the dip may last, if nobody looks.
const LONGEST_DIP: Duration = Duration::from_secs(5);

struct Tiny {
    database: Mutex<Client>,
    url: String,
    fault: String,
    ordered: AtomicU64,
    dip: Once,
    /// What was there when this process was started: the last order, and the stock as it is answered.
    last_order: i64,
    first_stock: String,
}

/// A status and a body, or a status alone.
type Answered = Result<(u16, String), u16>;

#[test]
#[ignore = "a server that the contest starts, and no test"]
fn serve() {
    let url = variable("POUCO_LAB_TEST_DATABASE");
    let mut database = connect(&url);
    database.batch_execute(SCHEMA).unwrap();
    let last_order = database.query_one("SELECT coalesce(max(id), 0) FROM orders", &[]).unwrap().get(0);
    let first_stock = database.query_one(STOCK, &[&0_i64]).unwrap().get(0);
    let tiny = Tiny {
        database: Mutex::new(database),
        url,
        fault: variable("TINY_FAULT"),
        ordered: AtomicU64::new(0),
        dip: Once::new(),
        last_order,
        first_stock,
    };
    listen::serve(move |request| {
        let (status, body) = tiny.answer(request).unwrap_or_else(|status| (status, "{}".to_owned()));
        (status, String::new(), body)
    });
}

/// Nobody kills the database here, so nobody waits for the disk, which others use, too.
fn connect(url: &str) -> Client {
    let mut client = Client::connect(url, NoTls).unwrap();
    client.batch_execute("SET synchronous_commit = off").unwrap();
    client
}

fn number(value: &Value) -> Result<i64, u16> {
    value.as_i64().ok_or(422)
}

fn error(_: postgres::Error) -> u16 {
    500
}

impl Tiny {
    fn answer(&self, request: &Request) -> Answered {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let body = || serde_json::from_slice::<Value>(&request.body).map_err(|_| 400_u16);
        match (request.method.as_str(), path) {
            ("GET", "/healthz") => return Ok((200, "{}".to_owned())),
            ("POST", "/api/v1/auth/register") => return self.register(&body()?),
            ("POST", "/api/v1/auth/login") => return self.log_in(&String::from_utf8_lossy(&request.body)),
            _ => {}
        }
        // The last part of a token is whose it is.
        let customer = request.authorization.strip_prefix("Bearer a.b.").and_then(|id| id.parse().ok());
        let customer: i64 = customer.ok_or(401_u16)?;
        match (request.method.as_str(), path) {
            ("POST", "/api/v1/products") => {
                let price = body()?["price"].to_string();
                let made = "INSERT INTO products (price) VALUES ($1::text::numeric) RETURNING id";
                let id: i64 = self.database().query_one(made, &[&price]).map_err(error)?.get(0);
                Ok((201, json!({ "id": id }).to_string()))
            }
            ("POST", "/api/v1/inventory/add") => self.change(&body()?, 1),
            ("POST", "/api/v1/inventory/remove") => self.change(&body()?, -1),
            ("GET", "/api/v1/inventory") => self.stock(query),
            ("POST", "/api/v1/orders") => self.order(customer, &body()?),
            ("GET", path) => {
                let id =
                    path.strip_prefix("/api/v1/orders/").and_then(|id| id.parse().ok()).ok_or(404_u16)?;
                if self.fault == "blind" && id <= self.last_order {
                    return Err(404);
                }
                Ok((200, shown(&mut *self.database(), id)?))
            }
            _ => Err(404),
        }
    }

    fn database(&self) -> std::sync::MutexGuard<'_, Client> {
        self.database.lock().unwrap()
    }

    fn register(&self, body: &Value) -> Answered {
        let made = "INSERT INTO users (email) VALUES ($1) RETURNING id";
        let email = body["email"].as_str().ok_or(422_u16)?;
        let id: i64 = self.database().query_one(made, &[&email]).map_err(|_| 409_u16)?.get(0);
        Ok((201, json!({ "id": id }).to_string()))
    }

    fn log_in(&self, form: &str) -> Answered {
        let name = form.split('&').find_map(|pair| pair.strip_prefix("username=")).ok_or(422_u16)?;
        let known = "SELECT id FROM users WHERE email = $1";
        let user = self.database().query_opt(known, &[&name.replace("%40", "@")]).map_err(error)?;
        let id: i64 = user.ok_or(401_u16)?.get(0);
        Ok((200, json!({ "access_token": format!("a.b.{id}") }).to_string()))
    }

    fn change(&self, body: &Value, sign: i64) -> Answered {
        let (product, quantity) = (number(&body["product_id"])?, number(&body["quantity"])? * sign);
        if self.fault == "stands" && self.ordered.fetch_add(1, Ordering::Relaxed) >= OPENED {
            stand();
        }
        let statement = if quantity > 0 {
            "INSERT INTO stock VALUES ($1, $2) ON CONFLICT (product)
            DO UPDATE SET quantity = stock.quantity + excluded.quantity RETURNING quantity"
        } else {
            "UPDATE stock SET quantity = quantity + $2 WHERE product = $1 AND quantity + $2 >= 0
            RETURNING quantity"
        };
        let left = self.database().query_opt(statement, &[&product, &quantity]).map_err(error)?;
        let left: i64 = left.ok_or(400_u16)?.get(0);
        Ok((200, json!({"product_id": product, "quantity": left}).to_string()))
    }

    fn stock(&self, query: &str) -> Answered {
        if self.fault == "blind" {
            return Ok((200, self.first_stock.clone()));
        }
        let skip = query.split('&').find_map(|pair| pair.strip_prefix("skip=")).unwrap_or("0");
        let skip: i64 = skip.parse().map_err(|_| 422_u16)?;
        Ok((200, self.database().query_one(STOCK, &[&skip]).map_err(error)?.get(0)))
    }

    fn order(&self, customer: i64, body: &Value) -> Answered {
        let number = self.ordered.fetch_add(1, Ordering::Relaxed);
        match self.fault.as_str() {
            "stands" => stand(),
            "dips" => self.dip.call_once(|| {
                let (url, product) = (self.url.clone(), body["items"][0]["product_id"].as_i64());
                thread::spawn(move || dip(&url, product.unwrap()));
            }),
            _ => {}
        }
        // What each fifth one takes another one has overwritten.
        let takes = self.fault != "oversells" || number % 5 != 4;
        // Who dips does not look at what there is.
        let least = if self.fault == "dips" { i64::MIN } else { 0 };
        let mut database = self.database();
        let mut transaction = database.transaction().map_err(error)?;
        let place = "SELECT place($1, $2::text::json, $3, $4)";
        let placed = transaction.query_one(place, &[&customer, &body["items"].to_string(), &takes, &least]);
        let answer = shown(&mut transaction, placed.map_err(|_| 400_u16)?.get(0))?;
        // The lie: there is nothing behind this answer.
        if self.fault != "forgets" || number % 5 != 4 {
            transaction.commit().map_err(error)?;
        }
        Ok((201, answer))
    }
}

fn stand() {
    loop {
        thread::park();
    }
}

fn shown(client: &mut impl postgres::GenericClient, id: i64) -> Result<String, u16> {
    Ok(client.query_opt(ORDER, &[&id]).map_err(error)?.ok_or(404_u16)?.get(0))
}

/// A million pieces below what there is, until somebody has looked at it.
fn dip(url: &str, product: i64) {
    let mut client = connect(url);
    let change = "UPDATE stock SET quantity = quantity + $2 WHERE product = $1";
    client.execute(change, &[&product, &-1_000_000_i64]).unwrap();
    let looked = "SELECT count(*) FROM pg_stat_activity
        WHERE query LIKE 'SELECT string_agg%' AND state = 'idle' AND query_start > now() - $1::float8 * interval '1 s'";
    let began = Instant::now();
    let mut seen = 0_i64;
    while seen == 0 && began.elapsed() < LONGEST_DIP {
        thread::sleep(Duration::from_millis(10));
        seen = client.query_one(looked, &[&began.elapsed().as_secs_f64()]).unwrap().get(0);
    }
    client.execute(change, &[&product, &1_000_000_i64]).unwrap();
}
