//! JSON whose errors name the member: 400 for what is no JSON, 422 for what is JSON of another form.

use std::sync::atomic::Ordering;

use crate::support::{Answer, Engine};
use pouco::http::{JsonError, Limits, Method, Rejection, Router, Status};
use pouco::limits::JSON_DEPTH;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Line {
    product: i64,
    quantity: u32,
}

#[derive(Deserialize)]
struct Order<'b> {
    note: Option<&'b str>,
    lines: Vec<Line>,
}

/// As deep as the body, since each level is read by a call of its own.
#[derive(Deserialize)]
struct Tree {
    #[serde(default)]
    name: String,
    #[serde(default)]
    children: Vec<Tree>,
}

impl Tree {
    fn size(&self) -> usize {
        self.name.len() + self.children.iter().map(Tree::size).sum::<usize>() + 1
    }
}

fn start() -> Engine {
    let mut router = Router::new();
    router.route(Method::Post, "/orders", |request, response| {
        let order: Order<'_> = request.valid_json()?;
        let pieces: u64 = order.lines.iter().map(|line| u64::from(line.quantity)).sum();
        let first = order.lines.first().map(|line| line.product);
        response.json_of(&(order.note, first, pieces));
        Ok::<_, Rejection>(())
    });
    router.route(Method::Post, "/trees", |request, response| {
        response.text(request.valid_json::<Tree>()?.size());
        Ok::<_, JsonError>(())
    });
    // An API may have it otherwise.
    router.route(Method::Post, "/mapped", |request, response| {
        let order = request
            .valid_json::<Order<'_>>()
            .map_err(|error| Rejection { status: Status::UnprocessableContent, ..Rejection::from(error) })?;
        response.text(order.lines.len());
        Ok::<_, Rejection>(())
    });
    Engine::start(router, Limits::default())
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, body: &serde_json::Value) {
    assert_eq!((answer.status, &answer.json()), (status, body));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn a_member_that_is_missing_or_wrong_is_named() {
    let engine = start();
    let whole = "invalid type: expected a whole number within its range";
    let cases = [
        ("{}", "is missing", "lines"),
        ("{\"lines\":[{\"product\":1}]}", "is missing", "lines[0].quantity"),
        ("{\"lines\":[{\"product\":1,\"quantity\":1},{\"product\":\"1\"}]}", whole, "lines[1].product"),
        ("{\"lines\":[{\"product\":1,\"quantity\":-1}]}", whole, "lines[0].quantity"),
        ("{\"lines\":[{\"product\":1,\"quantity\":1e400}]}", "", ""),
        ("{\"lines\":[],\"note\":1}", "invalid type: expected a string", "note"),
        ("{\"lines\":7}", "invalid type: expected an array", "lines"),
    ];
    for target in &engine.targets {
        let mut connection = target.connect();
        let good = "{\"note\":\"\\u00e9\",\"lines\":[{\"product\":7,\"quantity\":2}],\"more\":[{}]}";
        assert_eq!(connection.request("POST", "/orders", good).text(), "[\"é\",7,2]");
        for (body, error, field) in cases {
            let answer = connection.request("POST", "/orders", body);
            if field.is_empty() {
                assert_refused(&answer, 400, &json!({"error": "the body is no JSON"}));
            } else {
                assert_refused(&answer, 422, &json!({"error": error, "field": field}));
            }
        }
        let whole_body = connection.request("POST", "/orders", "7");
        assert_eq!((whole_body.status, whole_body.json().get("field")), (422, None));
    }
}

#[test]
fn what_is_no_json_stays_a_400_unless_the_api_maps_it() {
    let engine = start();
    for target in &engine.targets {
        for body in ["", "{", "{} {}", "nul", "{\"lines\":[}"] {
            assert_refused(&target.post("/orders", body), 400, &json!({"error": "the body is no JSON"}));
            assert_refused(&target.post("/mapped", body), 422, &json!({"error": "the body is no JSON"}));
        }
        let missing = json!({"error": "is missing", "field": "lines"});
        assert_refused(&target.post("/mapped", "{}"), 422, &missing);
    }
}

/// The second pass has larger frames than the first one, on the small stack of a coroutine.
#[test]
fn an_error_at_the_bottom_of_the_deepest_body_is_named() {
    let engine = start();
    let levels = JSON_DEPTH / 2;
    let nested = |bottom: &str| {
        let (open, close) = ("{\"children\":[".repeat(levels - 1), "]}".repeat(levels - 1));
        format!("{open}{{\"name\":{bottom}}}{close}")
    };
    for target in &engine.targets {
        assert_eq!(target.post("/trees", &nested("\"ab\"")).text(), (levels + 2).to_string());
        let refused = target.post("/trees", &nested("1"));
        let path = "children[0].".repeat(levels - 1) + "name";
        let expected = json!({"error": "invalid type: expected a string", "field": path});
        assert_refused(&refused, 422, &expected);
        let deeper = format!("{{\"children\":[{}]}}", nested("\"ab\""));
        assert_eq!(target.post("/trees", &format!("[{deeper}]")).status, 400);
    }
    assert_eq!(engine.server.metrics().panics.load(Ordering::Relaxed), 0);
}
