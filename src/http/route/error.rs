//! What can be wrong with a table of routes. It is found when the server starts, before anybody is served.

use std::fmt;

use crate::http::message::request::Method;

/// One route as its API declared it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteName {
    /// The scope that added it: an API's name, or [`APP`](super::scope::APP) for routes of the router itself.
    pub scope: &'static str,
    /// Its method.
    pub method: Method,
    /// Its template with all prefixes.
    pub template: String,
}

impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", self.method.as_str(), self.template, self.scope)
    }
}

/// Why a table of routes cannot be served. [`Server::start`](crate::http::Server::start) fails with it, as
/// the source of an [`io::Error`](std::io::Error) of kind `InvalidInput`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// Two routes that would answer the same request, or whose templates cannot be told apart.
    Clash {
        /// The one that was there.
        first: RouteName,
        /// The one that came later.
        second: RouteName,
    },
    /// A template that is none.
    Template {
        /// The route that has it.
        route: RouteName,
        /// What is wrong with it.
        reason: String,
    },
    /// A prefix that is none.
    Prefix {
        /// The scope that has it.
        scope: &'static str,
        /// All of it.
        prefix: String,
    },
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clash { first, second } => write!(f, "the route {second} clashes with {first}"),
            Self::Template { route, reason } => write!(f, "the route {route}: {reason}"),
            Self::Prefix { scope, prefix } => {
                write!(f, "the prefix {prefix:?} of {scope} does not begin with a slash, or ends with one")
            }
        }
    }
}

impl std::error::Error for RouteError {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::http::message::response::Response;
    use crate::http::route::router::Router;
    use crate::http::route::scope::Slash;

    fn empty(response: &mut Response<'_>) {
        response.empty();
    }

    /// Adds one route for each scope, method and template, and says what came of it.
    fn check(routes: &[(&'static str, Method, &str)]) -> Result<(), String> {
        let mut router = Router::new();
        for (scope, method, template) in routes {
            router.scope(scope, Arc::new(())).route(*method, template, |(), _, response| empty(response));
        }
        router.check().map_err(|error| error.to_string())
    }

    #[test]
    fn a_clash_names_both_routes_with_their_apis() {
        let clash = [("pages", Method::Get, "/metrics"), ("shop", Method::Get, "/metrics")];
        let expected = "the route GET /metrics of shop clashes with GET /metrics of pages";
        assert_eq!(check(&clash), Err(expected.into()));
        let names = [("clients", Method::Get, "/users/{id}"), ("shop", Method::Post, "/users/{name}")];
        let expected = "the route POST /users/{name} of shop clashes with GET /users/{id} of clients";
        assert_eq!(check(&names), Err(expected.into()), "the tree cannot tell them apart");
        let rests = [("files", Method::Get, "/{*path}"), ("shop", Method::Get, "/{*rest}")];
        let expected = "the route GET /{*rest} of shop clashes with GET /{*path} of files";
        assert_eq!(check(&rests), Err(expected.into()));
    }

    #[test]
    fn routes_that_can_be_told_apart_do_not_clash() {
        let apart = [
            ("a", Method::Get, "/x"),
            ("b", Method::Post, "/x"),
            ("c", Method::Get, "/x/"),
            ("d", Method::Get, "/x/{id}"),
            ("e", Method::Get, "/x/me"),
            ("f", Method::Get, "/{*rest}"),
        ];
        assert_eq!(check(&apart), Ok(()));
    }

    #[test]
    fn a_template_that_is_none_is_said_to_be_none() {
        let refused = |template| check(&[("shop", Method::Get, template)]).unwrap_err();
        assert!(
            refused("clients").ends_with("GET clients of shop: its template does not begin with a slash")
        );
        for template in ["/{", "/{}", "/{a}{b}", "/{*a}/b"] {
            assert!(refused(template).starts_with("the route GET /{"), "{}", refused(template));
        }
    }

    #[test]
    fn the_same_path_below_two_prefixes_is_no_clash() {
        let mut router = Router::new();
        for prefix in ["/api/v1", "/api/v2"] {
            let mut scope = router.scope("shop", Arc::new(()));
            scope.nest(prefix).route(Method::Get, "/users", |(), _, response| empty(response));
            router
                .nest(prefix, |router| {
                    router.route(Method::Get, "/pages", |_, response| empty(response)).check()
                })
                .unwrap();
        }
        let templates: Vec<_> = router.totals().map(|total| total.route.to_owned()).collect();
        assert_eq!(templates, ["/api/v1/users", "/api/v1/pages", "/api/v2/users", "/api/v2/pages", "other"]);
    }

    #[test]
    fn a_prefix_begins_with_a_slash_and_does_not_end_with_one() {
        for prefix in ["api", "/api/", "", "/"] {
            let mut router = Router::new();
            router.scope("shop", Arc::new(())).nest(prefix);
            assert_eq!(router.check(), Err(RouteError::Prefix { scope: "shop", prefix: prefix.into() }));
        }
    }

    #[test]
    fn the_other_slash_of_a_route_can_be_taken_too() {
        let mut router = Router::new();
        router.route(Method::Get, "/users/", |_, response| empty(response));
        let mut scope = router.scope("shop", Arc::new(()));
        scope.slash(Slash::Either).route(Method::Get, "/users", |(), _, response| empty(response));
        let expected = "the route GET /users of shop clashes with GET /users/ of app";
        assert_eq!(router.check().map_err(|error| error.to_string()), Err(expected.into()));
    }
}
