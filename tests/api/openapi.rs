//! The OpenAPI document of a real replica: held against its routes, against the rules of OpenAPI 3.1, and
//! against what the replica answers.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::replica::command;
use crate::support::{Answer, Database, Replica};
use pouco::api::{APIS, Api};

const DOCUMENT: &str = "/api/v1/openapi.json";
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];
/// The replica's own. What the page at `/docs` is made of is no operation.
const OWN: [&str; 5] = ["GET /", "GET /api/v1/openapi.json", "GET /docs", "GET /healthz", "GET /metrics"];
const PARTS: [&str; 2] = ["GET /docs/page.css", "GET /docs/page.js"];

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A replica with this in `POUCO_APIS`; the database only where one is needed.
fn start(apis: &str, needs_database: bool) -> (Replica, Option<Database>) {
    let database = needs_database.then(Database::create);
    let mut command = command();
    command.env("POUCO_APIS", apis);
    if let Some(database) = &database {
        command.env("DATABASE_URL", database.url());
    }
    (Replica::spawn(&mut command), database)
}

/// Those that `all` means.
fn in_all() -> impl Iterator<Item = &'static str> {
    APIS.iter().filter(|api| api.in_all).map(|api| api.name)
}

/// Every route that the replica counts, which are all.
fn routes(replica: &Replica) -> BTreeSet<String> {
    let answer = replica.admin.get("/metrics");
    let series = answer.text().lines().filter_map(|line| line.strip_prefix("http_total_requests{path=\""));
    let label = |line: &str| {
        let (path, rest) = line.split_once("\",method=\"").unwrap();
        format!("{} {}", rest.split_once('"').unwrap().0, path.replace("{*", "{"))
    };
    let found: BTreeSet<_> = series.map(label).filter(|name| name != "other other").collect();
    assert!(PARTS.iter().all(|part| found.contains(*part)), "{found:?}");
    found.into_iter().filter(|name| !PARTS.contains(&name.as_str())).collect()
}

/// Every operation, with its name as [`routes`] has it.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let places = document["paths"].as_object().unwrap().iter();
    let named = places.flat_map(|(path, place)| {
        let methods = METHODS.iter().filter(|method| place.get(**method).is_some());
        methods.map(move |method| (format!("{} {path}", method.to_uppercase()), &place[*method]))
    });
    named.collect()
}

fn names(document: &Value) -> BTreeSet<String> {
    operations(document).into_iter().map(|(name, _)| name).collect()
}

/// Both ways, for each API where it is alone and for all of them.
#[test]
fn what_is_described_is_what_is_mounted() {
    let described = |api: &&'static Api| api.openapi.map(|describe| (*api, describe));
    for (api, describe) in APIS.iter().filter_map(described) {
        let (replica, _database) = start(api.name, api.stored.is_some());
        let own = names(&serde_json::to_value(describe()).unwrap());
        // Where an API has one of the replica's paths it is the API's.
        assert_eq!(own.union(&set(&OWN)).cloned().collect::<BTreeSet<_>>(), routes(&replica), "{}", api.name);
        let document = replica.get(DOCUMENT).json();
        assert_eq!(names(&document), routes(&replica), "{}", api.name);
        for (name, operation) in operations(&document) {
            assert!(operation["summary"].is_string(), "{name} of {} is not described", api.name);
            assert_eq!(operation["tags"][0] == api.name, own.contains(&name), "{name} of {}", api.name);
        }
    }
    let (replica, _database) = start("all", true);
    assert_eq!(names(&replica.get(DOCUMENT).json()), routes(&replica));
}

#[test]
fn the_document_obeys_openapi_3_1() {
    let (replica, _database) = start("all", true);
    let answer = replica.get(DOCUMENT);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let tags: Vec<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let expected: Vec<&str> = in_all().chain(["app"]).collect();
    assert_eq!(tags, expected);
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        check_operation(&document, &name, operation);
        assert!(tags.contains(&operation["tags"][0].as_str().unwrap()), "{name}");
        if let Some(id) = operation.get("operationId") {
            assert!(ids.insert(id.to_string()), "{name}: {id} twice");
        }
    }
    check_references(&document, &document);
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{name}");
        check_schema(name, schema);
    }
}

fn check_operation(document: &Value, name: &str, operation: &Value) {
    let parameters = operation.get("parameters").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut in_path = BTreeSet::new();
    for parameter in parameters {
        let place = parameter["in"].as_str().unwrap();
        assert!(["path", "query", "header"].contains(&place), "{name}: {parameter}");
        assert!(parameter["schema"].is_object() && parameter["name"].is_string(), "{name}: {parameter}");
        check_schema(name, &parameter["schema"]);
        if place == "path" {
            assert_eq!(parameter["required"], true, "{name}: {parameter}");
            in_path.insert(parameter["name"].as_str().unwrap().to_owned());
        }
    }
    let template = name.split('{').skip(1).map(|rest| rest.split('}').next().unwrap().to_owned());
    assert_eq!(in_path, template.collect::<BTreeSet<_>>(), "{name}");
    let responses = operation["responses"].as_object().unwrap();
    assert!(!responses.is_empty(), "{name}");
    for (status, response) in responses {
        let known = status == "default" || status.parse::<u16>().is_ok_and(|it| (100..600).contains(&it));
        assert!(known && response["description"].is_string(), "{name}: {status}");
    }
    if let Some(body) = operation.get("requestBody") {
        assert!(!body["content"].as_object().unwrap().is_empty(), "{name}");
        assert!(!name.starts_with("GET "), "{name} has a body");
    }
    for requirement in operation.get("security").and_then(Value::as_array).into_iter().flatten() {
        for scheme in requirement.as_object().unwrap().keys() {
            assert!(document["components"]["securitySchemes"][scheme].is_object(), "{name}: {scheme}");
        }
        assert!(responses.contains_key("401"), "{name} needs a token, and says nothing of who has none");
    }
}

/// Every `$ref` leads somewhere in the document.
fn check_references(document: &Value, value: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                let found = document.pointer(reference.strip_prefix('#').unwrap());
                assert!(found.is_some(), "{reference} leads nowhere");
            }
            members.values().for_each(|member| check_references(document, member));
        }
        Value::Array(elements) => elements.iter().for_each(|element| check_references(document, element)),
        _ => {}
    }
}

/// Types are those of JSON Schema, and what is required is there.
fn check_schema(name: &str, schema: &Value) {
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(|it| it.as_str().unwrap()).collect(),
        Value::String(one) => vec![one.as_str()],
        _ => Vec::new(),
    };
    let known = ["array", "boolean", "integer", "null", "number", "object", "string"];
    assert!(types.iter().all(|it| known.contains(it)), "{name}: {types:?}");
    assert!(schema.get("nullable").is_none(), "{name}: `nullable` is of OpenAPI 3.0");
    let properties = schema.get("properties").and_then(Value::as_object);
    for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        let there = properties.is_some_and(|them| them.contains_key(required.as_str().unwrap()));
        assert!(there, "{name}: {required} is required and unknown");
    }
    for (member, schema) in properties.into_iter().flatten() {
        check_schema(&format!("{name}.{member}"), schema);
    }
    if let Some(items) = schema.get("items") {
        check_schema(name, items);
    }
}

/// The statuses that a real replica gives are described, and so are the bodies that it refuses with.
#[test]
fn what_is_answered_is_described() {
    let (replica, _database) = start("all", true);
    let document = replica.get(DOCUMENT).json();
    let large = format!("{{\"apelido\":\"{}\"}}", "x".repeat(1 << 20));
    let example =
        document["paths"]["/pessoas"]["post"]["requestBody"]["content"]["application/json"]["example"]
            .to_string();
    let nobody = "/00000000-0000-0000-0000-000000000000";
    for (method, template, path, body, status) in [
        ("POST", "/pessoas", "/pessoas", example.as_str(), 201),
        ("POST", "/pessoas", "/pessoas", example.as_str(), 422),
        ("POST", "/pessoas", "/pessoas", "{", 400),
        ("POST", "/pessoas", "/pessoas", large.as_str(), 413),
        ("GET", "/pessoas", "/pessoas", "", 400),
        ("GET", "/pessoas", "/pessoas?t=rust", "", 200),
        ("GET", "/pessoas/{id}", &format!("/pessoas{nobody}"), "", 404),
        ("GET", "/contagem-pessoas", "/contagem-pessoas", "", 200),
        ("GET", "/users/{id}", &format!("/users{nobody}"), "", 404),
        ("GET", "/users/{id}", "/users/7", "", 400),
        ("GET", "/users", "/users?limit=0", "", 400),
        ("GET", "/users", "/users", "", 200),
        ("GET", "/redis/time", "/redis/time", "", 200),
        ("GET", "/", "/", "", 200),
        ("GET", "/metrics", "/metrics", "", 200),
        ("GET", "/healthz", "/healthz", "", 200),
        ("GET", "/docs", "/docs/", "", 200),
    ] {
        let answer = replica.api.connect().request(method, path, body);
        assert_eq!(answer.status, status, "{method} {path}");
        check_answer(&document["paths"][template][method.to_lowercase()], &answer, path);
    }
}

#[test]
fn what_the_api_bench_answers_is_described() {
    let (replica, _database) = start("bench", true);
    let document = replica.get(DOCUMENT).json();
    let example = |path: &str, method: &str| {
        document["paths"][path][method]["requestBody"]["content"]["application/json"]["example"].to_string()
    };
    let (ana, echo) = (example("/users", "post"), example("/echo", "post"));
    for (method, template, path, body, status) in [
        ("GET", "/health", "/health", "", 200),
        ("POST", "/echo", "/echo", echo.as_str(), 200),
        ("POST", "/echo", "/echo", "{", 400),
        ("POST", "/echo", "/echo", "{}", 422),
        ("POST", "/users", "/users", ana.as_str(), 201),
        ("POST", "/users", "/users", ana.as_str(), 409),
        ("POST", "/auth/login/jwt", "/auth/login/jwt?user_id=1", "", 200),
        ("POST", "/auth/login/session", "/auth/login/session?user_id=1", "", 200),
        ("POST", "/users", "/users", "{}", 422),
        ("GET", "/users", "/users", "", 200),
        ("GET", "/users/{id}", "/users/1", "", 200),
        ("GET", "/users/{id}", "/users/7", "", 404),
        ("GET", "/users/{id}", "/users/ana", "", 400),
        ("PUT", "/users/{id}", "/users/1", ana.as_str(), 200),
        ("GET", "/cache/users/{id}/process", "/cache/users/1/process", "", 200),
        ("DELETE", "/users/{id}", "/users/1", "", 204),
        ("DELETE", "/users/{id}", "/users/1", "", 404),
        ("GET", "/users/offset", "/users/offset", "", 200),
        ("GET", "/users/offset", "/users/offset?page=0", "", 422),
        ("GET", "/users/cursor", "/users/cursor?size=1", "", 200),
        ("GET", "/n-plus-one/eager", "/n-plus-one/eager", "", 200),
        ("GET", "/n-plus-one/lazy", "/n-plus-one/lazy?limit=x", "", 422),
        ("POST", "/cache/warmup", "/cache/warmup?count=1", "", 200),
        ("GET", "/auth/public", "/auth/public", "", 200),
        ("POST", "/auth/login/jwt", "/auth/login/jwt?user_id=1", "", 404),
        ("POST", "/auth/login/session", "/auth/login/session", "", 422),
        ("GET", "/auth/protected/jwt", "/auth/protected/jwt", "", 401),
        ("GET", "/auth/protected/jwt-user", "/auth/protected/jwt-user", "", 401),
        ("GET", "/auth/protected/session", "/auth/protected/session", "", 401),
        ("POST", "/bulk-operations/insert-raw", "/bulk-operations/insert-raw?count=1", "", 409),
        ("POST", "/bulk-operations/update-bulk", "/bulk-operations/update-bulk?count=0", "", 422),
        ("DELETE", "/bulk-operations/cleanup", "/bulk-operations/cleanup", "", 200),
        ("GET", "/aggregation/count/orm", "/aggregation/count/orm", "", 200),
        ("GET", "/aggregation/stats/author/raw", "/aggregation/stats/author/raw", "", 200),
        ("GET", "/search/users", "/search/users?q=a&mode=fts", "", 200),
        ("GET", "/search/users", "/search/users?mode=like", "", 422),
        ("GET", "/cache/users/{id}/no-cache", "/cache/users/1/no-cache", "", 404),
        ("GET", "/cache/users/{id}/redis", "/cache/users/1/redis", "", 404),
        ("DELETE", "/cache/users/{id}", "/cache/users/1", "", 204),
        ("POST", "/transactions/reset", "/transactions/reset?product_id=1&quantity=1", "", 404),
        (
            "POST",
            "/transactions/decrement/conditional",
            "/transactions/decrement/conditional?product_id=1&quantity=1",
            "",
            404,
        ),
        ("POST", "/transactions/decrement/no-lock", "/transactions/decrement/no-lock", "", 422),
        ("GET", "/external", "/external", "", 200),
        ("GET", "/protected", "/protected", "", 401),
        ("POST", "/upload", "/upload", "x", 415),
    ] {
        let answer = replica.api.connect().request(method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        check_answer(&document["paths"][template][method.to_lowercase()], &answer, path);
    }
}

fn check_answer(operation: &Value, answer: &Answer, path: &str) {
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{path}: {} is not described", answer.status);
    for name in response.get("headers").and_then(Value::as_object).into_iter().flat_map(|them| them.keys()) {
        assert!(answer.header(name).is_some(), "{path}: {} lacks {name}", answer.status);
    }
    match response.get("content").and_then(Value::as_object) {
        Some(content) => {
            assert_eq!(answer.header("content-type"), content.keys().next().map(String::as_str), "{path}");
        }
        None => assert!(answer.body.is_empty(), "{path}: {} has a body", answer.status),
    }
    if answer.status >= 400 {
        assert!(answer.json()["error"].is_string(), "{path}: {}", answer.text());
    }
}

#[test]
fn several_apis_share_the_top_and_one_has_it_for_itself() {
    let (replica, _database) = start("all", true);
    let list = replica.get("/").json();
    let listed: Vec<&str> =
        list["apis"].as_array().unwrap().iter().map(|api| api["name"].as_str().unwrap()).collect();
    assert_eq!(listed, in_all().collect::<Vec<_>>());
    assert_eq!((&list["docs"], &list["openapi"]), (&"/docs".into(), &DOCUMENT.into()));
    let (public, admin) = (replica.get("/metrics"), replica.admin.get("/metrics"));
    assert_eq!(public.header("content-type"), admin.header("content-type"));
    assert_eq!(families(&public), families(&admin), "the same figures on both addresses");
    assert!(!replica.get("/memory/").text().contains("\"/metrics\""), "the page of whoever is in front");

    let (alone, _none) = start("edge", false);
    assert!(alone.get("/").text().contains("edge cache"));
    assert!(!alone.get("/metrics").text().contains("pouco_"), "{}", alone.get("/metrics").text());
    assert!(alone.get("/memory/").text().contains("\"/metrics\""));
}

fn families(answer: &Answer) -> BTreeSet<String> {
    let lines = answer.text().lines().filter(|line| line.starts_with("# TYPE "));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_document_and_the_page_are_kept_and_asked_about() {
    let (replica, _none) = start("edge", false);
    for path in [DOCUMENT, "/docs", "/docs/", "/docs/page.css", "/docs/page.js"] {
        let answer = replica.get(path);
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-cache")), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let tag = answer.header("etag").unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nif-none-match: {tag}\r\n\r\n");
        let again = replica.api.ask(request);
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
}
