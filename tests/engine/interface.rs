//! What a handler is offered, as a client sees it: parameters, JSON, errors that answer.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;

use crate::support::client::request_text;
use crate::support::{Answer, Engine};
use pouco::http::{
    IntoAnswer, JsonError, Limits, Method, ParameterError, Rejection, Request, Response, Router, Status,
};
use pouco::limits::JSON_DEPTH;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize, Serialize)]
struct Order {
    item: String,
    count: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// An error of the test's own, with an answer that no error of the engine has.
enum Teapot {
    Parameter(ParameterError),
    Full,
}

impl From<ParameterError> for Teapot {
    fn from(error: ParameterError) -> Self {
        Self::Parameter(error)
    }
}

impl IntoAnswer for Teapot {
    fn into_answer(self, response: &mut Response<'_>) {
        match self {
            Self::Parameter(error) => error.into_answer(response),
            Self::Full => response.status(Status::UnprocessableContent).text("the pot is full"),
        }
    }
}

fn parameters(router: &mut Router) {
    router.route(Method::Get, "/users/{user}/hosts/{host}", |request, response| {
        let user: i32 = request.path_parameter("user")?;
        let host: Ipv4Addr = request.path_parameter("host")?;
        response.text(format_args!("{user} {host}"));
        Ok::<_, ParameterError>(())
    });
    router.route(Method::Get, "/four/{a}/{b}/{c}/{d}", |request, response| {
        let all = ["a", "b", "c", "d"].map(|name| request.raw_path_parameter(name));
        response.text(all.join(" "));
    });
    router.route(Method::Get, "/texts/{text}", |request, response| {
        let text: String = request.path_parameter("text")?;
        response.text(format_args!("{text} {}", request.raw_path_parameter("text")));
        Ok::<_, ParameterError>(())
    });
    router.route(Method::Get, "/pages/{page}.html", |request, response| {
        response.text(request.raw_path_parameter("page"));
    });
    router.route(Method::Get, "/files/{*rest}", |request, response| {
        response.text(request.raw_path_parameter("rest"));
    });
    router.route(Method::Get, "/query", |request, response| {
        let limit: Option<u16> = request.query_parameter("limit")?;
        let tags: Vec<String> = request.query_parameters("tag").collect::<Result<_, _>>()?;
        let title = request.query_text("título")?;
        response.text(format_args!("{limit:?} {tags:?} {title:?} {}", request.query()));
        Ok::<_, ParameterError>(())
    });
}

fn json_bodies(router: &mut Router) {
    router.route(Method::Post, "/orders/{id}", |request, response| {
        let id: u64 = request.path_parameter("id")?;
        let order: Order = request.json()?;
        if order.count == 0 {
            return Err(Rejection::of_field(Status::UnprocessableContent, "must be \"1\" or more", "count"));
        }
        response.status(Status::Created).header("location", format_args!("/orders/{id}")).json_of(&order);
        Ok(())
    });
    router.route(Method::Post, "/lengths", |request, response| {
        let texts: Vec<&str> = request.json()?;
        response.json_of(&texts.iter().map(|text| text.len()).collect::<Vec<_>>());
        Ok::<_, JsonError>(())
    });
    router.route(Method::Get, "/unwritable", |_, response| {
        let value = BTreeMap::from([("first", BTreeMap::from([((1, 2), "a key that is no string")]))]);
        response.status(Status::Created).header("location", "/a").json_of(&value);
    });
}

fn faults(router: &mut Router) {
    router.route(Method::Get, "/pots/{cups}", |request, response| {
        if request.path_parameter::<u8>("cups")? > 4 {
            return Err(Teapot::Full);
        }
        response.status(Status::NoContent).empty();
        Ok(())
    });
    router.route(Method::Get, "/busy", |_, _| {
        Err(Rejection { retry_after_s: Some(7), ..Rejection::new(Status::ServiceUnavailable, "busy") })
    });
    router.route(Method::Get, "/twice", |_, response| {
        response.text("first");
        Err(Rejection::new(Status::NotFound, "second"))
    });
    router.route(Method::Get, "/misnamed/{id}", misnamed);
}

fn misnamed(request: &mut Request<'_>, response: &mut Response<'_>) {
    response.text(request.raw_path_parameter("name"));
}

fn start() -> Engine {
    let mut router = Router::new();
    parameters(&mut router);
    json_bodies(&mut router);
    faults(&mut router);
    Engine::start(router, Limits::default())
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, body: &serde_json::Value) {
    assert_eq!((answer.status, &answer.json()), (status, body));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn path_parameters_are_decoded_and_typed() {
    let engine = start();
    for target in &engine.targets {
        let mut connection = target.connect();
        let mut get = |path: &str| connection.request("GET", path, "");
        assert_eq!(get("/users/-7/hosts/10.0.0.1").text(), "-7 10.0.0.1");
        assert_eq!(get("/users/%37/hosts/10%2e0.0.1?user=8").text(), "7 10.0.0.1");
        assert_eq!(get("/four/1/2/3/4").text(), "1 2 3 4");
        assert_eq!(get("/texts/a+b%20%C3%A9%2Fc").text(), "a+b é/c a+b%20%C3%A9%2Fc");
        assert_eq!(get("/pages/a.b.html").text(), "a.b");
        for path in ["/texts/", "/pages/.html", "/users//hosts/10.0.0.1", "/texts/a/"] {
            assert_eq!(get(path).status, 404, "{path}");
        }
        let malformed = |name| json!({"error": "is malformed", "field": name});
        assert_refused(&get("/users/x/hosts/10.0.0.1"), 400, &malformed("user"));
        assert_refused(&get("/users/2147483648/hosts/10.0.0.1"), 400, &malformed("user"));
        assert_refused(&get("/users/1/hosts/10.0.0.256"), 400, &malformed("host"));
        for text in ["%ff", "%c3", "%C3%28"] {
            let body = json!({"error": "is not percent-encoded UTF-8", "field": "text"});
            assert_refused(&get(&format!("/texts/{text}")), 400, &body);
        }
    }
}

#[test]
fn a_wildcard_takes_the_rest_as_it_was_sent() {
    let engine = start();
    for target in &engine.targets {
        assert_eq!(target.get("/files/a").text(), "a");
        assert_eq!(target.get("/files/a//b/../c%20d/?x").text(), "a//b/../c%20d/");
        assert_eq!(target.get("/files/").status, 404);
    }
}

#[test]
fn an_absent_query_parameter_is_no_malformed_one() {
    let engine = start();
    let answer = |target: &crate::support::Target, query: &str| {
        let answer = target.get(&format!("/query{query}"));
        assert_eq!(answer.status, 200, "{query}");
        answer.text().to_owned()
    };
    for target in &engine.targets {
        assert_eq!(answer(target, ""), "None [] None ");
        assert_eq!(answer(target, "?limits=x&Limit=x"), "None [] None limits=x&Limit=x");
        assert_eq!(answer(target, "?limit=5&limit=x"), "Some(5) [] None limit=5&limit=x");
        assert_eq!(answer(target, "?tag=a&l%69mit=%31&&tag=b+c&tag"), {
            "Some(1) [\"a\", \"b c\", \"\"] None tag=a&l%69mit=%31&&tag=b+c&tag"
        });
        assert_eq!(answer(target, "?t%C3%ADtulo=%2B1"), "None [] Some(\"+1\") t%C3%ADtulo=%2B1");
        for (query, name) in
            [("limit=x", "limit"), ("limit=", "limit"), ("limit", "limit"), ("limit=-1", "limit")]
        {
            let body = json!({"error": "is malformed", "field": name});
            assert_refused(&target.get(&format!("/query?{query}")), 400, &body);
        }
        let body = json!({"error": "is not percent-encoded UTF-8", "field": "tag"});
        assert_refused(&target.get("/query?tag=a&tag=%ff"), 400, &body);
    }
}

#[test]
fn json_comes_and_goes() {
    let engine = start();
    for target in &engine.targets {
        let answer = target.post("/orders/7", "{\"count\":2,\"item\":\"a\\n\\u00e9\",\"other\":[{}]}");
        assert_eq!((answer.status, answer.header("location")), (201, Some("/orders/7")));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.text(), "{\"item\":\"a\\né\",\"count\":2}");
        assert_eq!(target.post("/lengths", "[\"\",\"abc\",\"\\u00e9\"]").text(), "[0,3,2]");
    }
}

#[test]
fn json_of_another_form_is_refused() {
    let engine = start();
    let refused = |answer: &Answer| (answer.status, answer.json()["error"].as_str().unwrap().to_owned());
    for target in &engine.targets {
        for body in ["", "{", "[1]]", "{} {}", "{\"item\":\"a\",\"count\":1,}", "{\"item\":\"\\ud800\"}"] {
            assert_eq!(
                refused(&target.post("/orders/7", body)),
                (400, "the body is no JSON".into()),
                "{body}"
            );
        }
        let missing = target.post("/orders/7", "{\"item\":\"a\"}");
        assert_eq!(refused(&missing), (400, "the body has another form: missing field `count`".into()));
        let quoting = target.post("/orders/7", "{\"item\":\"a\",\"count\":1,\"note\":[\"\\\"\"]}");
        assert_eq!(quoting.status, 400);
        for body in ["[]", "null", "{\"item\":\"a\",\"count\":256}", "{\"item\":1,\"count\":2}"] {
            let (status, error) = refused(&target.post("/orders/7", body));
            assert!(status == 400 && error.starts_with("the body has another form"), "{body}: {error}");
        }
        let rule = target.post("/orders/7", "{\"item\":\"a\",\"count\":0}");
        assert_refused(&rule, 422, &json!({"error": "must be \"1\" or more", "field": "count"}));
    }
}

#[test]
fn nesting_past_the_bound_is_refused_also_where_nobody_reads_it() {
    let engine = start();
    let nested = |depth: usize| {
        format!("{{\"item\":\"a\",\"count\":1,\"other\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1))
    };
    for target in &engine.targets {
        assert_eq!(target.post("/orders/7", &nested(JSON_DEPTH)).status, 201);
        for depth in [JSON_DEPTH + 1, 1_000, 30_000] {
            let answer = target.post("/orders/7", &nested(depth));
            assert_refused(&answer, 400, &json!({"error": "the body is nested too deeply"}));
        }
    }
    assert_eq!(engine.server.metrics().panics.load(Ordering::Relaxed), 0);
}

#[test]
fn a_value_that_cannot_be_written_is_a_500_and_the_connection_goes_on() {
    let engine = start();
    for target in &engine.targets {
        let mut connection = target.connect();
        let pipelined = ["/texts/a", "/unwritable", "/texts/b"].map(|path| request_text("GET", path, ""));
        connection.send(pipelined.concat());
        assert_eq!(connection.answer().text(), "a a");
        let answer = connection.answer();
        assert_refused(&answer, 500, &json!({"error": "internal server error"}));
        assert_eq!(answer.header("location"), None);
        assert_eq!(connection.answer().text(), "b b");
    }
    let mut counts = engine.server.router().counts();
    let unwritable = counts.find(|count| count.route == "/unwritable").unwrap();
    assert_eq!((unwritable.status, unwritable.count), (Status::InternalServerError, 2));
}

#[test]
fn an_error_writes_the_answer() {
    let engine = start();
    for target in &engine.targets {
        let mut connection = target.connect();
        assert_eq!(connection.request("GET", "/pots/4", "").status, 204);
        let full = connection.request("GET", "/pots/5", "");
        assert_eq!((full.status, full.text()), (422, "the pot is full"));
        let malformed = connection.request("GET", "/pots/many", "");
        assert_refused(&malformed, 400, &json!({"error": "is malformed", "field": "cups"}));
        let busy = connection.request("GET", "/busy", "");
        assert_eq!(busy.header("retry-after"), Some("7"));
        assert_refused(&busy, 503, &json!({"error": "busy"}));
        let head = connection.request("HEAD", "/busy", "");
        assert_eq!((head.status, head.body.len(), head.header("content-length")), (503, 0, Some("16")));
    }
}

#[test]
fn a_faulty_handler_is_a_500_and_never_two_answers() {
    let engine = start();
    for target in &engine.targets {
        for path in ["/twice", "/misnamed/1"] {
            let mut connection = target.connect();
            let answer = connection.request("GET", path, "");
            assert_refused(&answer, 500, &json!({"error": "internal server error"}));
            assert!(connection.is_closed(), "{path}");
        }
    }
    assert_eq!(engine.server.metrics().panics.load(Ordering::Relaxed), 4);
}
