//! What a customer of a shop does: looks, buys, restocks, logs in. Each errand draws what it is about, says what
//! is sent for it, what a right answer is, and what the oracle must know of it.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::oracle::inventory::{Answer, Deed, Line};
use crate::shop::{Customer, Open};

/// Pieces of one order.
const BOUGHT: std::ops::RangeInclusive<i64> = 1..=3;
/// Pieces of one delivery: the mix has four orders to each, so that as many come as go.
const DELIVERED: std::ops::RangeInclusive<i64> = 1..=15;
/// Products of a page.
const PAGE: usize = 20;

/// A kind of errand, as `body` and `path` of a request in a contest's file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A product by its id.
    Look,
    /// A page of products.
    Browse,
    /// An order of one product.
    Buy,
    /// Pieces are added.
    Restock,
    /// A new token, which is not used.
    LogIn,
}

/// An errand under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Errand {
    pub(super) kind: Kind,
    /// Its place among the shop's; of a page, where it begins.
    product: usize,
    pieces: i64,
    /// Its place among the shop's.
    customer: usize,
}

impl Errand {
    pub(super) fn draw(kind: Kind, customer: u64, shop: &Open, random: &mut fastrand::Rng) -> Self {
        let pieces = match kind {
            Kind::Buy => random.i64(BOUGHT),
            Kind::Restock => random.i64(DELIVERED),
            _ => 0,
        };
        let last = match kind {
            Kind::Browse => shop.products.len().saturating_sub(PAGE),
            _ => shop.products.len() - 1,
        };
        let customers = shop.customers.len() as u64;
        let customer = usize::try_from(customer % customers).unwrap_or_default();
        Self { kind, product: random.usize(..=last), pieces, customer }
    }

    pub(super) fn customer<'s>(&self, shop: &'s Open) -> &'s Customer {
        &shop.customers[self.customer]
    }

    /// What stands in the path for `{product_id}` or `{skip}`.
    pub(super) fn place(&self, shop: &Open) -> String {
        match self.kind {
            Kind::Browse => self.product.to_string(),
            _ => shop.products[self.product].id.to_string(),
        }
    }

    /// The body, if it has one.
    pub(super) fn write_body(&self, shop: &Open, body: &mut String) {
        body.clear();
        let (product, pieces) = (shop.products[self.product], self.pieces);
        // A string takes all that is written to it. The price is any but the catalogue's.
        let _ = match self.kind {
            Kind::Look | Kind::Browse => Ok(()),
            Kind::Buy => write!(
                body,
                r#"{{"status":"pending","items":[{{"product_id":{},"quantity":{pieces},"unit_price":0.01}}]}}"#,
                product.id
            ),
            Kind::Restock => write!(body, r#"{{"product_id":{},"quantity":{pieces}}}"#, product.id),
            Kind::LogIn => {
                let customer = self.customer(shop);
                let (email, password) = (&customer.email, customer.password.replace(' ', "+"));
                write!(body, "username={}&password={password}", email.replace('@', "%40"))
            }
        };
    }

    /// Judges the body of an answer that says yes. Of an order it gives the id.
    pub(super) fn check(&self, body: &[u8], shop: &Open) -> Result<Option<i64>, &'static str> {
        let product = shop.products[self.product];
        match self.kind {
            Kind::Look => {
                let got: ProductBody<'_> = read(body, "the body is no product in JSON")?;
                same(got.id == product.id, "the product's id is not the one that was asked for")?;
                same(cents(got.price) == Some(product.cents), "the product's price is not its own")?;
                Ok(None)
            }
            Kind::Browse => {
                let page: Vec<ProductBody<'_>> = read(body, "the body is no array of products")?;
                // Others may have products here, too.
                let whole = (PAGE.min(shop.products.len())..=PAGE).contains(&page.len());
                same(whole, "the page has not as many as were asked for")?;
                same(page.is_sorted_by(|one, next| one.id < next.id), "the page is not in the order of ids")?;
                Ok(None)
            }
            Kind::Buy => {
                let order: OrderBody<'_> = read(body, "the body is no order in JSON")?;
                let total = product.cents * self.pieces;
                same(order.customer_id == self.customer(shop).id, "the order is another customer's")?;
                same(
                    cents(order.total_amount) == Some(total),
                    "the order's total is not the sum of its lines",
                )?;
                let one = match order.items.as_slice() {
                    [line] => (line.product_id, line.quantity, cents(line.unit_price)),
                    _ => return Err("the order has not one line"),
                };
                same(
                    one == (product.id, self.pieces, Some(product.cents)),
                    "the line is not what was ordered",
                )?;
                Ok(Some(order.id))
            }
            Kind::Restock => {
                let stock: StockBody = read(body, "the body is no stock in JSON")?;
                same(stock.product_id == product.id, "the stock is another product's")?;
                same(stock.quantity >= self.pieces, "there is less in stock than was just added")?;
                Ok(None)
            }
            Kind::LogIn => {
                let token: TokenBody<'_> = read(body, "the body is no token in JSON")?;
                same(token.access_token.split('.').count() == 3, "the token is none")?;
                Ok(None)
            }
        }
    }

    /// For the oracle; absent where nothing is changed. `order` is its id, if the answer was right.
    pub(super) fn deed(&self, shop: &Open, status: u16, order: Option<i64>) -> Option<Deed> {
        let product = shop.products[self.product];
        let answer = Answer::of(status, order);
        match self.kind {
            Kind::Buy => {
                let lines = vec![Line { product: product.id, quantity: self.pieces, cents: product.cents }];
                Some(Deed::Order { customer: self.customer(shop).id, lines, answer })
            }
            Kind::Restock => Some(Deed::Change { product: product.id, pieces: self.pieces, answer }),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct ProductBody<'a> {
    id: i64,
    #[serde(borrow)]
    price: &'a RawValue,
}

#[derive(Deserialize)]
struct OrderBody<'a> {
    id: i64,
    customer_id: i64,
    #[serde(borrow)]
    total_amount: &'a RawValue,
    #[serde(borrow)]
    items: Vec<LineBody<'a>>,
}

#[derive(Deserialize)]
struct LineBody<'a> {
    product_id: i64,
    quantity: i64,
    #[serde(borrow)]
    unit_price: &'a RawValue,
}

#[derive(Deserialize)]
struct StockBody {
    product_id: i64,
    quantity: i64,
}

#[derive(Deserialize)]
struct TokenBody<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8], message: &'static str) -> Result<T, &'static str> {
    serde_json::from_slice(body).map_err(|_| message)
}

fn same(holds: bool, message: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(message) }
}

/// Hundredths of a JSON number, to the digit: `10.1` and `10.10` are one, `0.30000000000000004` is none.
fn cents(number: &RawValue) -> Option<i64> {
    let (whole, decimals) = number.get().split_once('.').unwrap_or((number.get(), ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (given, rest) = decimals.split_at_checked(2).unwrap_or((decimals, ""));
    if !plain(whole) || !plain(given) || rest.bytes().any(|byte| byte != b'0') {
        return None;
    }
    format!("{whole}{given:0<2}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::Product;

    fn shop() -> Open {
        let customer = |id| Customer {
            id,
            email: format!("c{id}@example.com"),
            password: "a b".into(),
            token: format!("t{id}"),
        };
        let products = (1..=30).map(|id| Product { id, cents: 1_010 }).collect();
        Open { customers: vec![customer(5), customer(6)], products }
    }

    fn errand(kind: Kind) -> Errand {
        Errand { kind, product: 2, pieces: 3, customer: 1 }
    }

    #[test]
    fn a_right_answer_is_right_and_any_other_is_found_out() {
        let line = r#"{"product_id":3,"quantity":3,"unit_price":10.1}"#;
        let order = &format!(r#"{{"id":9,"customer_id":6,"total_amount":30.30,"items":[{line}]}}"#);
        let token = r#"{"access_token":"a.b.c","token_type":"bearer"}"#;
        let stock = r#"{"product_id":3,"quantity":3}"#;
        let product = r#"{"id":3,"price":10.10,"name":"x"}"#;
        type Changes = &'static [(&'static str, &'static str)];
        let cases: [(Kind, &str, Changes); 4] = [
            (
                Kind::Buy,
                order,
                &[
                    (":6,", ":5,"),
                    ("30.30", "30.31"),
                    ("30.30", "30.300000000000004"),
                    ("10.1", "0.01"),
                    ("\"product_id\":3", "\"product_id\":4"),
                    ("\"quantity\":3", "\"quantity\":2"),
                    ("[{", "[{\"product_id\":3,\"quantity\":3,\"unit_price\":10.1},{"),
                    ("]", "],"),
                ],
            ),
            (Kind::LogIn, token, &[("a.b.c", "abc"), ("access", "some")]),
            (
                Kind::Restock,
                stock,
                &[("\"quantity\":3", "\"quantity\":2"), ("\"product_id\":3", "\"product_id\":2")],
            ),
            (Kind::Look, product, &[(":3", ":2"), ("10.10", "10.11"), ("10.10", "\"10.10\"")]),
        ];
        for (kind, good, changes) in cases {
            let expected = (kind == Kind::Buy).then_some(9);
            assert_eq!(errand(kind).check(good.as_bytes(), &shop()), Ok(expected), "{good}");
            for (from, to) in changes {
                let bad = good.replace(from, to);
                assert!(errand(kind).check(bad.as_bytes(), &shop()).is_err(), "{bad}");
            }
        }
    }

    #[test]
    fn a_page_is_whole_and_in_order() {
        let page = |ids: &[i64]| {
            let all: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":{id},"price":1}}"#)).collect();
            errand(Kind::Browse).check(format!("[{}]", all.join(",")).as_bytes(), &shop()).is_ok()
        };
        let good: Vec<i64> = (3..23).collect();
        let mut turned = good.clone();
        turned.swap(4, 5);
        assert!(page(&good) && !page(&turned) && !page(&good[1..]));
    }

    #[test]
    fn what_was_sent_is_what_the_oracle_is_told() {
        let mut body = String::new();
        errand(Kind::Buy).write_body(&shop(), &mut body);
        let sent: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (sent["items"][0]["product_id"].as_i64(), sent["items"][0]["quantity"].as_i64()),
            (Some(3), Some(3))
        );
        let lines = vec![Line { product: 3, quantity: 3, cents: 1_010 }];
        let told = errand(Kind::Buy).deed(&shop(), 201, Some(9));
        assert_eq!(told, Some(Deed::Order { customer: 6, lines, answer: Answer::Yes(Some(9)) }));
        errand(Kind::LogIn).write_body(&shop(), &mut body);
        assert_eq!(body, "username=c6%40example.com&password=a+b");
        assert_eq!(errand(Kind::Look).deed(&shop(), 200, None), None);
    }

    #[test]
    fn errands_are_of_every_customer_and_product() {
        let mut random = fastrand::Rng::with_seed(1);
        let shop = shop();
        let all: Vec<Errand> =
            (0..2_000).map(|number| Errand::draw(Kind::Buy, number, &shop, &mut random)).collect();
        let kinds = |of: &dyn Fn(&Errand) -> usize| {
            all.iter().map(of).collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!([kinds(&|it| it.product), kinds(&|it| it.customer)], [30, 2]);
        assert!(all.iter().all(|it| BOUGHT.contains(&it.pieces)));
        let page = Errand::draw(Kind::Browse, 0, &shop, &mut random);
        assert!(page.product <= 10);
    }
}
