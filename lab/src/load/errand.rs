//! What a customer of a shop does: looks, buys, restocks, takes out, logs in. Each errand draws what it is
//! about, says what is sent for it, what a right answer is, and what the oracle must know of it.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::order::{cents, told};
use crate::oracle::inventory::{Answer, Deed, Line, merged};
use crate::shop::{Customer, Open};

/// Pieces of one order, and so the most lines of a basket.
pub(crate) const BOUGHT: std::ops::RangeInclusive<i64> = 1..=3;
const MOST_LINES: usize = 3;
/// Pieces of one delivery: the mix has four orders to each, so that as many come as go.
pub(crate) const DELIVERED: std::ops::RangeInclusive<i64> = 1..=15;
/// Pieces of one removal.
const REMOVED: std::ops::RangeInclusive<i64> = 1..=5;
/// Products of a page.
pub(crate) const PAGE: usize = 20;

/// A kind of errand, as `body` and `path` of a request in a contest's file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A product by its id.
    Look,
    /// A page of products.
    Browse,
    /// An order of one product.
    Buy,
    /// An order of as many pieces, in one to three lines of different products, in any order.
    Basket,
    /// Pieces are added.
    Restock,
    /// Pieces are removed.
    Remove,
    /// A new token, which is not used.
    LogIn,
}

/// An errand under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Errand {
    pub(super) kind: Kind,
    /// Places of products among the shop's, with pieces of each; of a page, where it begins.
    lines: [(usize, i64); MOST_LINES],
    /// How many of these there are.
    count: usize,
    /// Its place among the shop's.
    customer: usize,
}

impl Errand {
    pub(super) fn draw(kind: Kind, customer: u64, shop: &Open, random: &mut fastrand::Rng) -> Self {
        let pieces = match kind {
            Kind::Buy | Kind::Basket => random.i64(BOUGHT),
            Kind::Restock => random.i64(DELIVERED),
            Kind::Remove => random.i64(REMOVED),
            _ => 0,
        };
        let last = match kind {
            Kind::Browse => shop.products.len().saturating_sub(PAGE),
            _ => shop.products.len() - 1,
        };
        let customers = shop.customers.len() as u64;
        let customer = usize::try_from(customer % customers).unwrap_or_default();
        let mut errand = Self { kind, lines: [(0, 0); MOST_LINES], count: 1, customer };
        errand.lines[0] = (random.usize(..=last), pieces);
        if kind == Kind::Basket {
            errand.fill(last, random);
        }
        errand
    }

    /// Shares the pieces out to lines of other products, if there are any.
    fn fill(&mut self, last: usize, random: &mut fastrand::Rng) {
        let pieces = usize::try_from(self.lines[0].1).unwrap_or(1);
        let lines = random.usize(1..=pieces.min(last + 1).min(MOST_LINES));
        while self.count < lines {
            let product = random.usize(..=last);
            if self.lines().iter().all(|(known, _)| *known != product) {
                self.lines[0].1 -= 1;
                self.lines[self.count] = (product, 1);
                self.count += 1;
            }
        }
    }

    fn lines(&self) -> &[(usize, i64)] {
        &self.lines[..self.count]
    }

    pub(super) fn customer<'s>(&self, shop: &'s Open) -> &'s Customer {
        &shop.customers[self.customer]
    }

    /// What stands in the path for `{product_id}` or `{skip}`.
    pub(super) fn place(&self, shop: &Open) -> String {
        match self.kind {
            Kind::Browse => self.lines[0].0.to_string(),
            _ => shop.products[self.lines[0].0].id.to_string(),
        }
    }

    /// The body, if it has one.
    pub(super) fn write_body(&self, shop: &Open, body: &mut String) {
        body.clear();
        let (product, pieces) = (shop.products[self.lines[0].0], self.lines[0].1);
        // A string takes all that is written to it. The price is any but the catalogue's.
        let _ = match self.kind {
            Kind::Look | Kind::Browse => Ok(()),
            Kind::Buy | Kind::Basket => {
                body.push_str(r#"{"status":"pending","items":"#);
                for (number, (place, pieces)) in self.lines().iter().enumerate() {
                    let (before, product) = (if number == 0 { '[' } else { ',' }, shop.products[*place].id);
                    let _ = write!(
                        body,
                        r#"{before}{{"product_id":{product},"quantity":{pieces},"unit_price":0.01}}"#
                    );
                }
                body.push_str("]}");
                Ok(())
            }
            Kind::Restock | Kind::Remove => {
                write!(body, r#"{{"product_id":{},"quantity":{pieces}}}"#, product.id)
            }
            Kind::LogIn => {
                let customer = self.customer(shop);
                let (email, password) = (&customer.email, customer.password.replace(' ', "+"));
                write!(body, "username={}&password={password}", email.replace('@', "%40"))
            }
        };
    }

    /// Judges the body of an answer that says yes. Of an order it gives the id.
    pub(super) fn check(&self, body: &[u8], shop: &Open) -> Result<Option<i64>, &'static str> {
        let product = shop.products[self.lines[0].0];
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
            Kind::Buy | Kind::Basket => {
                let (id, order) = told(body)?;
                let lines = self.order_lines(shop);
                let total: i64 = lines.iter().map(|line| line.cents * line.quantity).sum();
                same(order.customer == self.customer(shop).id, "the order is another customer's")?;
                same(order.total == total, "the order's total is not the sum of its lines")?;
                same(merged(&order.lines) == merged(&lines), "the lines are not what was ordered")?;
                Ok(Some(id))
            }
            Kind::Restock | Kind::Remove => {
                let stock: StockBody = read(body, "the body is no stock in JSON")?;
                same(stock.product_id == product.id, "the stock is another product's")?;
                let added = if self.kind == Kind::Restock { self.lines[0].1 } else { 0 };
                same(stock.quantity >= added, "there is less in stock than can be")?;
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
        let answer = Answer::of(status, order);
        let (product, pieces) = (shop.products[self.lines[0].0].id, self.lines[0].1);
        match self.kind {
            Kind::Buy | Kind::Basket => {
                Some(Deed::Order { customer: self.customer(shop).id, lines: self.order_lines(shop), answer })
            }
            Kind::Restock => Some(Deed::Change { product, pieces, answer }),
            Kind::Remove => Some(Deed::Change { product, pieces: -pieces, answer }),
            _ => None,
        }
    }

    /// What is ordered, at the prices of the catalogue.
    fn order_lines(&self, shop: &Open) -> Vec<Line> {
        let line = |(place, quantity): &(usize, i64)| {
            let product = shop.products[*place];
            Line { product: product.id, quantity: *quantity, cents: product.cents }
        };
        self.lines().iter().map(line).collect()
    }
}

#[derive(Deserialize)]
struct ProductBody<'a> {
    id: i64,
    #[serde(borrow)]
    price: &'a RawValue,
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
        Errand { kind, lines: [(2, 3), (0, 0), (0, 0)], count: 1, customer: 1 }
    }

    #[test]
    fn a_right_answer_is_right_and_any_other_is_found_out() {
        let line = r#"{"product_id":3,"quantity":3,"unit_price":10.1}"#;
        let order = &format!(r#"{{"id":9,"customer_id":6,"total_amount":30.30,"items":[{line}]}}"#);
        let token = r#"{"access_token":"a.b.c","token_type":"bearer"}"#;
        let stock = r#"{"product_id":3,"quantity":3}"#;
        let product = r#"{"id":3,"price":10.10,"name":"x"}"#;
        type Changes = &'static [(&'static str, &'static str)];
        let cases: [(Kind, &str, Changes); 5] = [
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
            (
                Kind::Remove,
                stock,
                &[("\"quantity\":3", "\"quantity\":-1"), ("\"product_id\":3", "\"product_id\":2")],
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
        assert_eq!([kinds(&|it| it.lines[0].0), kinds(&|it| it.customer)], [30, 2]);
        assert!(all.iter().all(|it| BOUGHT.contains(&it.lines[0].1) && it.count == 1));
        let page = Errand::draw(Kind::Browse, 0, &shop, &mut random);
        assert!(page.lines[0].0 <= 10);
    }

    #[test]
    fn a_basket_has_as_many_pieces_as_an_order_in_lines_of_different_products() {
        let mut random = fastrand::Rng::with_seed(1);
        let shop = shop();
        let mut drawn = [0_u32; MOST_LINES];
        for number in 0..3_000 {
            let basket = Errand::draw(Kind::Basket, number, &shop, &mut random);
            let lines = basket.order_lines(&shop);
            assert!(lines.iter().all(|line| line.quantity > 0), "{lines:?}");
            assert!(BOUGHT.contains(&lines.iter().map(|line| line.quantity).sum()), "{lines:?}");
            assert_eq!(merged(&lines).len(), lines.len(), "{lines:?}");
            drawn[lines.len() - 1] += 1;
        }
        // Of one piece 1,000 in one line; of two 500 in each; of three 333 in each.
        for (drawn, expected) in drawn.into_iter().zip([1_833, 833, 333]) {
            assert!((expected - 120..expected + 120).contains(&drawn), "{drawn}");
        }
        let one = Open { products: shop.products[..1].to_vec(), ..shop.clone() };
        assert!((0..50).all(|number| Errand::draw(Kind::Basket, number, &one, &mut random).count == 1));

        let basket = Errand { kind: Kind::Basket, lines: [(2, 1), (0, 2), (0, 0)], count: 2, customer: 1 };
        let mut body = String::new();
        basket.write_body(&shop, &mut body);
        let sent: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(sent["items"][1]["product_id"], 1);
        let answer = |quantity: i64| {
            let lines = format!(
                r#"{{"product_id":1,"quantity":{quantity},"unit_price":10.10}},
                {{"product_id":3,"quantity":1,"unit_price":10.10}}"#
            );
            let order = format!(
                r#"{{"id":9,"customer_id":6,"status":"pending","total_amount":30.3,"items":[{lines}]}}"#
            );
            basket.check(order.as_bytes(), &shop)
        };
        assert_eq!((answer(2), answer(1)), (Ok(Some(9)), Err("the lines are not what was ordered")));
    }
}
