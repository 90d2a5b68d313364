//! Method and path to handler, with the 404, the 405 with `Allow`, and OPTIONS that follow from the table of routes.
//!
//! Every route counts its answers by status; the label is the template, so no client can invent one.

use std::sync::atomic::{AtomicU64, Ordering};

use super::rejection::IntoAnswer;
use super::request::{Method, Request};
use super::response::{Response, engine_error_body};
use super::status::Status;

/// A handler with the answer of its error.
type Handler = Box<dyn Fn(&mut Request<'_>, &mut Response<'_>) + Send + Sync>;

type Counts = [AtomicU64; Status::COUNT];

struct Route {
    template: &'static str,
    method: Method,
    handler: Handler,
    counts: Counts,
}

/// One path template with the routes of its methods.
#[derive(Default)]
struct Place {
    by_method: [Option<usize>; Method::ALL.len()],
}

/// The table of routes.
///
/// A template is a path with parameters, as `matchit` knows them: `{name}` stands for one segment or a part of it and
/// never for a slash, `{*name}` at the end for all that follows, slashes included. `/people/me` goes before
/// `/people/{id}`, which goes before `/{*rest}`. Paths are compared as they were sent: neither escapes nor `..` nor a
/// slash at the end are rewritten (RFC 3986 section 6 leaves that to the origin server). Up to three parameters are found
/// without memory from the heap.
pub struct Router {
    places: matchit::Router<usize>,
    templates: Vec<(&'static str, Place)>,
    routes: Vec<Route>,
    other: Counts,
}

/// How often a route answered with a status, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteCount {
    /// The template, or `other` for what met no route.
    pub route: &'static str,
    /// The method of the route, or `other`.
    pub method: &'static str,
    /// The status of the answers.
    pub status: Status,
    /// How many there were.
    pub count: u64,
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl Router {
    /// A table without routes: it answers 404 to everything.
    #[must_use]
    pub fn new() -> Self {
        Self {
            places: matchit::Router::new(),
            templates: Vec::new(),
            routes: Vec::new(),
            other: new_counts(),
        }
    }

    /// Adds a route. GET answers HEAD too.
    ///
    /// The handler runs on the connection's coroutine: it may park, it must not block the thread. It answers with one of
    /// the `body` methods of [`Response`], or returns an error that does ([`IntoAnswer`]).
    ///
    /// # Panics
    /// If the template is malformed or the same route was added before: the table is fixed at compile time, so this
    /// shows at the first start.
    pub fn route<A: IntoAnswer>(
        &mut self,
        method: Method,
        template: &'static str,
        handler: impl Fn(&mut Request<'_>, &mut Response<'_>) -> A + Send + Sync + 'static,
    ) -> &mut Self {
        let place_index = self.place(template);
        let place = &mut self.templates[place_index].1;
        assert!(place.by_method[method as usize].is_none(), "{} {template} twice", method.as_str());
        place.by_method[method as usize] = Some(self.routes.len());
        let handler: Handler =
            Box::new(move |request, response| handler(request, response).into_answer(response));
        self.routes.push(Route { template, method, handler, counts: new_counts() });
        self
    }

    /// What was answered so far, without the zeros.
    pub fn counts(&self) -> impl Iterator<Item = RouteCount> + '_ {
        let routes = self.routes.iter().map(|route| (route.template, route.method.as_str(), &route.counts));
        routes.chain([("other", "other", &self.other)]).flat_map(|(route, method, counts)| {
            Status::ALL.iter().filter_map(move |&status| {
                let count = counts[status.index()].load(Ordering::Relaxed);
                (count > 0).then_some(RouteCount { route, method, status, count })
            })
        })
    }

    pub(crate) fn count_other(&self, status: Status) {
        self.other[status.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// The template that a panic or a log line is about.
    pub(crate) fn template_of(&self, path: &str) -> &'static str {
        self.places.at(path).map_or("other", |found| self.templates[*found.value].0)
    }

    pub(crate) fn answer(&self, request: &mut Request<'_>, response: &mut Response<'_>) {
        let path = request.path();
        if path == "*" {
            return self.answer_options(None, response);
        }
        let Ok(found) = self.places.at(path) else {
            self.count_other(Status::NotFound);
            return response.status(Status::NotFound).json(engine_error_body(Status::NotFound).as_bytes());
        };
        let place = &self.templates[*found.value].1;
        // HEAD is GET without the body (RFC 9110 section 9.3.2); the response drops it.
        let method = if request.method() == Method::Head { Method::Get } else { request.method() };
        match place.by_method[method as usize] {
            Some(index) => {
                let route = &self.routes[index];
                if found.params.is_empty() {
                    (route.handler)(request, response);
                } else {
                    (route.handler)(&mut request.with_path_parameters(&found.params), response);
                }
                route.counts[response.current_status().index()].fetch_add(1, Ordering::Relaxed);
            }
            None if method == Method::Options => self.answer_options(Some(place), response),
            None => {
                self.count_other(Status::MethodNotAllowed);
                let body = engine_error_body(Status::MethodNotAllowed);
                response
                    .status(Status::MethodNotAllowed)
                    .header("allow", allowed(place))
                    .json(body.as_bytes());
            }
        }
    }

    /// OPTIONS of a path, or of the whole server for `*` (RFC 9110 section 9.3.7).
    fn answer_options(&self, place: Option<&Place>, response: &mut Response<'_>) {
        self.count_other(Status::NoContent);
        let allow = place.map_or_else(|| Method::ALL.map(Method::as_str).join(", "), allowed);
        response.status(Status::NoContent).header("allow", allow).empty();
    }

    fn place(&mut self, template: &'static str) -> usize {
        if let Some(index) = self.templates.iter().position(|(known, _)| *known == template) {
            return index;
        }
        let index = self.templates.len();
        self.templates.push((template, Place::default()));
        if let Err(error) = self.places.insert(template, index) {
            panic!("route {template}: {error}");
        }
        index
    }
}

/// The value of `Allow`: the methods of the place, HEAD where there is GET, and OPTIONS.
fn allowed(place: &Place) -> String {
    let has = |method: Method| place.by_method[method as usize].is_some();
    let answers = |method: &Method| match method {
        Method::Head => has(Method::Get),
        Method::Options => true,
        other => has(*other),
    };
    Method::ALL.into_iter().filter(answers).map(Method::as_str).collect::<Vec<_>>().join(", ")
}

fn new_counts() -> Counts {
    std::array::from_fn(|_| AtomicU64::new(0))
}
