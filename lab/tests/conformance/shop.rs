//! An inventory API in memory that keeps every rule, but for those that a test tells it to break: the faults
//! of the back ends that the contest comes from, and a few of others.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::served::{Asked, Reply, decoded, serve};

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Lines that come before one that is short keep what they took.
    PartialOrders,
    /// An order that is refused is stored all the same.
    RefusedOrdersStored,
    NegativeQuantities,
    ClientsPriceBelieved,
    TwoRowsOfStock,
    PagesWithoutOrder,
    HistoryLost,
    LinesLoseTheirProduct,
    MoneyInFloats,
    DuplicateSkuIsAnError,
    NoSlashAtTheEnd,
    ContentTypeWantsABody,
    SubIsANumber,
    AnySignature,
    NoSignatureNeeded,
    OrdersArePublic,
    EndlessPages,
    LongPasswordsAreCut,
    Oversells,
    OneReplicaIsOlder,
    ArchivedSkuStaysTaken,
    PriceOfToday,
    /// An order is answered with 200 and an error.
    ErrorsBehind200,
}

struct Product {
    id: usize,
    owner: usize,
    name: String,
    description: Value,
    cents: i64,
    sku: String,
    /// Of the last change.
    touched: usize,
}

#[derive(Clone)]
struct Line {
    product: usize,
    quantity: i64,
    cents: i64,
    asked_price: Option<f64>,
}

struct Order {
    customer: usize,
    lines: Vec<Line>,
}

#[derive(Default)]
struct Shop {
    users: Vec<(String, String)>,
    tokens: BTreeMap<String, usize>,
    products: Vec<Product>,
    made: usize,
    touches: usize,
    stock: Vec<(usize, i64)>,
    skus: Vec<String>,
    orders: Vec<Order>,
}

type Answered = Result<(u16, Value), u16>;

/// Starts it and says where.
pub(crate) fn start(fault: Fault) -> String {
    let shop = Mutex::new(Shop::default());
    serve(move |asked| {
        let mut shop = shop.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, body) = match answer(&mut shop, fault, asked) {
            Ok((status, body)) => (status, body),
            Err(status) => (status, json!({"error": "no"})),
        };
        let body = body.to_string().into();
        Some(Reply { status, location: None, kind: "application/json", body, closes: false })
    })
}

/// What it has stored of the caller, as the oracle reads rows.
pub(crate) fn rows_of(address: &str, token: &str) -> String {
    let page = |list: &str, skip: usize| -> Vec<Value> {
        let mut stream = TcpStream::connect(address).unwrap();
        let target = format!("/api/v1/{list}?limit=100&skip={skip}");
        write!(stream, "GET {target} HTTP/1.1\r\nauthorization: Bearer {token}\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let all = |list: &str| {
        let pages = (0..).map(|number| page(list, number * 100)).take_while(|page| !page.is_empty());
        pages.flatten().collect::<Vec<_>>()
    };
    let text = |money: &Value| format!("{:.2}", money.as_f64().unwrap());
    let stock = all("inventory")
        .into_iter()
        .map(|it| json!({"kind": "stock", "product": it["product_id"], "quantity": it["quantity"]}));
    let orders = all("orders").into_iter().map(|it| {
        let line = |line: &Value| {
            json!({
                "product": line["product_id"], "quantity": line["quantity"], "price": text(&line["unit_price"])
            })
        };
        json!({
            "kind": "order", "id": it["id"], "customer": it["customer_id"], "status": it["status"],
            "total": text(&it["total_amount"]),
            "lines": it["items"].as_array().unwrap().iter().map(line).collect::<Vec<_>>()
        })
    });
    stock.chain(orders).map(|row| format!("{row}\n")).collect()
}

fn answer(shop: &mut Shop, fault: Fault, asked: &Asked) -> Answered {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    if path == "/healthz" {
        return Ok((200, json!({"status": "ok"})));
    }
    let path = path.strip_prefix("/api/v1").ok_or(404_u16)?;
    let path = match path.strip_suffix('/') {
        Some(_) if fault == Fault::NoSlashAtTheEnd => return Err(307),
        without => without.unwrap_or(path),
    };
    if fault == Fault::ContentTypeWantsABody
        && asked.header("content-type").is_some()
        && asked.body.is_empty()
    {
        return Err(400);
    }
    let place: Vec<&str> = path.split('/').skip(1).collect();
    match (asked.method.as_str(), &place[..]) {
        ("GET", ["openapi.json"]) => return Ok((200, json!({"openapi": "3.1.0"}))),
        ("POST", ["auth", "register"]) => return shop.register(fault, &parsed(asked)?),
        ("POST", ["auth", "login"]) => return shop.log_in(fault, &asked.body),
        _ => {}
    }
    let user = shop.caller(fault, asked.header("authorization"))?;
    let id = |text: &str| text.parse::<usize>().map_err(|_| 422_u16);
    // Behind a balancer one connection of two goes to the replica that has not heard of it.
    let older = fault == Fault::OneReplicaIsOlder && asked.connection % 2 == 1;
    match (asked.method.as_str(), &place[..]) {
        ("GET", ["products"]) => {
            let all = shop.listed(fault).into_iter().map(|it| shown(&shop.products[it])).collect();
            page(fault, query, all)
        }
        ("POST", ["products"]) => shop.create(fault, user, &parsed(asked)?),
        ("GET", ["products", _]) if older => Err(404),
        ("GET", ["products", it]) => Ok((200, shown(&shop.products[shop.place(id(it)?)?]))),
        ("PUT", ["products", it]) => shop.change(fault, id(it)?, &parsed(asked)?),
        ("DELETE", ["products", it]) => shop.delete(fault, id(it)?),
        ("GET", ["inventory"]) => {
            let item =
                |(product, quantity): &(usize, i64)| json!({"product_id": product, "quantity": quantity});
            page(fault, query, shop.stock.iter().map(item).collect())
        }
        ("POST", ["inventory", "add"]) => shop.stock(fault, &parsed(asked)?, 1),
        ("POST", ["inventory", "remove"]) => shop.stock(fault, &parsed(asked)?, -1),
        ("GET", ["orders"]) => {
            let own = |it: &&usize| shop.orders[**it].customer == user || fault == Fault::OrdersArePublic;
            let all: Vec<usize> = (0..shop.orders.len()).collect();
            page(fault, query, all.iter().filter(own).map(|it| shop.order(fault, *it)).collect())
        }
        ("POST", ["orders"]) => shop.place_order(fault, user, &parsed(asked)?),
        ("GET", ["orders", it]) => {
            let it = id(it)?.wrapping_sub(1);
            let order = shop.orders.get(it).ok_or(404_u16)?;
            if fault == Fault::ErrorsBehind200 {
                return Ok((200, json!({"error": "busy"})));
            }
            if order.customer == user || fault == Fault::OrdersArePublic {
                Ok((200, shop.order(fault, it)))
            } else {
                Err(403)
            }
        }
        _ => Err(404),
    }
}

fn parsed(asked: &Asked) -> Result<Value, u16> {
    let value: Value = serde_json::from_slice(&asked.body).map_err(|_| 400_u16)?;
    if value.is_object() { Ok(value) } else { Err(422) }
}

fn text(body: &Value, name: &str) -> Result<String, u16> {
    let text = body[name].as_str().ok_or(422_u16)?;
    if text.is_empty() || text.contains('\0') || text.len() > 2_000 { Err(422) } else { Ok(text.to_owned()) }
}

fn cents(body: &Value, fault: Fault) -> Result<i64, u16> {
    let price = body["price"].as_f64().filter(|price| (0.0..1e10).contains(price)).ok_or(422_u16)?;
    let cents = (price * 100.0).round();
    let exact = (cents / 100.0 - price).abs() < 1e-9 || fault == Fault::MoneyInFloats;
    if exact { Ok(whole(cents)) } else { Err(422) }
}

#[allow(clippy::cast_possible_truncation)] // no price is near 2^53
fn whole(number: f64) -> i64 {
    number as i64
}

/// A number with two decimals, in the form in which JSON has it.
fn money(cents: i64) -> Value {
    serde_json::from_str(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap()
}

fn shown(it: &Product) -> Value {
    json!({
        "id": it.id, "name": it.name, "description": it.description, "price": money(it.cents), "sku": it.sku,
        "owner_id": it.owner
    })
}

fn page(fault: Fault, query: &str, all: Vec<Value>) -> Answered {
    let number = |name: &str, default: usize| match query.split('&').find_map(|pair| pair.strip_prefix(name))
    {
        Some(text) => text.parse::<usize>().map_err(|_| 422_u16),
        None => Ok(default),
    };
    let (limit, skip) = (number("limit=", 100)?, number("skip=", 0)?);
    if !(1..=100).contains(&limit) && fault != Fault::EndlessPages {
        return Err(422);
    }
    Ok((200, all.into_iter().skip(skip).take(limit).collect()))
}

impl Shop {
    fn register(&mut self, fault: Fault, body: &Value) -> Answered {
        let (email, name) = (text(body, "email")?, text(body, "full_name")?);
        let password = text(body, "password")?;
        let long = password.len() > 72 && fault != Fault::LongPasswordsAreCut;
        if !email.contains('@') || password.chars().count() < 8 || long {
            return Err(422);
        }
        if self.users.iter().any(|(known, _)| *known == email) {
            return Err(409);
        }
        self.users.push((email.clone(), password));
        Ok((201, json!({"id": self.users.len(), "email": email, "full_name": name})))
    }

    fn log_in(&mut self, fault: Fault, body: &[u8]) -> Answered {
        let body = std::str::from_utf8(body).map_err(|_| 400_u16)?;
        let (email, password) = if body.starts_with('{') {
            let body: Value = serde_json::from_str(body).map_err(|_| 400_u16)?;
            (text(&body, "username")?, text(&body, "password")?)
        } else {
            let field = |name: &str| body.split('&').find_map(|pair| pair.strip_prefix(name)).ok_or(422_u16);
            let text = |name| decoded(field(name)?).ok_or(400_u16);
            (text("username=")?, text("password=")?)
        };
        let known = self.users.iter().position(|user| *user == (email.clone(), password.clone()));
        let user = known.ok_or(401_u16)? + 1;
        let sub = if fault == Fault::SubIsANumber { json!(user) } else { json!(user.to_string()) };
        let parts = [json!({"alg": "HS256"}), json!({"exp": 4_000_000_000_u64, "sub": sub})];
        let [header, claims] = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let token = format!("{header}.{claims}.{}", "s".repeat(43));
        self.tokens.insert(token.clone(), user);
        Ok((200, json!({"access_token": token, "token_type": "bearer"})))
    }

    fn caller(&self, fault: Fault, field: Option<&str>) -> Result<usize, u16> {
        let token = field.and_then(|field| field.strip_prefix("Bearer ")).ok_or(401_u16)?;
        let similar = |known: &&String| {
            let mine: Vec<&str> = known.split('.').collect();
            let given: Vec<&str> = token.split('.').collect();
            match (fault, &given[..]) {
                (Fault::AnySignature, [header, claims, _]) => *header == mine[0] && *claims == mine[1],
                (Fault::NoSignatureNeeded, [header, claims, ""]) => *header != mine[0] && *claims == mine[1],
                _ => false,
            }
        };
        let known = self.tokens.get(token);
        let known = known.or_else(|| self.tokens.keys().find(similar).map(|key| &self.tokens[key]));
        known.copied().ok_or(403)
    }

    fn listed(&self, fault: Fault) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.products.len()).collect();
        if fault == Fault::PagesWithoutOrder {
            all.sort_by_key(|it| self.products[*it].touched);
        }
        all
    }

    fn place(&self, id: usize) -> Result<usize, u16> {
        self.products.iter().position(|product| product.id == id).ok_or(404)
    }

    fn take_sku(&mut self, fault: Fault, sku: &str, but: usize) -> Result<(), u16> {
        let taken = self.products.iter().any(|it| it.sku == sku && it.id != but);
        let was = fault == Fault::ArchivedSkuStaysTaken && self.skus.iter().any(|known| known == sku);
        self.skus.push(sku.to_owned());
        match (taken || was && but == 0, fault) {
            (true, Fault::DuplicateSkuIsAnError) => Err(500),
            (true, _) => Err(409),
            _ => Ok(()),
        }
    }

    fn create(&mut self, fault: Fault, owner: usize, body: &Value) -> Answered {
        let (name, sku, cents) = (text(body, "name")?, text(body, "sku")?, cents(body, fault)?);
        let description = body["description"].clone();
        if description.as_str().is_some_and(|it| it.len() > 2_000) {
            return Err(422);
        }
        self.take_sku(fault, &sku, 0)?;
        (self.made, self.touches) = (self.made + 1, self.touches + 1);
        let (id, touched) = (self.made, self.touches);
        self.products.push(Product { id, owner, name, description, cents, sku, touched });
        Ok((201, shown(&self.products[self.products.len() - 1])))
    }

    fn change(&mut self, fault: Fault, id: usize, body: &Value) -> Answered {
        let place = self.place(id)?;
        if body["sku"].is_string() {
            self.take_sku(fault, &text(body, "sku")?, id)?;
        }
        self.touches += 1;
        let product = &mut self.products[place];
        product.touched = self.touches;
        if body.get("price").is_some() {
            product.cents = cents(body, fault)?;
        }
        if body.get("name").is_some() {
            product.name = text(body, "name")?;
        }
        if let Some(description) = body.get("description") {
            product.description = description.clone();
        }
        Ok((200, shown(product)))
    }

    fn delete(&mut self, fault: Fault, id: usize) -> Answered {
        let product = self.products.remove(self.place(id)?);
        self.stock.retain(|(product, _)| *product != id);
        for order in &mut self.orders {
            match fault {
                Fault::HistoryLost => order.lines.retain(|line| line.product != id),
                Fault::LinesLoseTheirProduct => {
                    let lines = order.lines.iter_mut().filter(|line| line.product == id);
                    lines.for_each(|line| line.product = 0);
                }
                _ => {}
            }
        }
        Ok((200, shown(&product)))
    }

    fn quantity(fault: Fault, body: &Value) -> Result<i64, u16> {
        let quantity = body["quantity"].as_i64().filter(|it| it.abs() < 1 << 31).ok_or(422_u16)?;
        if quantity < 1 && fault != Fault::NegativeQuantities { Err(422) } else { Ok(quantity) }
    }

    fn left(&mut self, product: usize) -> &mut i64 {
        if !self.stock.iter().any(|(known, _)| *known == product) {
            self.stock.push((product, 0));
        }
        &mut self.stock.iter_mut().find(|(known, _)| *known == product).unwrap().1
    }

    fn stock(&mut self, fault: Fault, body: &Value, sign: i64) -> Answered {
        let product = usize::try_from(body["product_id"].as_u64().ok_or(422_u16)?).unwrap();
        let by = Self::quantity(fault, body)? * sign;
        self.place(product)?;
        let quantity = self.left(product);
        if *quantity + by < 0 {
            return Err(400);
        }
        *quantity += by;
        let quantity = *quantity;
        if fault == Fault::TwoRowsOfStock && sign > 0 && quantity == 15 {
            self.stock.push((product, 0));
        }
        Ok((200, json!({"product_id": product, "quantity": quantity})))
    }

    fn place_order(&mut self, fault: Fault, customer: usize, body: &Value) -> Answered {
        let items = body["items"].as_array().filter(|items| !items.is_empty()).ok_or(422_u16)?;
        let mut lines = Vec::new();
        for item in items {
            let product = usize::try_from(item["product_id"].as_u64().ok_or(422_u16)?).unwrap();
            let asked_price = item["unit_price"].as_f64();
            lines.push(Line { product, quantity: Self::quantity(fault, item)?, cents: 0, asked_price });
        }
        let before = self.stock.clone();
        let taken = self.take(fault, &mut lines);
        if taken.is_err() && fault != Fault::PartialOrders {
            self.stock = before;
        }
        if taken.is_ok() || fault == Fault::RefusedOrdersStored {
            self.orders.push(Order { customer, lines });
        }
        taken?;
        Ok((201, self.order(fault, self.orders.len() - 1)))
    }

    fn take(&mut self, fault: Fault, lines: &mut [Line]) -> Result<(), u16> {
        for line in lines {
            line.cents = self.products[self.place(line.product)?].cents;
            let left = self.left(line.product);
            if *left < line.quantity && fault != Fault::Oversells {
                return Err(400);
            }
            *left -= line.quantity;
        }
        Ok(())
    }

    fn order(&self, fault: Fault, it: usize) -> Value {
        let order = &self.orders[it];
        let price = |line: &Line| match (fault, line.asked_price) {
            (Fault::ClientsPriceBelieved, Some(asked)) => whole((asked * 100.0).round()),
            (Fault::PriceOfToday, _) => {
                self.place(line.product).map_or(line.cents, |place| self.products[place].cents)
            }
            _ => line.cents,
        };
        let total: i64 = order.lines.iter().map(|line| price(line) * line.quantity).sum();
        let float: f64 =
            order.lines.iter().map(|line| price(line) as f64 / 100.0 * line.quantity as f64).sum();
        let total = if fault == Fault::MoneyInFloats { json!(float) } else { money(total) };
        let product = |line: &Line| if line.product == 0 { Value::Null } else { json!(line.product) };
        let line = |line: &Line| {
            let (quantity, unit_price) = (line.quantity, money(price(line)));
            json!({"product_id": product(line), "quantity": quantity, "unit_price": unit_price})
        };
        let items: Vec<Value> = order.lines.iter().map(line).collect();
        json!({
            "id": it + 1, "customer_id": order.customer, "status": "pending", "total_amount": total,
            "items": items
        })
    }
}
