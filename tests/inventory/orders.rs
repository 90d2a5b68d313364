//! Orders: placed wholly or not at all, at the catalogue's price, once for each key; their life; and whose
//! they are.

use std::thread;

use serde_json::{Value, json};

use crate::client::{refusal, replica};
use crate::shopper::{Shopper, basket, shop};

#[test]
fn an_order_takes_its_stock_and_says_what_it_costs() {
    let (database, _replica, ana) = shop();
    let (tea, cup) = (ana.product("TEA", "1.10", 10), ana.product("CUP", "20.05", 5));
    let lines = json!([
        {"product_id": cup, "quantity": 1, "unit_price": 0.01},
        {"product_id": tea, "quantity": 2, "unit_price": 99},
        {"product_id": tea, "quantity": 1}
    ]);
    let placed = ana.post("/orders", &json!({"status": "pending", "items": lines}));
    assert_eq!(placed.status, 201, "{}", placed.text());
    let order = placed.json();
    let id = order["id"].as_i64().unwrap();
    assert!(placed.text().starts_with(&format!(
        "{{\"id\":{id},\"customer_id\":1,\"status\":\"pending\",\"total_amount\":23.35,\"created_at\":\""
    )));
    let location = placed.header("location").unwrap();
    assert_eq!(location, format!("/api/v1/orders/{id}"));
    let items = json!([
        {"id": 1, "order_id": id, "product_id": tea, "name": "The TEA", "quantity": 3, "unit_price": 1.10},
        {"id": 2, "order_id": id, "product_id": cup, "name": "The CUP", "quantity": 1, "unit_price": 20.05}
    ]);
    assert_eq!(order["items"], items);
    assert_eq!((ana.stock(tea), ana.stock(cup)), (Some(7), Some(4)));
    assert_eq!(ana.get(&format!("/orders/{id}")).text(), placed.text());
    assert_eq!(ana.get("/orders").text(), format!("[{}]", placed.text()));

    // What becomes of the product changes no order.
    assert_eq!(ana.ask("PUT", &format!("/products/{tea}"), &[], "{\"price\":5,\"name\":\"x\"}").status, 200);
    assert_eq!(ana.ask("DELETE", &format!("/products/{cup}"), &[], "").status, 200);
    assert_eq!(ana.get(&format!("/orders/{id}/")).json()["items"], items);
    let total: i64 = database.value("SELECT total_cents FROM inventory.orders");
    assert_eq!(total, 2_335);
}

#[test]
fn an_order_that_fails_leaves_nothing() {
    let (database, _replica, ana) = shop();
    let (tea, cup) = (ana.product("TEA", "1", 10), ana.product("CUP", "1", 2));
    let short = ana.order(&[(tea, 5), (cup, 3)]);
    assert_eq!(refusal(&short), (400, format!("product {cup} has 2 in stock"), Some("items".into())));
    let nothing = ana.order(&[(tea, 5), (999, 1)]);
    assert_eq!(refusal(&nothing), (404, "there is no product 999".into(), Some("items".into())));
    assert_eq!(ana.order(&[(cup, 1), (tea, 1), (cup, 2)]).status, 400, "the same product twice");
    assert_eq!((ana.stock(tea), ana.stock(cup)), (Some(10), Some(2)));
    let counts =
        "SELECT (SELECT count(*) FROM inventory.orders) + (SELECT count(*) FROM inventory.order_lines)";
    assert_eq!(database.value::<i64>(counts), 0);
}

/// Orders that are alone in their batches, through two replicas and beside changes of the same stock: each
/// takes what it says from what is there, and the last pieces are sold once.
#[test]
fn orders_that_are_alone_take_what_is_there() {
    const ROUNDS: i64 = 60;
    let (database, _first, ana) = shop();
    let second = replica(&database, &[]);
    let (tea, cup) = (ana.product("TEA", "1", 10), ana.product("CUP", "1", ROUNDS));
    let at = [ana.clone(), ana.at(&second)];
    let mut left = 10;
    let placed: i64 = thread::scope(|scope| {
        let buyers = at.each_ref().map(|buyer| {
            scope.spawn(|| {
                let answers = (0..ROUNDS).map(|_| buyer.order(&[(tea, 2), (cup, 1)]).status);
                answers
                    .inspect(|status| assert!([201, 400].contains(status), "{status}"))
                    .filter(|status| *status == 201)
                    .count()
            })
        });
        for _ in 0..ROUNDS {
            assert_eq!(ana.post("/inventory/add", &json!({"product_id": tea, "quantity": 3})).status, 200);
            let removed = ana.post("/inventory/remove", &json!({"product_id": tea, "quantity": 1})).status;
            assert!([200, 400].contains(&removed), "{removed}");
            left += if removed == 200 { 2 } else { 3 };
        }
        buyers.into_iter().map(|buyer| i64::try_from(buyer.join().unwrap()).unwrap()).sum()
    });
    assert!(placed > 0);
    assert_eq!((ana.stock(tea), ana.stock(cup)), (Some(left - 2 * placed), Some(ROUNDS - placed)));
    let mut client = database.client();
    let sums = "SELECT sum(quantity) FILTER (WHERE product_id = $1)::bigint, count(DISTINCT order_id)
        FROM inventory.order_lines";
    let row = client.query_one(sums, &[&tea]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (2 * placed, placed));
}

#[test]
fn what_is_no_order_says_which_member() {
    let (_database, _replica, ana) = shop();
    let tea = ana.product("TEA", "9999999999.99", 10);
    let line = |quantity: Value| json!({"items": [{"product_id": tea, "quantity": quantity}]});
    let cases = [
        (json!({}), "items"),
        (json!({"items": []}), "items"),
        (json!({"items": {}}), "items"),
        (json!({"items": [1]}), "items[0]"),
        (json!({"items": [{"quantity": 1}]}), "items[0].product_id"),
        (json!({"items": [{"product_id": "1", "quantity": 1}]}), "items[0].product_id"),
        (json!({"items": [{"product_id": 1}]}), "items[0].quantity"),
        (json!({"items": [{"product_id": 0, "quantity": 1}]}), "items[0].product_id"),
        (json!({"items": [{"product_id": 1, "quantity": 1, "unit_price": "a"}]}), "items[0].unit_price"),
        (json!({"status": "shipped", "items": [{"product_id": 1, "quantity": 1}]}), "status"),
        (json!({"status": 1, "items": [{"product_id": 1, "quantity": 1}]}), "status"),
        (line(json!(0)), "items[0].quantity"),
        (line(json!(-1)), "items[0].quantity"),
        (line(json!(1.5)), "items[0].quantity"),
        (line(json!(2_147_483_648_i64)), "items[0].quantity"),
        (line(json!(2)), "items"),
        (basket(&[(tea, 1); 101]), "items"),
    ];
    for (body, member) in cases {
        let (status, error, field) = refusal(&ana.post("/orders", &body));
        assert_eq!((status, field.as_deref()), (422, Some(member)), "{body}: {error}");
    }
    assert_eq!(ana.post("/orders", &basket(&[(tea, 1); 10_000])).status, 413);
    assert_eq!(ana.ask("POST", "/orders", &[], "{").status, 400);
    assert_eq!(ana.stock(tea), Some(10));
}

#[test]
fn an_order_goes_its_way_and_gives_its_stock_back_once() {
    let (_database, _replica, ana) = shop();
    let tea = ana.product("TEA", "1", 10);
    let gone = ana.product("GONE", "1", 10);
    let place = || ana.order(&[(tea, 2), (gone, 1)]).json()["id"].as_i64().unwrap();
    let step = |order: i64, status: &str| {
        ana.ask("PATCH", &format!("/orders/{order}"), &[], &json!({"status": status}).to_string())
    };
    let order = place();
    for status in ["confirmed", "shipped", "delivered"] {
        let answer = step(order, status);
        assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some(status)));
        assert_eq!(step(order, "pending").status, 409);
        assert_eq!(step(order, status).status, 409, "twice");
    }
    assert_eq!(
        refusal(&step(order, "cancelled")),
        (409, "a delivered order does not become cancelled".into(), Some("status".into()))
    );
    assert_eq!(ana.stock(tea), Some(8));

    let order = place();
    assert_eq!(ana.ask("DELETE", &format!("/products/{gone}"), &[], "").status, 200);
    let cancelled: Vec<u16> = thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| step(order, "cancelled").status)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(cancelled.iter().filter(|status| **status == 200).count(), 1, "{cancelled:?}");
    assert!(cancelled.iter().all(|status| matches!(status, 200 | 409)), "{cancelled:?}");
    assert_eq!(ana.stock(tea), Some(8), "what was taken is back, once");
    for bad in ["{}", "{\"status\":\"lost\"}", "{\"status\":1}"] {
        let (status, _, field) = refusal(&ana.ask("PATCH", &format!("/orders/{order}"), &[], bad));
        assert_eq!((status, field.as_deref()), (422, Some("status")), "{bad}");
    }
}

#[test]
fn orders_are_private() {
    let (_database, replica, ana) = shop();
    let tea = ana.product("TEA", "1", 10);
    let order = ana.order(&[(tea, 1)]).json()["id"].clone();
    let bob = Shopper::new(&replica, "bob@example.com");
    assert_eq!(bob.get(&format!("/orders/{order}")).status, 403);
    assert_eq!(bob.ask("PATCH", &format!("/orders/{order}"), &[], "{\"status\":\"cancelled\"}").status, 403);
    assert_eq!(bob.get("/orders").text(), "[]");
    assert_eq!(bob.get("/orders/999999").status, 404);
    // Products are everybody's.
    assert_eq!(bob.ask("PUT", &format!("/products/{tea}"), &[], "{\"name\":\"Bob's\"}").status, 200);
    let own = bob.order(&[(tea, 1)]);
    assert_eq!(own.json()["customer_id"], 2);
    assert_eq!(bob.get("/orders?limit=1").text(), format!("[{}]", own.text()));
}

#[test]
fn the_orders_of_a_customer_come_in_pages() {
    let (_database, _replica, ana) = shop();
    let tea = ana.product("TEA", "1", 100);
    let ids: Vec<i64> = (0..5).map(|_| ana.order(&[(tea, 1)]).json()["id"].as_i64().unwrap()).collect();
    let page = |query: &str| -> Vec<i64> {
        let page = ana.get(&format!("/orders?{query}")).json();
        page.as_array().unwrap().iter().map(|order| order["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(page(""), ids);
    assert_eq!(page("limit=2&skip=1"), ids[1..3]);
    assert_eq!(page(&format!("limit=2&after={}", ids[2])), ids[3..]);
}

#[test]
fn a_key_is_answered_once_and_again() {
    let (database, first, ana) = shop();
    let second = replica(&database, &[]);
    let there = ana.at(&second);
    let tea = ana.product("TEA", "1", 5);
    let wanted = basket(&[(tea, 2)]);
    let placed = ana.post_with_key("/orders", "k-1", &wanted);
    assert_eq!((placed.status, placed.header("idempotency-replayed")), (201, None));
    let path = format!("/orders/{}", placed.json()["id"]);
    assert_eq!(ana.ask("PATCH", &path, &[], "{\"status\":\"confirmed\"}").status, 200);
    for one in [&ana, &there] {
        let again = one.post_with_key("/orders", "k-1", &wanted);
        assert_eq!((again.status, again.text()), (201, placed.text()));
        assert_eq!(again.header("location"), placed.header("location"));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        let other = one.post_with_key("/orders", "k-1", &basket(&[(tea, 1)]));
        assert_eq!(
            refusal(&other),
            (422, "was used for another request".into(), Some("Idempotency-Key".into()))
        );
        let elsewhere =
            one.post_with_key("/inventory/add", "k-1", &json!({"product_id": tea, "quantity": 1}));
        assert_eq!(refusal(&elsewhere).0, 422);
    }
    assert_eq!(ana.stock(tea), Some(3));
    // A refusal is an answer too, whatever has come into the stock since.
    let much = basket(&[(tea, 4)]);
    let short = ana.post_with_key("/orders", "k-2", &much);
    assert_eq!(short.status, 400);
    let add = json!({"product_id": tea, "quantity": 10});
    let added = ana.post_with_key("/inventory/add", "k-3", &add);
    assert_eq!((added.status, added.json()["quantity"].as_i64()), (200, Some(13)));
    assert_eq!(there.post_with_key("/orders", "k-2", &much).text(), short.text());
    assert_eq!(there.post_with_key("/inventory/add", "k-3", &add).text(), added.text());
    assert_eq!(ana.order(&[(tea, 1)]).status, 201);
    let remove = json!({"product_id": tea, "quantity": 13});
    let refused = ana.post_with_key("/inventory/remove", "k-4", &remove);
    assert_eq!(refused.status, 400);
    assert_eq!(ana.post("/inventory/add", &add).status, 200);
    assert_eq!(there.post_with_key("/inventory/remove", "k-4", &remove).text(), refused.text());
    assert_eq!(ana.stock(tea), Some(22));
    // Somebody else's key is another one.
    let bob = Shopper::new(&first, "bob@example.com");
    assert_eq!(bob.post_with_key("/orders", "k-1", &wanted).header("idempotency-replayed"), None);
    assert_eq!(first.metric("pouco_inventory_orders_total{outcome=\"again\"}"), 1);
}

#[test]
fn a_key_is_bounded_and_lasts_a_day() {
    let (database, _replica, ana) = shop();
    let tea = ana.product("TEA", "1", 5);
    for key in ["", " ", "a b", "é", &"k".repeat(256), &"k".repeat(10_000)] {
        let (status, _, field) = refusal(&ana.post_with_key("/orders", key, &basket(&[(tea, 1)])));
        assert_eq!((status, field.as_deref()), (422, Some("Idempotency-Key")), "{key}");
    }
    let longest = "k".repeat(255);
    let place = || ana.post_with_key("/orders", &longest, &basket(&[(tea, 1)]));
    let (one, two) = (place(), place());
    assert_eq!(one.text(), two.text());
    let age = "UPDATE inventory.idempotency_keys SET created_at = created_at - interval '25 hours'";
    database.client().execute(age, &[]).unwrap();
    let three = place();
    assert_eq!((three.status, three.header("idempotency-replayed")), (201, None));
    assert_ne!(three.text(), one.text());
    assert_eq!(place().text(), three.text());
    assert_eq!(ana.stock(tea), Some(3));
}

/// The statement that deletes old keys, as it stands in the source: it takes those that are a day old, a few
/// at a time, and no others.
#[test]
fn keys_of_a_day_ago_are_swept() {
    let (database, _replica, ana) = shop();
    let tea = ana.product("TEA", "1", 0);
    for key in ["old-1", "old-2", "young"] {
        let add = json!({"product_id": tea, "quantity": 1});
        assert_eq!(ana.post_with_key("/inventory/add", key, &add).status, 200);
    }
    let mut client = database.client();
    let age = "UPDATE inventory.idempotency_keys SET created_at = created_at - interval '25 hours'
               WHERE key LIKE '=old-%'";
    assert_eq!(client.execute(age, &[]).unwrap(), 2);
    let source = include_str!("../../src/api/inventory/keys.rs");
    let sweep = source.split("const SWEEP: &str = \"").nth(1).unwrap().split("\";").next().unwrap();
    let swept: Vec<u64> = (0..3).map(|_| client.execute(sweep, &[&1_i64]).unwrap()).collect();
    assert_eq!(swept, [1, 1, 0]);
    let left = client.query_one("SELECT string_agg(key, ' ') FROM inventory.idempotency_keys", &[]).unwrap();
    assert_eq!(left.get::<_, &str>(0), "=young");
}

/// Of many with one key at once one is done, and each other one is told so or gets its answer.
#[test]
fn a_key_that_is_under_way_is_not_done_twice() {
    let (database, _first, ana) = shop();
    let second = replica(&database, &[]);
    let there = ana.at(&second);
    let tea = ana.product("TEA", "1", 100);
    for round in 0..5 {
        let key = format!("round-{round}");
        let answers: Vec<_> = thread::scope(|scope| {
            let ask = |who: &Shopper| who.post_with_key("/orders", &key, &basket(&[(tea, 1)]));
            let all: Vec<_> = (0..16)
                .map(|number| {
                    let who = if number % 2 == 0 { &ana } else { &there };
                    scope.spawn(move || ask(who))
                })
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let new = |answer: &&crate::support::Answer| {
            answer.status == 201 && answer.header("idempotency-replayed").is_none()
        };
        assert_eq!(answers.iter().filter(new).count(), 1);
        assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409)));
        assert_eq!(ana.stock(tea), Some(99 - round));
    }
}

/// The steps of the contest's JMeter plan, once: everything has a content type, the price is the client's
/// own, and the product is deleted with an order on it.
#[test]
fn the_steps_of_the_stress_test_hold() {
    let (_database, _replica, ana) = shop();
    for slash in ["", "/"] {
        let body =
            json!({"name": "Product", "price": 12.34, "sku": format!("PRD-{slash}1"), "description": "d"});
        let created = ana.post(&format!("/products{slash}"), &body);
        assert!(created.text().starts_with("{\"id\":"));
        let id = created.json()["id"].as_i64().unwrap();
        assert_eq!(ana.get(&format!("/products{slash}")).status, 200);
        assert_eq!(ana.get(&format!("/products/{id}")).status, 200);
        let change = json!({"name": "Other", "price": 20, "description": "e"});
        assert_eq!(ana.ask("PUT", &format!("/products/{id}"), &[], &change.to_string()).status, 200);
        assert_eq!(ana.post("/inventory/add", &json!({"product_id": id, "quantity": 50})).status, 200);
        assert_eq!(ana.get(&format!("/inventory{slash}")).status, 200);
        assert_eq!(ana.post("/inventory/remove", &json!({"product_id": id, "quantity": 5})).status, 200);
        let items = json!([{"product_id": id, "quantity": 3, "unit_price": 43.21}]);
        let placed = ana.post(&format!("/orders{slash}"), &json!({"status": "pending", "items": items}));
        assert_eq!((placed.status, placed.json()["total_amount"].as_f64()), (201, Some(60.0)));
        assert_eq!(ana.get(&format!("/orders{slash}")).status, 200);
        assert_eq!(ana.get(&format!("/orders/{}", placed.json()["id"])).status, 200);
        assert_eq!(ana.ask("DELETE", &format!("/products/{id}"), &[], "").status, 200);
    }
}
