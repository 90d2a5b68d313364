//! What the replica itself shows on its public address: the list of its APIs at `/`, its figures at
//! `/metrics`, the OpenAPI document of all of them, and the page at `/docs` that shows it and can call it.
//!
//! `/` and `/metrics` are only here where no API has them (`Services::alone`; docs/decisions/0009-…). It
//! knows APIs by their table alone: no rule of any of them may enter, and nothing that the page would load
//! from elsewhere.

mod document;

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use serde_json::json;
use utoipa::openapi::OpenApi;

use crate::api::Api;
use crate::api::describe::{Description, operation};
use crate::http::{
    APP, EntityTag, IntoAnswer, Method, Precondition, Request, Response, RouteName, Router, Slash, Status,
    Validators,
};

/// Where the document is.
pub const DOCUMENT: &str = "/api/v1/openapi.json";
/// Where the page is.
pub const PAGE: &str = "/docs";

const HTML: &str = "text/html; charset=utf-8";
/// Of the text format of Prometheus.
pub const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Nothing from outside, nothing inline, and in no frame. The picture of the tab is an empty one, in the page
/// itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";

/// A file that is the same for the life of the process.
struct File {
    content_type: &'static str,
    bytes: Cow<'static, [u8]>,
    validators: Validators<'static>,
}

impl File {
    fn new(content_type: &'static str, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        let bytes = bytes.into();
        // The same on every replica of a version, whichever a client meets.
        let entity_tag = EntityTag::strong(format!("{:016x}", FixedState::default().hash_one(&bytes)));
        Self { content_type, bytes, validators: Validators { entity_tag, last_modified: None } }
    }

    /// Kept by clients and asked about each time, since a newer program has the same paths.
    fn answer(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Precondition> {
        response
            .header("cache-control", "no-cache")
            .header("content-security-policy", POLICY)
            .header("x-content-type-options", "nosniff")
            .header("referrer-policy", "no-referrer")
            .validators(&self.validators);
        request.head().precondition(Some(&self.validators))?;
        response.body(self.content_type, &self.bytes);
        Ok(())
    }
}

/// Adds the pages of the replica, after those of all its APIs: what they have is theirs. `expose` answers
/// `/metrics`.
pub fn mount<A: IntoAnswer>(
    router: &mut Router,
    apis: &[&'static Api],
    expose: impl Fn(&mut Response<'_>) -> A + Send + Sync + 'static,
) {
    // The list has them in the order of the APIs, and the replica's own last.
    let described = apis.iter().map(|api| (api.name, api.openapi.map(|describe| describe())));
    let described: Vec<_> = described.chain([(APP, Some(describe()))]).collect();
    let index = index(apis);
    // Alongside other APIs nobody has them, and who adds them all the same clashes with these.
    let shared = apis.len() > 1;
    if shared || !router.has(Method::Get, "/") {
        router.route(Method::Get, "/", move |_, response| response.json(index.as_bytes()));
    }
    if shared || !router.has(Method::Get, "/metrics") {
        router.route(Method::Get, "/metrics", move |_, response| expose(response));
    }
    let mut names: Vec<_> = router.routes().cloned().collect();
    for template in [PAGE, DOCUMENT] {
        names.push(RouteName { scope: APP, method: Method::Get, template: template.to_owned() });
    }
    let document = document::merge(described, &names);
    let document = serde_json::to_vec(&document).unwrap_or_else(|error| {
        log::error!("the OpenAPI document cannot be written: {error}");
        b"{}".to_vec()
    });
    let files = [
        (DOCUMENT, File::new("application/json", document)),
        (PAGE, File::new(HTML, include_bytes!("page/page.html").as_slice())),
        ("/docs/page.css", File::new("text/css; charset=utf-8", include_bytes!("page/page.css").as_slice())),
        (
            "/docs/page.js",
            File::new("text/javascript; charset=utf-8", include_bytes!("page/page.js").as_slice()),
        ),
    ];
    for (path, file) in files {
        let mut scope = router.scope(APP, Arc::new(file));
        let slash = if path == PAGE { Slash::Either } else { Slash::Exact };
        scope.slash(slash).route(Method::Get, path, File::answer);
    }
}

/// The list of the APIs, for those who look what is here.
fn index(apis: &[&'static Api]) -> String {
    let apis: Vec<_> = apis
        .iter()
        .map(|api| json!({ "name": api.name, "example": format!("curl -i http://HOST{}", api.example) }))
        .collect();
    json!({ "message": "pouco", "apis": apis, "docs": PAGE, "openapi": DOCUMENT }).to_string()
}

/// The replica's own routes, but for the page's parts.
fn describe() -> OpenApi {
    let about = "Pages about the replica itself.";
    Description::new(APP, about)
        .route(
            Method::Get,
            "/healthz",
            operation("health", "Says that the process answers").answers_object(Status::Ok, "It does."),
        )
        .route(
            Method::Get,
            "/",
            operation("index", "Lists the APIs, each with an example")
                .answers_object(Status::Ok, "The list."),
        )
        .route(
            Method::Get,
            "/metrics",
            operation("metrics", "The replica's figures, for Prometheus")
                .about("Of the one replica that answers; on the admin address each has its own.")
                .answers_text(Status::Ok, "The figures.", EXPOSITION)
                .refuses(Status::ServiceUnavailable, "The replica is just starting."),
        )
        .route(
            Method::Get,
            PAGE,
            operation("docs", "A page that shows this document and can call it")
                .answers_text(Status::Ok, "The page.", HTML)
                .answers_empty(Status::NotModified, "The client already has this version."),
        )
        .route(
            Method::Get,
            DOCUMENT,
            operation("openapi", "This document")
                .answers_object(Status::Ok, "The document.")
                .answers_empty(Status::NotModified, "The client already has this version."),
        )
        .finish()
}

#[cfg(test)]
mod tests {
    use super::mount;
    use crate::api::APIS;
    use crate::http::{Method, Router};

    /// The answer of whichever API adds `/`, if any does.
    fn checked(apis: usize, added: bool) -> Result<(), String> {
        let mut router = Router::new();
        if added {
            router
                .scope(APIS[0].name, ().into())
                .route(Method::Get, "/", |(), _, response| response.text(""));
        }
        mount(&mut router, &APIS[..apis], |_| {});
        router.check().map_err(|error| error.to_string())
    }

    #[test]
    fn an_api_has_the_front_alone_or_not_at_all() {
        assert_eq!([checked(1, true), checked(1, false), checked(2, false)], [Ok(()), Ok(()), Ok(())]);
        let clash = format!("the route GET / of app clashes with GET / of {}", APIS[0].name);
        assert_eq!(checked(2, true), Err(clash));
    }
}
