//! One OpenAPI document out of what each API says of itself and of the routes that are really there.
//!
//! The routes decide: one that no description knows is in the document by its template, and what is described
//! but not mounted is left out. So an API may describe pages that it has only where it is alone.

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::Response;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder, Required, Tag};

use crate::api::describe::{http_method, parameter, path_of, text};
use crate::http::{Method, RouteName};

const ABOUT: &str = "\
Every operation of this server, by API; `/docs` can try each of them. Beside what is listed, any request may \
be refused for its form: 400 where it is no HTTP, 404 and 405 where no route is meant, 408, 414, 421, 431, 501 \
and 505; and with 503 and `Retry-After` where too much is under way. Every refusal is `{\"error\": …}`, with \
`\"field\"` where one is to blame. Every GET answers HEAD, too.";

/// Makes the document. `described` are the names in front of what they say, if they say anything; routes of
/// others are no part of it.
pub(super) fn merge(described: Vec<(&'static str, Option<OpenApi>)>, routes: &[RouteName]) -> OpenApi {
    let mut paths = Paths::new();
    let mut components = Components::default();
    let mut tags = Vec::new();
    for (name, description) in described {
        for route in routes.iter().filter(|route| route.scope == name) {
            let (Some(method), path) = (http_method(route.method), path_of(&route.template)) else {
                continue;
            };
            let known =
                description.as_ref().and_then(|said| said.paths.get_path_operation(&path, method.clone()));
            let operation = known.cloned().unwrap_or_else(|| sketch(route));
            paths.add_path_operation(path, vec![method], operation);
        }
        tags.push(tag(name, description.as_ref()));
        if let Some(more) = description.and_then(|said| said.components) {
            components.schemas.extend(more.schemas);
            components.security_schemes.extend(more.security_schemes);
        }
    }
    let info = InfoBuilder::new().title("pouco").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT));
    let document = OpenApiBuilder::new().info(info.build()).paths(paths).components(Some(components));
    document.tags(Some(tags)).build()
}

fn tag(name: &str, description: Option<&OpenApi>) -> Tag {
    let own = description.and_then(|said| said.tags.iter().flatten().find(|tag| tag.name == name));
    own.cloned().unwrap_or_else(|| TagBuilder::new().name(name).build())
}

/// What the template alone says of a route.
fn sketch(route: &RouteName) -> Operation {
    let path = path_of(&route.template);
    let mut operation = OperationBuilder::new().tag(route.scope);
    for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        let parameter = parameter(ParameterIn::Path, name, text(), "Part of the path.");
        operation = operation.parameter(parameter.required(Required::True).build());
    }
    if matches!(route.method, Method::Post | Method::Put | Method::Patch) {
        let body = RequestBodyBuilder::new().content("application/json", ContentBuilder::new().build());
        operation = operation.request_body(Some(body.build()));
    }
    operation.response("default", Response::new("Its responses are not described.")).build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::api::APIS;

    fn route(scope: &'static str, method: Method, template: &str) -> RouteName {
        RouteName { scope, method, template: template.to_owned() }
    }

    fn json_of(described: Vec<(&'static str, Option<OpenApi>)>, routes: &[RouteName]) -> Value {
        serde_json::to_value(merge(described, routes)).unwrap()
    }

    #[test]
    fn a_route_that_nobody_describes_is_in_the_document() {
        let routes = [
            route("notes", Method::Put, "/notes/{id}/{*rest}"),
            route("notes", Method::Get, "/notes/{id}/{*rest}"),
            route("app", Method::Get, "/"),
        ];
        let document = json_of(vec![("notes", None)], &routes);
        assert_eq!(document["paths"].as_object().unwrap().len(), 1, "what is no API's is left out");
        let place = &document["paths"]["/notes/{id}/{rest}"];
        let names: Vec<_> =
            place["get"]["parameters"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
        assert_eq!(names, ["id", "rest"]);
        assert!(place["put"]["requestBody"].is_object() && place["get"].get("requestBody").is_none());
        assert_eq!(place["put"]["tags"][0], "notes");
        assert_eq!(document["tags"][0]["name"], "notes");
    }

    #[test]
    fn what_is_described_and_not_mounted_is_left_out() {
        for api in APIS.iter().filter(|api| api.openapi.is_some()) {
            let document = json_of(vec![(api.name, api.openapi.map(|describe| describe()))], &[]);
            assert_eq!(document["paths"].as_object().unwrap().len(), 0, "{}", api.name);
        }
    }

    /// They share one document, and one that overwrites another would be seen by nobody.
    #[test]
    fn no_two_apis_use_one_name() {
        let mut seen = BTreeSet::new();
        for (api, describe) in APIS.iter().filter_map(|api| Some((api, api.openapi?))) {
            let document = serde_json::to_value(describe()).unwrap();
            for name in document["components"]["schemas"].as_object().unwrap().keys() {
                let own = name.starts_with(&format!("{}.", api.name));
                assert!(
                    own || name == "Error",
                    "{name} is not called as one of {}: #[schema(as = …)]",
                    api.name
                );
            }
            let operations = document["paths"].as_object().unwrap().values();
            for operation in operations.flat_map(|place| place.as_object().unwrap().values()) {
                let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("no id: {operation}"));
                assert!(seen.insert(id.to_owned()), "{id} twice");
            }
        }
    }
}
