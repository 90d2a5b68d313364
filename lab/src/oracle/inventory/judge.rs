//! Compares what is stored with what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Deed, Line, Order, Refusal, Shop, merged};
use crate::oracle::sent::Kinds;
use crate::record::{StockFigures, Stored};

/// An order by what identifies it where nobody knows its id.
type Sort = (i64, Vec<Line>);

/// Judges `after`, where `before` was stored when the first of `deeds` was sent. All have been answered, or
/// never will be.
#[must_use]
pub fn judge(before: &Shop, deeds: &[Deed], after: &Shop) -> Stored {
    let mut judge = Judge {
        before,
        deeds,
        after,
        claimed: BTreeSet::new(),
        cancelled: BTreeSet::new(),
        taken_unasked: BTreeMap::new(),
        stored: Stored::default(),
        stock: StockFigures::default(),
        by_kind: Kinds::default(),
    };
    judge.former_orders();
    judge.acknowledged_orders();
    judge.other_orders();
    judge.sums();
    judge.all_stock();
    judge.refusals();
    judge.stored.stock = Some(judge.stock);
    judge.stored
}

struct Judge<'j> {
    before: &'j Shop,
    deeds: &'j [Deed],
    after: &'j Shop,
    /// Ids of stored orders that were there before, or that a deed of this load explains.
    claimed: BTreeSet<i64>,
    /// Ids of orders whose cancellation was acknowledged, or may have happened.
    cancelled: BTreeSet<i64>,
    /// Pieces of stored orders whose answer was lost, by product.
    taken_unasked: BTreeMap<i64, i64>,
    stored: Stored,
    stock: StockFigures,
    by_kind: Kinds,
}

impl Judge<'_> {
    /// Those of before are there as they were, but for their status.
    fn former_orders(&mut self) {
        for deed in self.deeds {
            if let Deed::Cancel { order, answer: Answer::Yes(_) | Answer::Lost } = deed {
                self.cancelled.insert(*order);
            }
        }
        for (id, orders) in &self.before.orders {
            self.claimed.insert(*id);
            match self.after.orders.get(id) {
                None => {
                    self.stored.lost += 1;
                    self.say("gone", || format!("order {id} was there before the load and is gone"));
                }
                Some(now) if !same(orders, now, self.cancelled.contains(id)) => {
                    self.stored.altered += 1;
                    self.say("changed", || {
                        format!("order {id} was {orders:?} before the load and is {now:?}")
                    });
                }
                Some(_) => {}
            }
        }
    }

    fn acknowledged_orders(&mut self) {
        for deed in self.deeds {
            let Deed::Order { customer, lines, answer } = deed else { continue };
            self.stored.sent += 1;
            let Answer::Yes(id) = answer else { continue };
            self.stored.acknowledged += 1;
            let Some(id) = id else { continue };
            let Some(orders) = self.after.orders.get(id) else {
                self.stored.lost += 1;
                self.say("lost", || format!("order {id} was acknowledged and is not stored"));
                continue;
            };
            if !self.claimed.insert(*id) {
                self.stored.lost += 1;
                self.stored.acknowledged_twice += 1;
                self.say("twice", || format!("order {id} was acknowledged for another request, too"));
                continue;
            }
            if let Some(difference) = orders.first().and_then(|order| difference(order, *customer, lines)) {
                self.stored.altered += 1;
                self.say("altered", || format!("order {id}: {difference}"));
            }
        }
    }

    /// Stored ones that no answer named: of requests whose answer was lost, or had no id, or of nobody.
    fn other_orders(&mut self) {
        let mut open: BTreeMap<Sort, (u64, u64)> = BTreeMap::new();
        for deed in self.deeds {
            let Deed::Order { customer, lines, answer } = deed else { continue };
            let place = match answer {
                Answer::Yes(None) => 0,
                Answer::Lost => 1,
                _ => continue,
            };
            let (promised, lost) = open.entry((*customer, merged(lines))).or_default();
            *(if place == 0 { promised } else { lost }) += 1;
        }
        let (mut unnamed, mut lost_answers) = (0, 0);
        for (promised, lost) in open.values() {
            (unnamed, lost_answers) = (unnamed + promised, lost_answers + lost);
        }
        for (id, orders) in &self.after.orders {
            if self.claimed.contains(id) {
                continue;
            }
            let Some(order) = orders.first() else { continue };
            match open.get_mut(&(order.customer, merged(&order.lines))) {
                Some((promised, _)) if *promised > 0 => (*promised, unnamed) = (*promised - 1, unnamed - 1),
                Some((_, lost)) if *lost > 0 => {
                    *lost -= 1;
                    for line in &order.lines {
                        *self.taken_unasked.entry(line.product).or_default() += line.quantity;
                    }
                }
                _ => {
                    self.stored.foreign += 1;
                    self.say("foreign", || {
                        format!("order {id} is stored, and nobody was told so: {order:?}")
                    });
                }
            }
        }
        self.stored.lost += unnamed;
        if unnamed > 0 {
            self.say("lost", || {
                format!("{unnamed} orders were acknowledged without an id and are not stored")
            });
        }
        self.stored.expected_low = self.stored.acknowledged;
        self.stored.expected_high = self.stored.acknowledged + lost_answers;
        let former = self.before.orders.keys().filter(|id| self.after.orders.contains_key(*id)).count();
        self.stored.rows = (self.after.orders.len() - former) as u64;
    }

    /// What holds for every order, whoever placed it.
    fn sums(&mut self) {
        for (id, orders) in &self.after.orders {
            let more = orders.len() as u64 - 1;
            self.stored.duplicated += more;
            if more > 0 {
                self.say("double", || format!("order {id} is stored {} times", orders.len()));
            }
            for order in orders {
                let sum: i128 = order.lines.iter().map(cost).sum();
                if sum != i128::from(order.total) && !self.before.orders.contains_key(id) {
                    self.stored.altered += 1;
                    let total = order.total;
                    self.say("sum", || format!("order {id} costs {total} cents, and its lines {sum}"));
                }
            }
        }
    }

    fn all_stock(&mut self) {
        let mut bounds: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        for (product, quantities) in &self.before.stock {
            let sum = quantities.iter().sum();
            bounds.insert(*product, (sum, sum));
        }
        let mut shift = |product: i64, low: i64, high: i64| {
            let bound = bounds.entry(product).or_default();
            *bound = (bound.0 + low, bound.1 + high);
        };
        let mut deleted = BTreeSet::new();
        for deed in self.deeds {
            match deed {
                Deed::Change { product, pieces, answer: Answer::Yes(_) } => shift(*product, *pieces, *pieces),
                Deed::Change { product, pieces, answer: Answer::Lost } => {
                    shift(*product, (*pieces).min(0), (*pieces).max(0));
                }
                Deed::Order { lines, answer: Answer::Yes(_), .. } => {
                    lines.iter().for_each(|line| shift(line.product, -line.quantity, -line.quantity));
                }
                Deed::Cancel { order, answer: answer @ (Answer::Yes(_) | Answer::Lost) } => {
                    let certain = *answer != Answer::Lost;
                    for line in self.after.orders.get(order).into_iter().flatten().flat_map(|it| &it.lines) {
                        shift(line.product, if certain { line.quantity } else { 0 }, line.quantity);
                    }
                }
                Deed::Delete { product, answer: Answer::Yes(_) | Answer::Lost } => {
                    deleted.insert(*product);
                }
                _ => {}
            }
        }
        for (product, pieces) in &self.taken_unasked {
            shift(*product, -pieces, -pieces);
        }
        for (product, quantities) in &self.after.stock {
            bounds.entry(*product).or_default();
            let more = quantities.len() as u64 - 1;
            self.stored.duplicated += more;
            if more > 0 {
                self.say("rows", || format!("product {product} has {} rows of stock", quantities.len()));
            }
        }
        for (product, (low, high)) in bounds.into_iter().filter(|(product, _)| !deleted.contains(product)) {
            self.one_stock(product, low, high);
        }
    }

    fn one_stock(&mut self, product: i64, low: i64, high: i64) {
        let now: i64 = self.after.stock.get(&product).into_iter().flatten().sum();
        let pieces = |difference: i64| u64::try_from(difference).unwrap_or_default();
        let (more, below, less) = (pieces(now - high), pieces(-now), pieces(low - now));
        self.stock.products += 1;
        self.stock.oversold += more + below;
        self.stock.vanished += less;
        self.stock.below_zero += u64::from(now < 0);
        if more + below + less == 0 {
            self.stock.exact += 1;
            return;
        }
        let expected = if low == high { format!("{low}") } else { format!("{low} to {high}") };
        self.say("stock", || format!("product {product} has {now} in stock, and {expected} are right"));
    }

    /// Whoever was told that there is too little, while there was always enough.
    fn refusals(&mut self) {
        // All that may ever have been taken, and nothing that was added.
        let mut least: BTreeMap<i64, i64> =
            self.before.stock.iter().map(|(product, all)| (*product, all.iter().sum())).collect();
        for deed in self.deeds {
            match deed {
                Deed::Change { product, pieces, answer: Answer::Yes(_) | Answer::Lost } => {
                    *least.entry(*product).or_default() += (*pieces).min(0);
                }
                Deed::Order { lines, answer: Answer::Yes(_) | Answer::Lost, .. } => {
                    lines.iter().for_each(|line| *least.entry(line.product).or_default() -= line.quantity);
                }
                Deed::Delete { product, answer: Answer::Yes(_) | Answer::Lost } => {
                    least.insert(*product, 0);
                }
                _ => {}
            }
        }
        for deed in self.deeds {
            let Deed::Order { lines, answer: Answer::No(Refusal::Short), .. } = deed else { continue };
            let enough = |line: &Line| {
                let wanted: i64 =
                    lines.iter().filter(|it| it.product == line.product).map(|it| it.quantity).sum();
                least.get(&line.product).is_some_and(|least| *least >= wanted)
            };
            if lines.iter().all(enough) {
                self.stored.wrongly_refused += 1;
                self.say("refused", || {
                    format!("an order of {lines:?} was refused, and there was always enough")
                });
            }
        }
    }

    /// Keeps a sentence as an example, if there is room for more of its kind.
    fn say(&mut self, kind: &'static str, sentence: impl FnOnce() -> String) {
        self.by_kind.say(&mut self.stored.examples, kind, sentence);
    }
}

fn cost(line: &Line) -> i128 {
    i128::from(line.quantity) * i128::from(line.cents)
}

/// The same but for the status, if it may have become another.
fn same(before: &[Order], now: &[Order], may_be_cancelled: bool) -> bool {
    let same = |(one, other): (&Order, &Order)| {
        let status = one.status == other.status || may_be_cancelled && other.status == "cancelled";
        status && (one.customer, one.total, &one.lines) == (other.customer, other.total, &other.lines)
    };
    before.len() == now.len() && before.iter().zip(now).all(same)
}

/// What is otherwise in a stored order than was asked for and promised, in words.
fn difference(order: &Order, customer: i64, lines: &[Line]) -> Option<String> {
    if order.customer != customer {
        return Some(format!("it is customer {customer}'s, and is stored as {}'s", order.customer));
    }
    let (stored, asked) = (merged(&order.lines), merged(lines));
    (stored != asked).then(|| format!("{asked:?} were ordered, and {stored:?} are stored"))
}
