//! The API described for OpenAPI: by its table of routes.

use utoipa::openapi::OpenApi;

use super::super::describe::{Description, operation};
use super::pages::Page;
use super::routes::{Layer, ROUTES};
use crate::http::{Method, Status};

const ABOUT: &str =
    "Four pages behind three caches: of the process, of nginx, and a Redis that all replicas share.";

/// Every route of the table, also the two that it has only where it is alone.
pub(super) fn describe() -> OpenApi {
    ROUTES
        .iter()
        .fold(Description::new(super::API.name, ABOUT), |description, route| {
            let kept = route.layer.map_or("kept as the server is told", Layer::describe);
            let shown = match route.page {
                Page::Index => "The list of the paths",
                Page::StaticText => "A static text",
                Page::Time => "The time, in UTC",
                Page::Metrics => "How often each path was requested, for Prometheus",
            };
            let id = match route.path.trim_matches('/') {
                "" => "index".to_owned(),
                path => path.replace(['/', '-'], "_"),
            };
            let operation = operation(id, &format!("{shown}: {kept}"))
                .answers_text(Status::Ok, shown, route.page.content_type())
                .with_header("X-Cache-Status", "what the cache did: `HIT`, `MISS` or `BYPASS`");
            description.route(Method::Get, route.path, operation)
        })
        .finish()
}
