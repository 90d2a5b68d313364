//! The page at `/docs` in a headless Chromium: a reader looks at it and calls a real replica through it.
//!
//! Skipped, and saying so, where no Chromium is found; with `CI=true` that is a failure. The pictures are
//! left in cargo's folder for temporary files.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use crate::support::browser::{self, Browser};
use crate::support::{Database, Engine, Replica, Target};
use pouco::api::Api;
use pouco::front;
use pouco::http::{Limits, Method, Rejection, Request, Router, Status};

const DESK: u32 = 1280;
const PHONE: u32 = 360;

/// Something in the page that is wider than the page.
const OVERFLOWING: &str = "[...document.querySelectorAll('body *')]
    .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
    .map(one => one.tagName + '.' + one.className).slice(0, 5).join(' ')";

/// Fields of a form that a screen reader would have no name for.
const NAMELESS: &str = "[...document.querySelectorAll('input, select, textarea')]
    .filter(one => one.labels.length === 0).map(one => one.outerHTML).join(' ')";

/// A value that was written down and is none.
const MEANINGLESS: &str = "document.body.innerText.split('\\n')
    .filter(line => /^(false|undefined|null|NaN)$|\\[object /.test(line)).join(' ')";

/// Texts that are hard to read: those whose contrast is below 4.5 (WCAG 2.2, 1.4.3).
const PALE: &str = "(() => {
    const light = colour => colour.match(/[0-9.]+/g).slice(0, 3).map(Number).map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
    const behind = one => {
        const colour = getComputedStyle(one).backgroundColor;
        return colour !== 'rgba(0, 0, 0, 0)' || !one.parentElement ? colour : behind(one.parentElement);
    };
    const contrast = one => {
        const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((a, b) => b - a);
        return (a + 0.05) / (b + 0.05);
    };
    const texts = 'h1, h2, h4, p, a, label, summary *, input, textarea, button, dt, dd, pre';
    return [...document.querySelectorAll(texts)]
        .filter(one => contrast(one) < 4.5).map(one => one.outerHTML).slice(0, 3).join(' ');
})()";

/// The page of a server, in a browser.
struct Docs {
    browser: Browser,
    address: String,
    /// It ends with the test.
    _server: Box<dyn Any>,
}

/// What a call through the page was answered.
#[derive(Debug)]
struct Called {
    status: String,
    fields: String,
    body: String,
}

impl Docs {
    /// Of a replica with all APIs; `None` where there is no browser.
    fn start() -> Option<Self> {
        Self::start_with("all")
    }

    /// Of a replica with this in `POUCO_APIS`.
    fn start_with(apis: &str) -> Option<Self> {
        let browser = browser::start()?;
        let database = Database::create();
        let replica = Replica::start_with(&database, &[("POUCO_APIS", apis)]);
        let target = replica.api.clone();
        Some(Self::of(browser, &target, Box::new((replica, database))))
    }

    fn of(browser: Browser, target: &Target, server: Box<dyn Any>) -> Self {
        let Target::Tcp(address) = target.clone() else { panic!("{target:?}") };
        Self { browser, address, _server: server }
    }

    fn open(&mut self, width: u32, colours: &str) {
        self.browser.open(&format!("http://{}/docs", self.address), width, colours);
        self.browser.wait_until("document.body.dataset.ready === 'yes'");
    }

    /// Opens an operation by its id, fills in fields by their names, sends the form with its button, and
    /// reads the answer as the reader sees it. The body of a request is the field `body`; what it is sent as,
    /// `content-type`, comes before it, since the choice brings an example.
    fn call(&mut self, operation: &str, fields: &Value) -> Called {
        let run = format!(
            "(() => {{
                const place = document.getElementById({operation});
                place.querySelector('.answer').removeAttribute('data-status');
                place.open = true;
                const fields = Object.entries({fields});
                fields.sort(([name]) => name === 'content-type' ? -1 : 1);
                for (const [name, value] of fields) {{
                    const field = place.querySelector(`form [name='${{name}}']`);
                    field.value = typeof value === 'string' ? value : JSON.stringify(value);
                    field.dispatchEvent(new Event('change'));
                }}
                place.querySelector('form button').click();
            }})()",
            operation = json!(operation),
        );
        self.browser.evaluate(&run);
        let answer = format!("document.getElementById({}).querySelector('.answer')", json!(operation));
        self.browser.wait_until(&format!("'status' in {answer}.dataset"));
        let mut text = |part: &str| {
            let value =
                self.browser.evaluate(&format!("{answer}.querySelector('{part}')?.textContent ?? ''"));
            value.as_str().unwrap().to_owned()
        };
        Called { status: text(".status"), fields: text(".fields"), body: text(".body") }
    }

    /// What must be so at any width and in any colours, with everything open.
    fn look(&mut self, name: &str, width: u32) {
        let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("docs-{name}.png"));
        std::fs::write(picture, self.browser.picture()).unwrap();
        self.browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)");
        let scrolled = self.browser.evaluate("document.documentElement.scrollWidth");
        assert_eq!(scrolled, width, "{name}: the page scrolls sideways");
        assert_eq!(self.browser.evaluate(OVERFLOWING), "", "{name}");
        assert_eq!(self.browser.evaluate(NAMELESS), "", "{name}");
        assert_eq!(self.browser.evaluate(PALE), "", "{name}");
        assert_eq!(self.browser.evaluate(MEANINGLESS), "", "{name}");
        let elsewhere = "performance.getEntriesByType('resource').map(one => one.name)
            .filter(name => !name.startsWith(location.origin)).join(' ')";
        assert_eq!(self.browser.evaluate(elsewhere), "", "{name}: it loads from elsewhere");
    }

    /// From 0 to 255, how light the paper is.
    fn paper(&mut self) -> f64 {
        let background =
            "getComputedStyle(document.documentElement).backgroundColor.match(/[0-9]+/g).map(Number)";
        let parts = self.browser.evaluate(background);
        parts.as_array().unwrap().iter().map(|part| part.as_f64().unwrap()).sum::<f64>() / 3.0
    }
}

#[test]
fn a_person_is_created_and_found_through_the_page() {
    let Some(mut docs) = Docs::start() else { return };
    docs.open(DESK, "light");
    let created = docs.call("people.create", &json!({}));
    assert!(created.status.starts_with("201"), "the example is valid: {created:?}");
    let location = created.fields.lines().find_map(|line| line.strip_prefix("location: /pessoas/"));
    let id = location.unwrap_or_else(|| panic!("{created:?}")).to_owned();
    let found = docs.call("people.by_id", &json!({ "id": id }));
    assert!(found.status.starts_with("200") && found.body.contains("\"apelido\": \"ana\""), "{found:?}");
    let again = docs.call("people.create", &json!({}));
    assert!(again.status.starts_with("422") && again.body.contains("\"field\": \"apelido\""), "{again:?}");
    let wrong = docs.call("people.create", &json!({ "body": { "apelido": 1 } }));
    assert!(wrong.status.starts_with("400"), "{wrong:?}");
    let search = docs.call("people.search", &json!({ "t": "SQL" }));
    assert!(search.status.starts_with("200") && search.body.contains(&id), "{search:?}");
    let nowhere = docs.call("people.by_id", &json!({ "id": "a/b?c" }));
    assert!(nowhere.status.starts_with("404") && nowhere.body.contains("no such person"), "{nowhere:?}");
}

/// From an account to an order that finds too little, as a reader would do it.
#[test]
fn a_product_is_ordered_through_the_page_until_it_is_short() {
    let Some(mut docs) = Docs::start() else { return };
    docs.open(DESK, "light");
    let call = |docs: &mut Docs, operation: &str, fields: &Value, status: &str| {
        let called = docs.call(operation, fields);
        assert!(called.status.starts_with(status), "{operation}: {called:?}");
        called
    };
    call(&mut docs, "inventory.products", &json!({}), "401");
    call(&mut docs, "inventory.register", &json!({}), "201");
    call(
        &mut docs,
        "inventory.login",
        &json!({ "content-type": "application/x-www-form-urlencoded" }),
        "200",
    );
    let product = call(&mut docs, "inventory.create_product", &json!({}), "201");
    assert!(product.body.contains("\"id\":1,"), "{product:?}");
    call(&mut docs, "inventory.add_stock", &json!({ "body": { "product_id": 1, "quantity": 2 } }), "200");
    let order = json!({ "body": { "items": [{ "product_id": 1, "quantity": 2 }] } });
    let placed = call(&mut docs, "inventory.place_order", &order, "201");
    assert!(placed.body.contains("\"total_amount\":9.00"), "{placed:?}");
    let short = call(&mut docs, "inventory.place_order", &order, "400");
    assert!(short.body.contains("product 1 has 0 in stock"), "{short:?}");
    call(
        &mut docs,
        "inventory.change_order",
        &json!({ "id": "1", "body": { "status": "cancelled" } }),
        "200",
    );
    call(&mut docs, "inventory.place_order", &order, "201");
    docs.open(PHONE, "dark");
    let orders = call(&mut docs, "inventory.orders", &json!({}), "200");
    assert!(orders.body.contains("cancelled"), "{orders:?}");
    docs.look("inventory", PHONE);
}

#[test]
fn a_file_is_sent_through_the_page() {
    let Some(mut docs) = Docs::start_with("bench") else { return };
    docs.open(PHONE, "light");
    let sent = docs.call("bench.upload", &json!({ "body": "twelve bytes" }));
    assert!(sent.status.starts_with("200") && sent.body.contains("\"size\": 12,"), "{sent:?}");
    assert!(sent.body.contains("\"filename\": \"example.txt\""), "{sent:?}");
    docs.look("bench", PHONE);
}

#[test]
fn it_fits_a_desk_and_a_phone_in_light_and_in_dark() {
    let Some(mut docs) = Docs::start() else { return };
    for (width, colours) in [(DESK, "light"), (PHONE, "light"), (PHONE, "dark"), (DESK, "dark")] {
        docs.open(width, colours);
        // Long answers are where a page would become too wide.
        let metrics = docs.call("app.metrics", &json!({}));
        assert!(
            metrics.status.starts_with("200") && metrics.body.contains("pouco_build_info"),
            "{metrics:?}"
        );
        let list = docs.call("users.list", &json!({ "limit": "0" }));
        assert!(list.status.starts_with("400") && list.body.contains("limit"), "{list:?}");
        docs.look(&format!("{width}-{colours}"), width);
        let paper = docs.paper();
        assert!(if colours == "light" { paper > 240.0 } else { paper < 40.0 }, "{colours}: {paper}");
    }
}

/// The policy is not only sent: the browser holds the page to it.
#[test]
fn it_can_ask_nobody_else_and_run_nothing_that_is_put_in() {
    let Some(mut docs) = Docs::start() else { return };
    docs.open(DESK, "light");
    docs.browser.evaluate(
        "window.refused = [];
         document.addEventListener('securitypolicyviolation',
             event => refused.push(event.effectiveDirective));
         fetch('http://elsewhere.invalid/').catch(() => {});
         0",
    );
    docs.browser.wait_until("refused.includes('connect-src')");
    let put_in = "try { document.body.innerHTML = '<b>x</b>'; 'taken' } catch { 'refused' }";
    assert_eq!(docs.browser.evaluate(put_in), "refused");
}

/// By keyboard alone: everything that can be used can be reached, and Enter opens an operation.
#[test]
fn it_is_used_by_keyboard() {
    let Some(mut docs) = Docs::start() else { return };
    docs.open(PHONE, "dark");
    for (key, code) in [("Tab", 9), ("Tab", 9)] {
        docs.browser.press(key, code);
    }
    let first = docs.browser.evaluate("document.activeElement.getAttribute('href')");
    assert_eq!(first, "/api/v1/openapi.json", "behind the way past all that");
    docs.browser.evaluate("document.getElementById('people.count').querySelector('summary').focus()");
    docs.browser.press("Enter", 13);
    docs.browser.wait_until("document.getElementById('people.count').open");
    docs.browser.press("Tab", 9);
    docs.browser.press("Enter", 13);
    docs.browser
        .wait_until("document.getElementById('people.count').querySelector('.body')?.textContent === '0'");
}

/// An API with a login, as small as it can be: the page has to know none of them.
static RINGS: Api = Api {
    name: "rings",
    in_all: true,
    example: "/rings",
    openapi: Some(describe_rings),
    settings: &[],
    stored: None,
    configure: |_| panic!("it is mounted by hand"),
};

fn describe_rings() -> OpenApi {
    let form = json!({ "type": "object", "properties": { "username": { "type": "string" } } });
    let example = json!({ "username": "frodo@shire.example" });
    let guarded = |id: &str| {
        json!({ "tags": ["rings"], "operationId": id, "summary": id, "security": [{ "bearer": [] }],
                "responses": { "200": { "description": "Yours." }, "401": { "description": "No token." } } })
    };
    let login = json!({
        "tags": ["rings"], "operationId": "rings.login", "summary": "Logs in",
        "requestBody": { "required": true, "content": {
            "application/json": { "schema": form, "example": example },
            "application/x-www-form-urlencoded": { "schema": form, "example": example },
        } },
        "responses": { "200": { "description": "A token." } },
    });
    let open = json!({ "tags": ["rings"], "operationId": "rings.open", "summary": "Needs no token",
                       "responses": { "200": { "description": "Anybody's." } } });
    serde_json::from_value(json!({
        "openapi": "3.1.0",
        "info": { "title": "rings", "version": "1" },
        "paths": { "/login": { "post": login }, "/open": { "get": open }, "/rings": { "get": guarded("rings.mine") } },
        "components": { "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } } },
    }))
    .unwrap()
}

/// What of the request matters, as the answer.
fn told(request: &Request<'_>) -> Value {
    let field = |name: &str| request.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
    json!({ "type": field("content-type"), "token": field("authorization") })
}

#[test]
fn a_login_through_the_page_is_kept_for_what_needs_it() {
    let Some(browser) = browser::start() else { return };
    let mut router = Router::new();
    let mut scope = router.scope(RINGS.name, Arc::new(()));
    scope.route(Method::Post, "/login", |_, request, response| {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        response.json_of(&json!({ "access_token": "the one", "told": told(request), "body": body }));
    });
    scope.route(Method::Get, "/open", |_, request, response| response.json_of(&told(request)));
    scope.route(Method::Get, "/rings", |_, request, response| {
        if request.header("authorization") != Some(b"Bearer the one") {
            return Err(Rejection::new(Status::Unauthorized, "who are you?"));
        }
        response.json_of(&told(request));
        Ok(())
    });
    front::mount(&mut router, &[&RINGS], |response| response.text(""));
    let engine = Engine::start(router, Limits::default());
    let target = engine.targets[0].clone();
    let mut docs = Docs::of(browser, &target, Box::new(engine));
    docs.open(PHONE, "light");
    assert!(docs.call("rings.mine", &json!({})).status.starts_with("401"), "before the login");
    let form = "application/x-www-form-urlencoded";
    let login = docs.call("rings.login", &json!({ "content-type": form }));
    assert!(login.status.starts_with("200") && login.body.contains(form), "{login:?}");
    assert!(login.body.contains("username=frodo%40shire.example"), "the example as a form: {login:?}");
    let mine = docs.call("rings.mine", &json!({}));
    assert!(mine.status.starts_with("200"), "after the login: {mine:?}");
    let open = docs.call("rings.open", &json!({}));
    assert!(open.body.contains("\"token\": null"), "no token for what needs none: {open:?}");
    docs.open(PHONE, "light");
    assert!(docs.call("rings.mine", &json!({})).status.starts_with("200"), "the tab keeps it");
    docs.browser.evaluate("document.getElementById('forget').click()");
    assert!(docs.call("rings.mine", &json!({})).status.starts_with("401"), "forgotten");
    docs.look("login", PHONE);
}
