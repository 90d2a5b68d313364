//! Products and their stock: each route with and without a slash at the end, each rule, each bad input.

use serde_json::{Value, json};

use crate::client::{refusal, replica};
use crate::shopper::{Shopper, shop};
use crate::support::replica::seed;

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

#[test]
fn a_product_lives_from_its_creation_to_the_archive() {
    let (_database, _replica, ana) = shop();
    let body = "{\"name\":\"Tea\",\"price\":10.5,\"sku\":\"TEA-1\",\"description\":\"green\"}";
    let created = ana.ask("POST", "/products/", &[], body);
    assert_eq!(created.status, 201);
    let text = created.text();
    let id = created.json()["id"].as_i64().unwrap();
    let expected = format!(
        "{{\"id\":{id},\"name\":\"Tea\",\"description\":\"green\",\"price\":10.50,\"sku\":\"TEA-1\",\"owner_id\":1}}"
    );
    assert_eq!(text, expected);
    for path in [format!("/products/{id}"), format!("/products/{id}/")] {
        let answer = ana.get(&path);
        assert_eq!((answer.status, answer.text()), (200, expected.as_str()), "{path}");
    }
    let changed = ana.ask("PUT", &format!("/products/{id}"), &[], "{\"price\":0.07,\"description\":null}");
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert!(
        changed.text().contains("\"description\":null,\"price\":0.07,\"sku\":\"TEA-1\""),
        "{}",
        changed.text()
    );
    let unchanged = ana.ask("PUT", &format!("/products/{id}"), &[], "{}");
    assert_eq!(unchanged.text(), changed.text());
    assert_eq!(ana.stock(id), Some(0));

    let archived = ana.ask("DELETE", &format!("/products/{id}"), &[], "");
    assert_eq!((archived.status, archived.text()), (200, changed.text()));
    assert_eq!(ana.get(&format!("/products/{id}")).status, 404);
    assert_eq!(ana.ask("PUT", &format!("/products/{id}"), &[], "{}").status, 404);
    assert_eq!(ana.ask("DELETE", &format!("/products/{id}"), &[], "").status, 404);
    assert_eq!(ana.get("/products").text(), "[]");
    assert_eq!((ana.get("/inventory").text().to_owned(), ana.stock(id)), ("[]".to_owned(), None));
    // Its SKU is free again.
    assert_eq!(ana.ask("POST", "/products", &[], body).status, 201);
}

#[test]
fn lists_are_pages_in_the_order_of_ids() {
    let (_database, _replica, ana) = shop();
    let all: Vec<i64> = (0..7).map(|number| ana.product(&format!("SKU-{number}"), "1", 1)).collect();
    for list in ["/products", "/products/", "/inventory", "/inventory/"] {
        assert_eq!(ids(&ana.get(list).json()), all, "{list}");
        assert_eq!(ids(&ana.get(&format!("{list}?limit=3&skip=2")).json()), all[2..5], "{list}");
        assert_eq!(ids(&ana.get(&format!("{list}?limit=3&after={}", all[2])).json()), all[3..6], "{list}");
        assert_eq!(ids(&ana.get(&format!("{list}?skip=9223372036854775807")).json()), [0_i64; 0], "{list}");
        for bad in
            ["limit=0", "limit=101", "limit=-1", "limit=a", "limit=", "skip=-1", "skip=1.5", "after=-1"]
        {
            let answer = ana.get(&format!("{list}?{bad}"));
            let (status, _, field) = refusal(&answer);
            assert_eq!((status, field.as_deref()), (422, bad.split('=').next()), "{bad}");
        }
    }
}

#[test]
fn what_is_no_product_says_which_member() {
    let (database, _replica, ana) = shop();
    let cases = [
        ("{\"price\":1,\"sku\":\"a\"}", 422, Some("name")),
        ("{\"name\":\"a\",\"sku\":\"a\"}", 422, Some("price")),
        ("{\"name\":\"a\",\"price\":1}", 422, Some("sku")),
        ("{\"name\":1,\"price\":1,\"sku\":\"a\"}", 422, Some("name")),
        ("{\"name\":\" \",\"price\":1,\"sku\":\"a\"}", 422, Some("name")),
        ("{\"name\":\"a\\u0000\",\"price\":1,\"sku\":\"a\"}", 422, Some("name")),
        ("{\"name\":\"a\",\"price\":1,\"sku\":\"\"}", 422, Some("sku")),
        ("{\"name\":\"a\",\"price\":1,\"sku\":\"\\u0000\"}", 422, Some("sku")),
        ("{\"name\":\"a\",\"price\":-0.01,\"sku\":\"a\"}", 422, Some("price")),
        ("{\"name\":\"a\",\"price\":1.001,\"sku\":\"a\"}", 422, Some("price")),
        ("{\"name\":\"a\",\"price\":10000000000,\"sku\":\"a\"}", 422, Some("price")),
        ("{\"name\":\"a\",\"price\":\"1\",\"sku\":\"a\"}", 422, Some("price")),
        ("{\"name\":\"a\",\"price\":null,\"sku\":\"a\"}", 422, Some("price")),
        ("{\"name\":\"a\",\"price\":true,\"sku\":\"a\"}", 422, Some("price")),
        ("{\"name\":\"a\",\"price\":NaN,\"sku\":\"a\"}", 400, None),
        ("{\"name\":\"\\ud800\",\"price\":1,\"sku\":\"a\"}", 400, None),
        ("{\"name\":\"a\",\"price\":1,\"sku\":\"a\"", 400, None),
        ("[]", 422, None),
        ("", 400, None),
    ];
    for (body, status, member) in cases {
        let answer = ana.ask("POST", "/products", &[], body);
        let (got, _, field) = refusal(&answer);
        assert_eq!((got, field.as_deref()), (status, member), "{body}: {}", answer.text());
    }
    let huge = ana.ask("POST", "/products", &[], "{\"name\":\"a\",\"price\":1e400,\"sku\":\"a\"}");
    assert!(matches!(huge.status, 400 | 422), "{}", huge.text());
    for (member, longest) in [("name", 200), ("sku", 64), ("description", 2_000)] {
        let mut product = json!({"name": "a", "price": 1, "sku": "a"});
        product[member] = "é".repeat(10_000).into();
        let (status, _, field) = refusal(&ana.post("/products", &product));
        assert_eq!((status, field.as_deref()), (422, Some(member)));
        product[member] = "é".repeat(longest).into();
        product["sku"] = if member == "sku" { product["sku"].take() } else { member.into() };
        assert_eq!(ana.post("/products", &product).status, 201, "{member}");
    }
    let count: i64 = database.value("SELECT count(*) FROM inventory.products");
    assert_eq!(count, 3, "what is refused is not stored");
}

#[test]
fn a_sku_is_of_one_product() {
    let (_database, _replica, ana) = shop();
    ana.product("A", "1", 0);
    let other = ana.product("B", "1", 0);
    let taken = ana.post("/products", &json!({"name": "a", "price": 1, "sku": "A"}));
    assert_eq!(refusal(&taken), (409, "another product has it".into(), Some("sku".into())));
    let taken = ana.ask("PUT", &format!("/products/{other}"), &[], "{\"sku\":\"A\"}");
    assert_eq!(refusal(&taken).0, 409);
    // Different by case.
    ana.product("a", "1", 0);
}

#[test]
fn an_id_is_a_positive_number() {
    let (_database, _replica, ana) = shop();
    for id in ["abc", "0", "-1", "1.5", "9223372036854775808", "%00"] {
        for list in ["products", "orders"] {
            let (status, _, field) = refusal(&ana.get(&format!("/{list}/{id}")));
            assert_eq!((status, field.as_deref()), (422, Some("id")), "{list}/{id}");
        }
    }
    assert_eq!(ana.get("/products/9223372036854775807").status, 404);
    assert_eq!(ana.get("/orders/9223372036854775807").status, 404);
}

#[test]
fn stock_is_added_and_removed_and_never_below_zero() {
    let (_database, _replica, ana) = shop();
    let tea = ana.product("TEA", "1", 0);
    let change = |how: &str, quantity: Value| {
        ana.post(&format!("/inventory/{how}"), &json!({"product_id": tea, "quantity": quantity}))
    };
    let added = change("add", json!(50));
    assert_eq!(added.status, 200);
    assert!(
        added
            .text()
            .starts_with(&format!("{{\"id\":{tea},\"product_id\":{tea},\"quantity\":50,\"last_updated\":\""))
    );
    assert_eq!(change("remove/", json!(20)).json()["quantity"], 30);
    assert_eq!(refusal(&change("remove", json!(31))).0, 400);
    assert_eq!(change("remove", json!(30)).json()["quantity"], 0);
    for quantity in [json!(0), json!(-1), json!(1.5), json!(2_147_483_648_i64), json!("1"), json!(null)] {
        for how in ["add", "remove"] {
            let (status, _, field) = refusal(&change(how, quantity.clone()));
            assert_eq!((status, field.as_deref()), (422, Some("quantity")), "{how} {quantity}");
        }
    }
    for how in ["add", "remove"] {
        let nothing = ana.post(&format!("/inventory/{how}"), &json!({"product_id": 999, "quantity": 1}));
        assert_eq!(refusal(&nothing), (404, "no such product".into(), Some("product_id".into())));
    }
    assert_eq!(ana.stock(tea), Some(0));
}

/// Whatever one replica has acknowledged the other one shows, at once.
#[test]
fn no_replica_is_older_than_an_acknowledged_write() {
    let (database, first, ana) = shop();
    let second = replica(&database, &[]);
    let there = ana.at(&second);
    for number in 0..20 {
        let id = ana.product(&format!("SKU-{number}"), "1", 0);
        assert_eq!(there.get(&format!("/products/{id}")).status, 200);
        assert!(ids(&there.get("/products").json()).contains(&id));
        assert_eq!(there.ask("PUT", &format!("/products/{id}"), &[], "{\"price\":2}").status, 200);
        assert_eq!(ana.get(&format!("/products/{id}")).json()["price"], 2.0);
        assert_eq!(ana.post("/inventory/add", &json!({"product_id": id, "quantity": 3})).status, 200);
        assert_eq!(there.stock(id), Some(3));
        let order = there.order(&[(id, 2)]);
        assert_eq!(order.status, 201, "{}", order.text());
        assert_eq!(ana.stock(id), Some(1));
        let path = format!("/orders/{}", order.json()["id"]);
        assert_eq!(ana.get(&path).text(), order.text());
        assert_eq!(ana.ask("PATCH", &path, &[], "{\"status\":\"cancelled\"}").status, 200);
        assert_eq!(
            (there.get(&path).json()["status"].clone(), there.stock(id)),
            (json!("cancelled"), Some(3))
        );
        assert_eq!(ana.ask("DELETE", &format!("/products/{id}"), &[], "").status, 200);
        assert_eq!(there.get(&format!("/products/{id}")).status, 404);
    }
    drop(first);
}

#[test]
fn nothing_is_told_to_nobody() {
    let (_database, replica, _) = shop();
    let nobody = Shopper::without_token(&replica);
    for (method, path) in [
        ("GET", "/products"),
        ("POST", "/products"),
        ("GET", "/products/1"),
        ("PUT", "/products/1"),
        ("DELETE", "/products/1"),
        ("GET", "/inventory"),
        ("POST", "/inventory/add"),
        ("POST", "/inventory/remove"),
        ("GET", "/orders"),
        ("POST", "/orders"),
        ("GET", "/orders/1"),
        ("PATCH", "/orders/1"),
    ] {
        for slash in ["", "/"] {
            let answer = nobody.ask(method, &format!("{path}{slash}"), &[], "");
            assert_eq!(answer.status, 401, "{method} {path}{slash}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
        }
    }
}

/// The same rows for the same seed, and once: the second time they are there.
#[test]
fn a_seed_fills_the_shop() {
    let database = crate::support::Database::create();
    let fill = |options: &[&str]| seed(&database, "inventory", options);
    let options = ["--products", "1500", "--users", "3", "--seed", "7"];
    let others = "added; the others were there";
    assert_eq!(fill(&options), format!("3 of 3 accounts {others}\n1500 of 1500 products {others}\n"));
    assert_eq!(fill(&options), format!("0 of 3 accounts {others}\n0 of 1500 products {others}\n"));
    let replica = replica(&database, &[]);
    let ana = Shopper::logged_in(&replica, "user2@example.com", "pouco-password");
    let last = ana.get("/products?limit=1&skip=1499").json();
    assert_eq!(last[0]["sku"], "SKU-001500");
    assert!(ana.stock(last[0]["id"].as_i64().unwrap()).is_some());
}
