//! The rules that a history of orders and what Postgres holds at the end must obey together.

use std::collections::{BTreeMap, HashMap};

use super::super::check::{Broken, Violation};
use super::super::history::Attempted;
use super::shop::Product;
use super::stored::Stored;
use super::watch::Readings;
use super::wish::{Came, Line, Order, Reply, Said, Try, What, Wish};

/// All that is known at the end.
pub struct Scene<'s> {
    pub products: &'s [Product],
    pub tries: &'s [Try],
    pub stored: &'s [Stored],
    pub stock: &'s BTreeMap<i64, i64>,
    pub readings: &'s Readings,
}

/// Every violation of every wish, of every stored order and of every product's stock.
pub fn check(scene: &Scene<'_>) -> Vec<Violation> {
    let mut wishes: BTreeMap<u64, Vec<&Try>> = BTreeMap::new();
    for one in scene.tries {
        wishes.entry(one.wish.number).or_default().push(one);
    }
    for tries in wishes.values_mut() {
        tries.sort_by_key(|one| one.began);
    }
    let mut checker = Checker {
        scene,
        wishes,
        stored_by_wish: HashMap::new(),
        stored_by_id: scene.stored.iter().map(|stored| (stored.order.id, stored)).collect(),
        violations: Vec::new(),
    };
    scene.stored.iter().for_each(|stored| checker.stored(stored));
    checker.wishes();
    checker.stock();
    for (product, lowest) in scene.readings.lowest.iter().filter(|(_, lowest)| **lowest < 0) {
        checker.add(Broken::BelowZero, format!("product {product} was read with {lowest} in stock"));
    }
    checker.violations
}

struct Checker<'s> {
    scene: &'s Scene<'s>,
    /// The attempts of each, as they began.
    wishes: BTreeMap<u64, Vec<&'s Try>>,
    stored_by_wish: HashMap<u64, &'s Stored>,
    stored_by_id: HashMap<i64, &'s Stored>,
    violations: Vec<Violation>,
}

impl<'s> Checker<'s> {
    fn add(&mut self, broken: Broken, what: String) {
        self.violations.push(Violation { broken, what });
    }

    /// An order must be somebody's wish, once, and must be what was wished for.
    fn stored(&mut self, stored: &'s Stored) {
        let number = stored.key.as_deref().and_then(Wish::number_of);
        let wish = number.and_then(|number| self.wishes.get(&number)).map(|tries| tries[0].wish.clone());
        let is_placed =
            |wish: &Wish| matches!(wish.what, What::Order(_)) && wish.customer == stored.order.customer;
        let Some(wish) = wish.filter(|wish| is_placed(wish)) else {
            return self.add(Broken::NeverSent, format!("{stored:?}"));
        };
        if let Some(first) = self.stored_by_wish.insert(wish.number, stored) {
            self.add(Broken::StoredTwice, format!("{first:?} and {stored:?}"));
        }
        self.content(&wish, &stored.order);
    }

    /// Whether an order, told or stored, is what was wished for, at the prices of the catalogue.
    fn content(&mut self, wish: &Wish, order: &Order) {
        let line = |(id, quantity)| {
            let product = self.scene.products.iter().find(|product| product.id == id)?;
            Some(Line { product: id, name: product.name.as_str().into(), quantity, cents: product.cents })
        };
        let expected: Option<Vec<Line>> = wish.merged().into_iter().map(line).collect();
        if Some(&order.lines) != expected.as_ref() || order.customer != wish.customer {
            self.add(Broken::Altered, format!("{order:?} was {wish:?}"));
        }
        if order.total != order.cost() {
            self.add(Broken::WrongTotal, format!("{order:?} costs {}", order.cost()));
        }
    }

    fn wishes(&mut self) {
        let wishes: Vec<Vec<&Try>> = self.wishes.values().cloned().collect();
        for tries in &wishes {
            let mut in_doubt = false;
            for one in tries {
                self.attempt(one, in_doubt);
                in_doubt |= one.is_unknown();
            }
            self.same_answer(tries);
            let last_word = tries.iter().find_map(|one| one.last_word());
            match tries[0].wish.what {
                What::Order(_) => self.order(tries, last_word),
                What::Cancel(order) => self.cancel(order, tries, last_word),
                What::Stock { .. } if last_word.is_none() => self.unanswered(tries),
                What::Stock { .. } => {}
            }
        }
        self.statuses();
    }

    /// What one attempt may come to, whatever became of the others. `in_doubt`: an earlier one has no answer.
    fn attempt(&mut self, one: &Try, in_doubt: bool) {
        let Some(reply) = one.reply() else {
            if one.came == Came::Hung {
                self.add(Broken::Hung, format!("{one:?}"));
            }
            return;
        };
        let by = match one.wish.what {
            What::Stock { by, .. } => by,
            What::Order(_) | What::Cancel(_) => 0,
        };
        match (reply.status, &one.wish.what) {
            (201, What::Order(_)) | (200, What::Cancel(_)) if reply.order().is_none() => {
                self.add(Broken::WrongRead, format!("no order: {one:?}"));
            }
            (201, _) if reply.location != reply.order().map(|order| order.id) => {
                self.add(Broken::WrongId, format!("its Location: {one:?}"));
            }
            (201, What::Order(_)) | (200, What::Cancel(_)) => {}
            (200, What::Stock { .. }) => self.quantity(one, reply),
            (400, What::Order(_)) => self.short(one, reply),
            // More cannot be removed than there is.
            (400, What::Stock { .. }) if by < 0 => {}
            (409, What::Order(_) | What::Stock { .. }) if in_doubt => {}
            // It is for the order's own status to say whether it was cancelled before.
            (409, What::Cancel(_)) => {}
            (409, _) => self.add(Broken::FalseRefusal, format!("{one:?}")),
            (503, _) if reply.retry_after => {}
            (503, _) => self.add(Broken::NoRetryAfter, format!("{one:?}")),
            // nginx's own: the replica went away, or did not answer in time.
            (502 | 504, _) => {}
            (status, _) => self.add(Broken::UnexpectedStatus, format!("{status}: {one:?}")),
        }
    }

    /// The stock after a change by hand.
    fn quantity(&mut self, one: &Try, reply: &Reply) {
        let Said::Text(text) = &reply.said else { return };
        let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        match json["quantity"].as_i64() {
            Some(0..) => {}
            Some(_) => self.add(Broken::BelowZero, format!("{one:?}")),
            None => self.add(Broken::WrongRead, format!("{one:?}")),
        }
    }

    /// An order that is refused for want of stock wanted more of that product than it says there is.
    fn short(&mut self, one: &Try, reply: &Reply) {
        let Said::Text(text) = &reply.said else { return };
        let told = || {
            let json: serde_json::Value = serde_json::from_str(text).ok()?;
            let (product, rest) = json["error"].as_str()?.strip_prefix("product ")?.split_once(" has ")?;
            Some((product.parse::<i64>().ok()?, rest.strip_suffix(" in stock")?.parse::<i64>().ok()?))
        };
        let Some((product, left)) = told() else {
            return self.add(Broken::UnexpectedStatus, format!("400 for another reason: {one:?}"));
        };
        let wanted = one.wish.merged().into_iter().find(|(id, _)| *id == product);
        if left < 0 {
            self.add(Broken::BelowZero, format!("{one:?}"));
        } else if wanted.is_none_or(|(_, quantity)| quantity <= left) {
            self.add(Broken::FalseRefusal, format!("there is enough: {one:?}"));
        }
    }

    /// A key has one answer.
    fn same_answer(&mut self, tries: &[&Try]) {
        if let What::Cancel(_) = tries[0].wish.what {
            return;
        }
        let mut words = tries.iter().filter_map(|one| Some((one, one.last_word()?)));
        let Some((first, word)) = words.next() else { return };
        let others: Vec<_> =
            words.filter(|(_, other)| (other.status, &other.said) != (word.status, &word.said)).collect();
        for (other, _) in others {
            self.add(Broken::OtherAnswer, format!("{first:?} and then {other:?}"));
        }
    }

    fn order(&mut self, tries: &[&Try], last_word: Option<&Reply>) {
        let own = self.stored_by_wish.get(&tries[0].wish.number).copied();
        match (last_word, own) {
            (Some(Reply { status: 400, .. }), Some(stored)) => {
                self.add(Broken::RefusedButStored, format!("{tries:?}: {stored:?}"));
            }
            (Some(Reply { status: 400, .. }), None) => {}
            (Some(reply), own) => {
                let Some(told) = reply.order() else { return };
                self.content(&tries[0].wish, told);
                match own {
                    None => self.add(Broken::Lost, format!("{tries:?}")),
                    Some(stored) if stored.order.id != told.id => {
                        self.add(Broken::WrongId, format!("{tries:?} is stored as {stored:?}"));
                    }
                    Some(stored) if stored.order.when_placed() != *told => {
                        self.add(Broken::Altered, format!("{tries:?} is stored as {stored:?}"));
                    }
                    Some(_) => {}
                }
            }
            (None, Some(stored)) if tries.iter().all(|one| one.is_refused()) => {
                self.add(Broken::RefusedButStored, format!("{tries:?}: {stored:?}"));
            }
            (None, _) => self.unanswered(tries),
        }
    }

    /// Whoever has no answer asks until there is one, unless it was given up after a refusal.
    fn unanswered(&mut self, tries: &[&Try]) {
        let told =
            tries.iter().any(|one| one.reply().is_some_and(|reply| !matches!(reply.status, 502..=504 | 409)));
        if !told && tries.iter().any(|one| one.is_unknown()) {
            self.add(Broken::Hung, format!("never answered: {tries:?}"));
        }
    }

    fn cancel(&mut self, order: i64, tries: &[&Try], last_word: Option<&Reply>) {
        let is_cancelled = self.stored_by_id.get(&order).is_some_and(|stored| stored.order.is_cancelled());
        match last_word {
            // A first 409 is true if an attempt that nobody heard of was the one.
            Some(Reply { status: 409, .. }) => {
                let before = tries.iter().take_while(|one| one.last_word().is_none());
                if !before.into_iter().any(|one| one.is_unknown()) {
                    self.add(Broken::FalseRefusal, format!("{tries:?}"));
                }
                if !is_cancelled {
                    self.add(Broken::Lost, format!("not cancelled: {tries:?}"));
                }
            }
            Some(_) if !is_cancelled => self.add(Broken::Lost, format!("not cancelled: {tries:?}")),
            Some(_) => {
                let done = tries.iter().filter(|one| one.status_is(200)).count();
                if done > 1 {
                    self.add(Broken::AcknowledgedTwice, format!("{tries:?}"));
                }
            }
            None if is_cancelled && tries.iter().all(|one| one.is_refused()) => {
                self.add(Broken::RefusedButStored, format!("{tries:?}"));
            }
            None => self.unanswered(tries),
        }
    }

    /// An order is pending, or somebody has cancelled it.
    fn statuses(&mut self) {
        let cancels: std::collections::HashSet<i64> = self
            .wishes
            .values()
            .filter_map(|tries| match tries[0].wish.what {
                What::Cancel(order) => Some(order),
                What::Order(_) | What::Stock { .. } => None,
            })
            .collect();
        for stored in self.scene.stored {
            let order = &stored.order;
            let is_right = match &*order.status {
                "pending" => true,
                "cancelled" => cancels.contains(&order.id),
                _ => false,
            };
            if !is_right {
                self.add(Broken::Altered, format!("nobody has changed its status: {stored:?}"));
            }
        }
    }

    /// Stock is what was added, without what was removed and what is ordered and not cancelled.
    fn stock(&mut self) {
        let mut expected: BTreeMap<i64, (i64, i64)> =
            self.scene.products.iter().map(|product| (product.id, (0, 0))).collect();
        for tries in self.wishes.values() {
            let What::Stock { product, by } = tries[0].wish.what else { continue };
            let (least, most) = match tries.iter().find_map(|one| one.last_word()) {
                Some(Reply { status: 200, .. }) => (by, by),
                Some(_) => (0, 0),
                None if tries.iter().any(|one| one.is_unknown()) => (by.min(0), by.max(0)),
                None => (0, 0),
            };
            let range = expected.entry(product).or_default();
            *range = (range.0 + least, range.1 + most);
        }
        for stored in self.scene.stored.iter().filter(|stored| !stored.order.is_cancelled()) {
            for line in &stored.order.lines {
                let range = expected.entry(line.product).or_default();
                *range = (range.0 - line.quantity, range.1 - line.quantity);
            }
        }
        for (product, (least, most)) in expected {
            match self.scene.stock.get(&product).copied() {
                Some(stock) if stock < 0 => {
                    self.add(Broken::BelowZero, format!("product {product}: {stock} at the end"));
                }
                Some(stock) if (least..=most).contains(&stock) => {}
                stock => {
                    let what = format!("product {product}: {stock:?}, but {least} to {most} were left");
                    self.add(Broken::WrongStock, what);
                }
            }
        }
    }
}

impl Try {
    fn status_is(&self, status: u16) -> bool {
        self.reply().is_some_and(|reply| reply.status == status)
    }
}
