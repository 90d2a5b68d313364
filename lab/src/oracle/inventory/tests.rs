use super::*;
use crate::record::Stored;

const ANA: i64 = 1;
const TEA: i64 = 7;
const CUP: i64 = 8;

fn line(product: i64, quantity: i64) -> Line {
    Line { product, quantity, cents: if product == TEA { 450 } else { 1_999 } }
}

fn order(lines: &[Line]) -> Order {
    let total = lines.iter().map(|line| line.quantity * line.cents).sum();
    Order { customer: ANA, status: "pending".into(), total, lines: lines.to_vec() }
}

fn placed(lines: &[Line], answer: Answer) -> Deed {
    Deed::Order { customer: ANA, lines: lines.to_vec(), answer }
}

fn change(product: i64, pieces: i64, answer: Answer) -> Deed {
    Deed::Change { product, pieces, answer }
}

const YES: Answer = Answer::Yes(None);
const SHORT: Answer = Answer::No(Refusal::Short);

/// A load in which everything happens: 10 and 5 pieces at first, one order of before.
struct Load {
    before: Shop,
    deeds: Vec<Deed>,
    after: Shop,
}

fn load() -> Load {
    let former = order(&[line(TEA, 1)]);
    let before =
        Shop { stock: [(TEA, vec![10]), (CUP, vec![5])].into(), orders: [(1, vec![former.clone()])].into() };
    let deeds = vec![
        change(TEA, 20, YES),
        change(TEA, -3, YES),
        placed(&[line(TEA, 2), line(CUP, 1)], Answer::Yes(Some(2))),
        placed(&[line(CUP, 9)], SHORT),
        placed(&[line(TEA, 4)], Answer::Lost),
        placed(&[line(TEA, 5)], Answer::Yes(Some(4))),
        Deed::Cancel { order: 4, answer: YES },
    ];
    // The order whose answer was lost is stored, as number 3.
    let mut cancelled = order(&[line(TEA, 5)]);
    cancelled.status = "cancelled".into();
    let orders = [
        (1, vec![former]),
        (2, vec![order(&[line(TEA, 2), line(CUP, 1)])]),
        (3, vec![order(&[line(TEA, 4)])]),
        (4, vec![cancelled]),
    ];
    let stock = [(TEA, vec![10 + 20 - 3 - 2 - 4]), (CUP, vec![4])];
    Load { before, deeds, after: Shop { stock: stock.into(), orders: orders.into() } }
}

fn judged(change: impl FnOnce(&mut Load)) -> Stored {
    let mut load = load();
    change(&mut load);
    judge(&load.before, &load.deeds, &load.after)
}

/// Lost, duplicated, altered, foreign, wrongly refused; oversold, vanished, below zero.
fn faults(stored: &Stored) -> [u64; 8] {
    let stock = stored.stock.unwrap();
    let it = stored;
    [
        it.lost,
        it.duplicated,
        it.altered,
        it.foreign,
        it.wrongly_refused,
        stock.oversold,
        stock.vanished,
        stock.below_zero,
    ]
}

fn tea(load: &mut Load) -> &mut i64 {
    &mut load.after.stock.get_mut(&TEA).unwrap()[0]
}

#[test]
fn a_load_that_was_kept_is_exact() {
    let stored = judged(|_| ());
    assert_eq!(faults(&stored), [0; 8], "{:?}", stored.examples);
    assert!(stored.exact() && stored.wrong() == 0);
    assert_eq!((stored.sent, stored.acknowledged, stored.rows), (4, 2, 3));
    assert_eq!((stored.expected_low, stored.expected_high), (2, 3));
    let stock = stored.stock.unwrap();
    assert_eq!((stock.products, stock.exact), (2, 2));
}

#[test]
fn an_answer_that_was_lost_has_happened_or_not() {
    let without = judged(|load| {
        load.after.orders.remove(&3);
        *tea(load) += 4;
    });
    assert!(without.exact(), "{:?}", without.examples);
    // The half of it is wrong, in either way.
    let taken = judged(|load| drop(load.after.orders.remove(&3)));
    assert_eq!(faults(&taken), [0, 0, 0, 0, 0, 0, 4, 0]);
    let not_taken = judged(|load| *tea(load) += 4);
    assert_eq!(faults(&not_taken), [0, 0, 0, 0, 0, 4, 0, 0]);
    for pieces in [-6, 6] {
        for happened in [false, true] {
            let stored = judged(|load| {
                load.deeds.push(change(TEA, pieces, Answer::Lost));
                *tea(load) += if happened { pieces } else { 0 };
            });
            assert!(stored.exact(), "{pieces} {happened}: {:?}", stored.examples);
        }
    }
    let cancelled = |more: i64| {
        judged(|load| {
            load.deeds.push(Deed::Cancel { order: 2, answer: Answer::Lost });
            load.after.orders.get_mut(&2).unwrap()[0].status = "cancelled".into();
            *tea(load) += more;
        })
    };
    assert_eq!([0, 2, 3].map(|more| cancelled(more).exact()), [true, true, false]);
}

type Plant = fn(&mut Load);

#[test]
fn each_violation_is_seen_as_itself_and_as_nothing_else() {
    let cases: [(&str, Plant, [u64; 8]); 19] = [
        // Two read the same number, both write theirs: one order's pieces are still for sale.
        ("a lost update", |it| *tea(it) += 2, [0, 0, 0, 0, 0, 2, 0, 0]),
        ("a line that was taken for nobody", |it| *tea(it) -= 2, [0, 0, 0, 0, 0, 0, 2, 0]),
        (
            "sold below zero",
            |it| {
                it.deeds.push(placed(&[line(TEA, 25)], Answer::Yes(Some(9))));
                it.after.orders.insert(9, vec![order(&[line(TEA, 25)])]);
                *tea(it) -= 25;
            },
            [0, 0, 0, 0, 0, 4, 0, 1],
        ),
        (
            "sold out, and sold again",
            |it| {
                it.deeds.push(placed(&[line(TEA, 25)], Answer::Yes(Some(9))));
                it.after.orders.insert(9, vec![order(&[line(TEA, 25)])]);
                *tea(it) = 0;
            },
            [0, 0, 0, 0, 0, 4, 0, 0],
        ),
        ("two rows of stock", |it| it.after.stock.get_mut(&CUP).unwrap().push(0), [0, 1, 0, 0, 0, 0, 0, 0]),
        ("stock that is gone", |it| drop(it.after.stock.remove(&CUP)), [0, 0, 0, 0, 0, 0, 4, 0]),
        (
            "an acknowledged order that is not stored",
            |it| {
                it.after.orders.remove(&2);
            },
            [1, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            "one order for two requests",
            |it| {
                it.deeds.push(placed(&[line(TEA, 2), line(CUP, 1)], Answer::Yes(Some(2))));
                *tea(it) -= 2;
                it.after.stock.insert(CUP, vec![3]);
            },
            [1, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            "an order that was stored twice",
            |it| drop(it.after.orders.insert(9, vec![order(&[line(TEA, 2), line(CUP, 1)])])),
            [0, 0, 0, 1, 0, 0, 0, 0],
        ),
        (
            "two rows of one id",
            |it| {
                let orders = it.after.orders.get_mut(&2).unwrap();
                orders.push(orders[0].clone());
            },
            [0, 1, 0, 0, 0, 0, 0, 0],
        ),
        (
            "a refused order that is stored",
            |it| drop(it.after.orders.insert(9, vec![order(&[line(CUP, 9)])])),
            [0, 0, 0, 1, 0, 0, 0, 0],
        ),
        (
            "the client's price",
            |it| {
                drop(
                    it.after
                        .orders
                        .insert(2, vec![order(&[Line { cents: 1, ..line(TEA, 2) }, line(CUP, 1)])]),
                );
            },
            [0, 0, 1, 0, 0, 0, 0, 0],
        ),
        (
            "a total that is not the sum",
            |it| it.after.orders.get_mut(&2).unwrap()[0].total += 1,
            [0, 0, 1, 0, 0, 0, 0, 0],
        ),
        (
            "a line that is missing",
            |it| drop(it.after.orders.insert(2, vec![order(&[line(TEA, 2)])])),
            [0, 0, 1, 0, 0, 0, 0, 0],
        ),
        (
            "another's order",
            |it| it.after.orders.get_mut(&2).unwrap()[0].customer = 2,
            [0, 0, 1, 0, 0, 0, 0, 0],
        ),
        (
            "a former order whose line lost its product",
            |it| it.after.orders.get_mut(&1).unwrap()[0].lines[0].product = 0,
            [0, 0, 1, 0, 0, 0, 0, 0],
        ),
        ("a former order that is gone", |it| drop(it.after.orders.remove(&1)), [1, 0, 0, 0, 0, 0, 0, 0]),
        (
            "refused without need",
            |it| it.deeds.push(placed(&[line(CUP, 4)], SHORT)),
            [0, 0, 0, 0, 1, 0, 0, 0],
        ),
        ("given back twice", |it| *tea(it) += 5, [0, 0, 0, 0, 0, 5, 0, 0]),
    ];
    for (name, plant, expected) in cases {
        let stored = judged(plant);
        assert_eq!(faults(&stored), expected, "{name}: {:?}", stored.examples);
        assert!(!stored.exact() && stored.wrong() > 0 && !stored.examples.is_empty(), "{name}");
    }
}

#[test]
fn a_deleted_product_has_no_stock_and_keeps_its_orders() {
    let stored = judged(|load| {
        load.deeds.push(Deed::Delete { product: CUP, answer: YES });
        load.after.stock.remove(&CUP);
    });
    assert!(stored.exact(), "{:?}", stored.examples);
}

#[test]
fn lines_of_one_product_may_be_stored_as_one_or_as_two() {
    let stored = judged(|load| {
        load.deeds.push(placed(&[line(TEA, 1), line(CUP, 1), line(TEA, 2)], Answer::Yes(Some(9))));
        load.deeds.push(placed(&[line(TEA, 3)], YES));
        load.after.orders.insert(9, vec![order(&[line(TEA, 3), line(CUP, 1)])]);
        load.after.orders.insert(10, vec![order(&[line(TEA, 1), line(TEA, 2)])]);
        *tea(load) -= 6;
        load.after.stock.insert(CUP, vec![3]);
    });
    assert!(stored.exact(), "{:?}", stored.examples);
}

#[test]
fn a_row_is_a_line_and_money_has_two_decimals() {
    let text = concat!(
        "{\"kind\":\"stock\",\"product\":1,\"quantity\":-2}\n\n",
        "{\"kind\":\"order\",\"id\":3,\"customer\":1,\"status\":\"pending\",\"total\":\"2.46\",",
        "\"lines\":[{\"product\":2,\"quantity\":2,\"price\":\"1.23\"},",
        "{\"product\":null,\"quantity\":1,\"price\":\"0.00\"}]}\r\n",
        "{\"kind\":\"stock\",\"product\":1,\"quantity\":3}",
    );
    let shop = Shop::read(text.as_bytes()).unwrap();
    assert_eq!(shop.stock, [(1, vec![-2, 3])].into());
    let order = &shop.orders[&3][0];
    assert_eq!((order.total, order.lines[0].product, order.lines[1].cents), (246, 0, 123));
    for (wrong, said) in [
        ("ERROR: x", "ERROR: x"),
        ("{\"kind\":\"stock\",\"product\":1}", "quantity"),
        ("{\"kind\":\"user\"}", "user"),
        (
            "{\"kind\":\"order\",\"id\":3,\"customer\":1,\"status\":\"\",\"total\":\"0.300004\",\"lines\":[]}",
            "two decimals",
        ),
    ] {
        let error = format!("{:#}", Shop::read(format!("{text}\n{wrong}").as_bytes()).unwrap_err());
        assert!(error.contains("line 5") && error.contains(said), "{error}");
    }
    for (text, cents) in [("0.00", 0), ("12.34", 1_234), ("-0.05", -5), ("9999999999.99", 999_999_999_999)] {
        assert_eq!(cents_of(text).unwrap(), cents);
    }
    for text in ["", "1", "1.", "1.2", "1.234", ".12", "+1.00", "1.+1", "1e3.00", "99999999999999999999.00"] {
        assert!(cents_of(text).is_err(), "{text}");
    }
}

#[test]
fn a_status_says_what_became_of_a_request() {
    let of = |status| Answer::of(status, Some(1));
    assert_eq!([of(200), of(201)], [Answer::Yes(Some(1)); 2]);
    assert_eq!([of(0), of(500), of(503)], [Answer::Lost; 3]);
    assert_eq!([of(400), of(404)], [SHORT, Answer::No(Refusal::Other)]);
}
