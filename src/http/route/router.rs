//! Method and path to handler, with the 404, the 405 with `Allow`, and OPTIONS that follow from the table of
//! routes.
//!
//! Every route counts its answers by status and times them; the label is the template, so no client can
//! invent one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::error::{RouteError, RouteName};
use super::guard::{Admission, Guarded, Pass};
use super::scope::{APP, Mount, Scope, Slash};
use crate::http::message::reader::BodyReader;
use crate::http::message::rejection::IntoAnswer;
use crate::http::message::request::{Method, Request};
use crate::http::message::request_head::RequestHead;
use crate::http::message::response::Response;
use crate::http::message::status::Status;
use crate::instruments::{Counter, Histogram, SECONDS, Snapshot};
use crate::metrics::Exposition;
use crate::waiting::overflow;

/// Templates without parameters that are compared one after another, before the tree is asked.
const MAX_COMPARED: usize = 8;

/// A handler with the answer of its error.
pub(super) enum Handler {
    /// It is called when the whole body is there.
    Whole(WholeHandler),
    /// It is called after the head, and reads the body itself.
    Stream { max_body_bytes: usize, handler: StreamHandler },
    /// Its guard is called after the head, and itself when the whole body is there.
    Guarded(Box<dyn Guarded>),
}

/// How the body of a request comes to its handler.
pub(in crate::http) enum Arrival<'a, 'c> {
    /// It is there, and no guard was asked.
    Whole,
    /// It is there, and came after the guard had admitted it.
    Admitted(Pass),
    /// The handler reads it.
    Stream(&'a mut BodyReader<'c>),
}

type WholeHandler = Box<dyn Fn(&mut Request<'_>, &mut Response<'_>) + Send + Sync>;

type StreamHandler = Box<dyn Fn(&mut Request<'_>, &mut BodyReader<'_>, &mut Response<'_>) + Send + Sync>;

struct Route {
    handler: Handler,
    series: Series,
    tally: Arc<Tally>,
    seconds: Histogram,
}

/// What a route has answered. The router counts; an API may tell it as well, see [`Router::tallies`].
#[derive(Debug)]
pub struct Tally {
    name: RouteName,
    /// Written by the one thread that runs the coroutines.
    counts: [Counter; Status::COUNT],
}

/// The route that a request is counted under, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Series(u32);

impl Series {
    /// Of what met no route.
    pub(crate) const OTHER: Self = Self(u32::MAX);
}

/// One path template with the routes of its methods.
#[derive(Default)]
struct Place {
    by_method: [Option<usize>; Method::ALL.len()],
}

/// The table of routes.
///
/// A template is a path with parameters, as `matchit` knows them: `{name}` stands for one segment or a part
/// of it and never for a slash, `{*name}` at the end for all that follows, slashes included. `/people/me`
/// goes before `/people/{id}`, which goes before `/{*rest}`. Paths are compared as they were sent: neither
/// escapes nor `..` nor a slash at the end are rewritten (RFC 3986 section 6 leaves that to the origin
/// server); [`Slash::Either`] is for those who want both. Up to three parameters are found without memory
/// from the heap.
///
/// What is wrong with a route, as its place being taken, is kept until [`Router::check`], and the server does
/// not start.
pub struct Router {
    places: matchit::Router<usize>,
    /// The templates without parameters, which are found by comparison as long as they are few.
    fixed: Vec<(Box<str>, usize)>,
    streams: bool,
    guards: bool,
    templates: Vec<(Box<str>, Place)>,
    routes: Vec<Route>,
    /// Written by accept coroutines too, which occasionally run on the timer's thread.
    other: [AtomicU64; Status::COUNT],
    other_seconds: Histogram,
    measured: bool,
    /// What is in front of the templates that are added now.
    prefix: String,
    /// What was found wrong first.
    fault: Option<RouteError>,
}

/// How often a route answered with a status, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteCount<'r> {
    /// The template, or `other` for what met no route.
    pub route: &'r str,
    /// The method of the route, or `other`.
    pub method: &'static str,
    /// The status of the answers.
    pub status: Status,
    /// How many there were.
    pub count: u64,
}

/// How often a route answered, whatever the status, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteTotal<'r> {
    /// As [`RouteCount::route`].
    pub route: &'r str,
    /// As [`RouteCount::method`].
    pub method: &'static str,
    /// How many answers there were.
    pub count: u64,
}

impl RouteTotal<'_> {
    /// Writes it down, under the name that dashboards of another backend ask for.
    pub fn expose(&self, exposition: &mut Exposition) {
        let labels = [("path", self.route), ("method", self.method)];
        exposition.counter(
            "http_total_requests",
            "Requests answered, whatever the status.",
            &labels,
            self.count,
        );
    }
}

/// How long the requests of a route took, since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteSeconds<'r> {
    /// As [`RouteCount::route`].
    pub route: &'r str,
    /// As [`RouteCount::method`].
    pub method: &'static str,
    /// From the read that brought the end of the head to the whole answer in the output. Of very many
    /// requests a sample: those of 20,000 reads a second are all timed, of those past that one in 64.
    pub seconds: Snapshot,
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
            fixed: Vec::new(),
            streams: false,
            guards: false,
            templates: Vec::new(),
            routes: Vec::new(),
            other: std::array::from_fn(|_| AtomicU64::new(0)),
            other_seconds: Histogram::new(&SECONDS),
            measured: true,
            prefix: String::new(),
            fault: None,
        }
    }

    /// Counts and times the requests of each route, or does not. It does unless this is called: without is
    /// for those who want to know what it costs.
    pub fn measure(&mut self, measured: bool) -> &mut Self {
        self.measured = measured;
        self
    }

    /// Adds a route. GET answers HEAD too.
    ///
    /// The handler runs on the connection's coroutine: it may park, it must not block the thread. It answers
    /// with one of the `body` methods of [`Response`], or returns an error that does ([`IntoAnswer`]).
    pub fn route<A: IntoAnswer>(
        &mut self,
        method: Method,
        template: &str,
        handler: impl Fn(&mut Request<'_>, &mut Response<'_>) -> A + Send + Sync + 'static,
    ) -> &mut Self {
        let handler: WholeHandler = Box::new(move |request, response| {
            handler(request, response).into_answer(response);
        });
        self.add(&self.mount(APP), method, template, Handler::Whole(handler));
        self
    }

    /// Adds a route whose handler reads the body itself, piece by piece, up to `max_body_bytes` in place of
    /// [`Limits::body_bytes`](crate::http::Limits::body_bytes); beyond that the client gets a 413. The body
    /// of its [`Request`] is empty. What the handler leaves unread is dropped, or the connection ends if it
    /// is much.
    ///
    /// ```no_run
    /// # use pouco::http::{BodyReader, Method, Request, Response, Router};
    /// let mut router = Router::new();
    /// router.route_stream(Method::Put, "/echo", 1 << 30, |_: &mut Request<'_>, body: &mut BodyReader<'_>, response: &mut Response<'_>| {
    ///     response.stream("application/octet-stream", None, |out| std::io::copy(body, out).map(drop));
    /// });
    /// ```
    pub fn route_stream<A: IntoAnswer>(
        &mut self,
        method: Method,
        template: &str,
        max_body_bytes: usize,
        handler: impl Fn(&mut Request<'_>, &mut BodyReader<'_>, &mut Response<'_>) -> A + Send + Sync + 'static,
    ) -> &mut Self {
        let handler: StreamHandler = Box::new(move |request, body, response| {
            handler(request, body, response).into_answer(response);
        });
        self.add(&self.mount(APP), method, template, Handler::Stream { max_body_bytes, handler });
        self
    }

    /// A part of the table for the routes of `name`, an API, whose handlers share `state`.
    pub fn scope<S: Send + Sync + 'static>(&mut self, name: &'static str, state: Arc<S>) -> Scope<'_, S> {
        let mount = self.mount(name);
        Scope::new(self, state, mount)
    }

    /// Adds the routes of `mount` below `prefix`, which begins with a slash and does not end with one: for an
    /// API that does not know where it is.
    pub fn nest<R>(&mut self, prefix: &str, mount: impl FnOnce(&mut Self) -> R) -> R {
        let nested = self.nested(&self.mount(APP), prefix);
        let outer = std::mem::replace(&mut self.prefix, nested.prefix);
        let mounted = mount(self);
        self.prefix = outer;
        mounted
    }

    /// Whose the routes are, in the order in which they were added.
    pub fn routes(&self) -> impl Iterator<Item = &RouteName> {
        self.routes.iter().map(|route| &route.tally.name)
    }

    /// Whether there is a route of this method for this template.
    #[must_use]
    pub fn has(&self, method: Method, template: &str) -> bool {
        self.routes().any(|route| route.method == method && route.template == template)
    }

    /// Whether all routes could be added.
    ///
    /// # Errors
    /// The first one that could not.
    pub fn check(&self) -> Result<(), RouteError> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    fn mount(&self, scope: &'static str) -> Mount {
        Mount { scope, prefix: self.prefix.clone(), slash: Slash::Exact }
    }

    pub(super) fn nested(&mut self, mount: &Mount, prefix: &str) -> Mount {
        let nested = Mount { prefix: [&mount.prefix, prefix].concat(), ..mount.clone() };
        if !prefix.starts_with('/') || prefix.ends_with('/') {
            let (scope, prefix) = (nested.scope, nested.prefix.clone());
            self.fault.get_or_insert(RouteError::Prefix { scope, prefix });
        }
        nested
    }

    pub(super) fn add(&mut self, mount: &Mount, method: Method, template: &str, handler: Handler) {
        let template = [&mount.prefix, template].concat();
        let name = RouteName { scope: mount.scope, method, template };
        if let Err(error) = self.try_add(name, mount.slash, handler) {
            self.fault.get_or_insert(error);
        }
    }

    fn try_add(&mut self, name: RouteName, slash: Slash, handler: Handler) -> Result<(), RouteError> {
        let method = name.method as usize;
        let other = slash.other(&name.template);
        let mut places = vec![self.place(&name.template, &name)?];
        if let Some(other) = other {
            places.push(self.place(&other, &name)?);
        }
        for place in &places {
            if let Some(taken) = self.templates[*place].1.by_method[method] {
                return Err(RouteError::Clash { first: self.routes[taken].tally.name.clone(), second: name });
            }
        }
        for place in places {
            self.templates[place].1.by_method[method] = Some(self.routes.len());
        }
        self.streams |= matches!(handler, Handler::Stream { .. });
        self.guards |= matches!(handler, Handler::Guarded(_));
        let tally = Arc::new(Tally { name, counts: std::array::from_fn(|_| Counter::default()) });
        let series = u32::try_from(self.routes.len()).map_or(Series::OTHER, Series);
        self.routes.push(Route { handler, series, tally, seconds: Histogram::new(&SECONDS) });
        Ok(())
    }

    /// What was answered so far, without the zeros.
    pub fn counts(&self) -> impl Iterator<Item = RouteCount<'_>> {
        let statuses = || Status::ALL.iter().copied();
        let routes = self.routes.iter().flat_map(move |route| {
            let tally = &*route.tally;
            let counted = move |status: Status| (status, tally.counts[status.index()].get());
            statuses().map(counted).map(|counted| (tally.template(), tally.method(), counted))
        });
        let other = statuses().map(|status| (status, self.other[status.index()].load(Ordering::Relaxed)));
        let all = routes.chain(other.map(|counted| ("other", "other", counted)));
        all.filter(|(_, _, (_, count))| *count > 0).map(|(route, method, (status, count))| RouteCount {
            route,
            method,
            status,
            count,
        })
    }

    /// What each route answered so far, the zeros too. Summed here, where somebody asks, and counted nowhere
    /// a second time.
    pub fn totals(&self) -> impl Iterator<Item = RouteTotal<'_>> {
        let routes = self.routes.iter().map(|route| route.tally.total());
        let other = self.other.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        routes.chain([RouteTotal { route: "other", method: "other", count: other }])
    }

    /// The counters of the routes that the scope `name` has added so far, for its own use.
    #[must_use]
    pub fn tallies(&self, name: &str) -> Vec<Arc<Tally>> {
        let tallies = self.routes.iter().map(|route| &route.tally);
        tallies.filter(|tally| tally.name.scope == name).cloned().collect()
    }

    /// How long the requests of each route took, the zeros too.
    pub fn seconds(&self) -> impl Iterator<Item = RouteSeconds<'_>> {
        let tallies = self.routes.iter().map(|route| (&*route.tally, &route.seconds));
        let routes = tallies.map(|(tally, seconds)| (tally.template(), tally.method(), seconds));
        let all = routes.chain([("other", "other", &self.other_seconds)]);
        all.map(|(route, method, seconds)| RouteSeconds { route, method, seconds: seconds.snapshot() })
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.measured
    }

    pub(crate) fn count_other(&self, status: Status) {
        if self.measured {
            self.other[status.index()].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// So many requests that were answered together took so long.
    pub(crate) fn took(&self, series: Series, duration: Duration, requests: u64) {
        let route = self.routes.get(series.0 as usize);
        let seconds = route.map_or(&self.other_seconds, |route| &route.seconds);
        seconds.observe_duration(duration, requests);
    }

    /// Template and method of a series.
    pub(crate) fn label(&self, series: Series) -> (&str, &'static str) {
        let route = self.routes.get(series.0 as usize);
        route.map_or(("other", "other"), |route| (route.tally.template(), route.tally.method()))
    }

    /// The template that a panic or a log line is about.
    pub(crate) fn template_of(&self, path: &str) -> &str {
        self.places.at(path).map_or("other", |found| &*self.templates[*found.value].0)
    }

    /// The most bytes that the body of this request may have, if its handler reads it piece by piece.
    pub(crate) fn stream_limit(&self, method: Method, path: &str) -> Option<usize> {
        if !self.streams {
            return None;
        }
        let place = &self.templates[*self.places.at(path).ok()?.value].1;
        match self.routes[place.by_method[method.answered_as() as usize]?].handler {
            Handler::Stream { max_body_bytes, .. } => Some(max_body_bytes),
            Handler::Whole(_) | Handler::Guarded(_) => None,
        }
    }

    /// Whether [`Router::answer`] refuses this request with a 404 or a 405.
    pub(crate) fn refuses(&self, method: Method, path: &str) -> bool {
        match self.places.at(path) {
            Ok(found) => {
                let place = &self.templates[*found.value].1;
                method != Method::Options && place.by_method[method.answered_as() as usize].is_none()
            }
            Err(_) => path != "*",
        }
    }

    /// Whether [`Router::admit`] is worth a call.
    pub(in crate::http) fn has_guards(&self) -> bool {
        self.guards
    }

    /// Asks the guard of a request whose body is still to come, if it has one.
    pub(in crate::http) fn admit(&self, head: &RequestHead<'_>, response: &mut Response<'_>) -> Admission {
        let Ok(found) = self.places.at(head.path()) else { return Admission::Unguarded };
        let place = &self.templates[*found.value].1;
        let route = place.by_method[head.method().answered_as() as usize].map(|index| &self.routes[index]);
        let Some(route) = route else { return Admission::Unguarded };
        let Handler::Guarded(guarded) = &route.handler else { return Admission::Unguarded };
        let head = head.with_path_parameters(&found.params);
        match overflow::within(route.tally.template(), || guarded.admit(&head, response)) {
            Some(pass) => Admission::Admitted(pass),
            None => {
                self.count(route, response);
                Admission::Declined(route.series)
            }
        }
    }

    /// Answers a request, and says what it is counted under. A body to read is for the routes that have a
    /// [`Router::stream_limit`], an admitted one for those that [`Router::admit`] has admitted.
    pub(in crate::http) fn answer(
        &self,
        request: &mut Request<'_>,
        body: Arrival<'_, '_>,
        response: &mut Response<'_>,
    ) -> Series {
        let path = request.path();
        if let Some((_, index)) = self.fixed.iter().find(|(template, _)| **template == *path) {
            return self.answer_at(*index, request, body, response);
        }
        match self.places.at(path) {
            Ok(found) if found.params.is_empty() => self.answer_at(*found.value, request, body, response),
            Ok(found) => {
                let request = &mut request.with_path_parameters(&found.params);
                self.answer_at(*found.value, request, body, response)
            }
            Err(_) if path == "*" => self.answer_options(None, response),
            Err(_) => {
                self.count_other(Status::NotFound);
                response.refuse(Status::NotFound);
                Series::OTHER
            }
        }
    }

    fn answer_at(
        &self,
        index: usize,
        request: &mut Request<'_>,
        body: Arrival<'_, '_>,
        response: &mut Response<'_>,
    ) -> Series {
        let place = &self.templates[index].1;
        let method = request.method().answered_as();
        match place.by_method[method as usize] {
            Some(index) => {
                let route = &self.routes[index];
                overflow::within(route.tally.template(), || match (&route.handler, body) {
                    (Handler::Whole(handler), _) => handler(request, response),
                    (Handler::Guarded(guarded), Arrival::Admitted(pass)) => {
                        guarded.answer_admitted(pass, request, response);
                    }
                    (Handler::Guarded(guarded), _) => guarded.answer(request, response),
                    (Handler::Stream { handler, .. }, Arrival::Stream(body)) => {
                        handler(request, body, response);
                    }
                    // The connection asks for the limit first, and then brings the body.
                    (Handler::Stream { .. }, _) => {}
                });
                self.count(route, response);
                route.series
            }
            None if method == Method::Options => self.answer_options(Some(place), response),
            None => {
                self.count_other(Status::MethodNotAllowed);
                response.header("allow", allowed(place)).refuse(Status::MethodNotAllowed);
                Series::OTHER
            }
        }
    }

    /// OPTIONS of a path, or of the whole server for `*` (RFC 9110 section 9.3.7).
    fn answer_options(&self, place: Option<&Place>, response: &mut Response<'_>) -> Series {
        self.count_other(Status::NoContent);
        let allow = place.map_or_else(|| Method::ALL.map(Method::as_str).join(", "), allowed);
        response.status(Status::NoContent).header("allow", allow).empty();
        Series::OTHER
    }

    fn count(&self, route: &Route, response: &Response<'_>) {
        // Without an answer the connection finds one, and counts that.
        if self.measured && !response.is_unwritten() {
            route.tally.counts[response.current_status().index()].add(1);
        }
    }

    /// The place of a template, for the route that has it.
    fn place(&mut self, template: &str, route: &RouteName) -> Result<usize, RouteError> {
        if let Some(index) = self.templates.iter().position(|(known, _)| **known == *template) {
            return Ok(index);
        }
        let malformed = |reason: String| RouteError::Template { route: route.clone(), reason };
        if !template.starts_with('/') {
            return Err(malformed("its template does not begin with a slash".into()));
        }
        let index = self.templates.len();
        if let Err(error) = self.places.insert(template, index) {
            let first = match &error {
                matchit::InsertError::Conflict { with } => self.first_at(with),
                _ => None,
            };
            return Err(match first {
                Some(first) => RouteError::Clash { first, second: route.clone() },
                None => malformed(error.to_string()),
            });
        }
        self.templates.push((template.into(), Place::default()));
        if !template.contains(['{', '}']) && self.fixed.len() < MAX_COMPARED {
            self.fixed.push((template.into(), index));
        }
        Ok(index)
    }

    /// The route that was added first for a template, or for one that begins like it.
    fn first_at(&self, template: &str) -> Option<RouteName> {
        let exact = self.templates.iter().find(|(known, _)| **known == *template);
        let place = exact.or_else(|| self.templates.iter().find(|(known, _)| known.starts_with(template)))?;
        let first = place.1.by_method.iter().flatten().min()?;
        Some(self.routes[*first].tally.name.clone())
    }
}

impl Tally {
    /// How often it answered, whatever the status.
    #[must_use]
    pub fn total(&self) -> RouteTotal<'_> {
        let count = self.counts.iter().map(Counter::get).sum();
        RouteTotal { route: self.template(), method: self.method(), count }
    }

    fn template(&self) -> &str {
        &self.name.template
    }

    fn method(&self) -> &'static str {
        self.name.method.as_str()
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
