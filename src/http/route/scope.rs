//! A part of the table of routes: the routes of one API, with its name, its state, a prefix and its guards.

use std::sync::Arc;

use super::guard::{First, Guard, GuardedRoute, Then};
use super::router::{Handler, Router};
use crate::http::message::reader::BodyReader;
use crate::http::message::rejection::IntoAnswer;
use crate::http::message::request::{Method, Request};
use crate::http::message::request_head::RequestHead;
use crate::http::message::response::Response;

/// The scope of the routes that are added to a [`Router`] itself.
pub const APP: &str = "app";

/// Whether a slash at the end of a path makes another path (RFC 3986 section 6.2.3 leaves that to the origin
/// server).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slash {
    /// It does: `/users/` is a 404 where the route is `/users`.
    #[default]
    Exact,
    /// It does not: `/users` and `/users/` are one route, whichever of them the template is, and neither is
    /// redirected. A template that ends with `{*rest}` holds all slashes as it is.
    Either,
}

impl Slash {
    /// The other template of the same route.
    pub(super) fn other(self, template: &str) -> Option<String> {
        let last = template.rsplit('/').next().unwrap_or_default();
        if self == Self::Exact || template == "/" || last.starts_with("{*") {
            return None;
        }
        Some(template.strip_suffix('/').map_or_else(|| format!("{template}/"), str::to_owned))
    }
}

/// Whose the routes are that are added, and where.
#[derive(Clone)]
pub(super) struct Mount {
    pub(super) scope: &'static str,
    pub(super) prefix: String,
    pub(super) slash: Slash,
}

/// Routes of one API that share a state, made by [`Router::scope`]. Their handlers are functions of that
/// state, the request and the response; methods of the state are such functions.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use pouco::http::{Method, Request, Response, Router, Slash};
///
/// #[derive(Default)]
/// struct Hits(AtomicU64);
///
/// impl Hits {
///     fn show(&self, _: &mut Request<'_>, response: &mut Response<'_>) {
///         response.text(self.0.fetch_add(1, Ordering::Relaxed) + 1);
///     }
/// }
///
/// let mut router = Router::new();
/// let mut hits = router.scope("hits", Arc::new(Hits::default()));
/// hits.slash(Slash::Either).nest("/api/v1").route(Method::Get, "/hits", Hits::show);
/// assert_eq!(router.check(), Ok(()));
/// ```
pub struct Scope<'r, S> {
    router: &'r mut Router,
    state: Arc<S>,
    mount: Mount,
}

impl<'r, S: Send + Sync + 'static> Scope<'r, S> {
    pub(super) fn new(router: &'r mut Router, state: Arc<S>, mount: Mount) -> Self {
        Self { router, state, mount }
    }

    /// Adds a route, as [`Router::route`] does.
    pub fn route<A: IntoAnswer>(
        &mut self,
        method: Method,
        template: &str,
        handler: impl Fn(&S, &mut Request<'_>, &mut Response<'_>) -> A + Send + Sync + 'static,
    ) -> &mut Self {
        let state = self.state.clone();
        let handler = Handler::Whole(Box::new(move |request, response| {
            handler(&state, request, response).into_answer(response);
        }));
        self.router.add(&self.mount, method, template, handler);
        self
    }

    /// Adds a route whose handler reads the body itself, as [`Router::route_stream`] does.
    pub fn route_stream<A: IntoAnswer>(
        &mut self,
        method: Method,
        template: &str,
        max_body_bytes: usize,
        handler: impl Fn(&S, &mut Request<'_>, &mut BodyReader<'_>, &mut Response<'_>) -> A
        + Send
        + Sync
        + 'static,
    ) -> &mut Self {
        let state = self.state.clone();
        let handler = Box::new(
            move |request: &mut Request<'_>, body: &mut BodyReader<'_>, response: &mut Response<'_>| {
                handler(&state, request, body, response).into_answer(response);
            },
        );
        self.router.add(&self.mount, method, template, Handler::Stream { max_body_bytes, handler });
        self
    }

    /// What a slash at the end means for the routes that are added from now on, here and in scopes made of
    /// this one.
    pub fn slash(&mut self, slash: Slash) -> &mut Self {
        self.mount.slash = slash;
        self
    }

    /// The same scope below `prefix`, which begins with a slash and does not end with one. The template of a
    /// route there may be empty: it then stands for the prefix itself.
    pub fn nest(&mut self, prefix: &str) -> Scope<'_, S> {
        let mount = self.router.nested(&self.mount, prefix);
        Scope { router: &mut *self.router, state: self.state.clone(), mount }
    }

    /// The same scope behind a guard: it runs when the head is there and before the body is read or invited
    /// with `100 Continue`. What it returns is handed over to the handler; where it fails its error is the
    /// answer, and the body is read and dropped, or the connection ends if it is much (RFC 9110 section
    /// 10.1.1, RFC 9112 section 9.3).
    ///
    /// A body that has begun to come, or is asked about, and is past
    /// [`Limits::body_bytes`](crate::http::Limits::body_bytes) is a 413 before that; a guard with a lower
    /// bound looks at [`RequestHead::content_length`].
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use pouco::http::{Method, Rejection, RequestHead, Router, Status};
    /// struct User(u64);
    ///
    /// fn user(_: &(), head: &RequestHead<'_>) -> Result<User, Rejection> {
    ///     match head.header("authorization") {
    ///         Some(b"Bearer of the ring") => Ok(User(1)),
    ///         _ => Err(Rejection::new(Status::Unauthorized, "who are you?")),
    ///     }
    /// }
    ///
    /// let mut router = Router::new();
    /// let mut api = router.scope("rings", Arc::new(()));
    /// api.guard(user).route(Method::Put, "/rings/{id}", |_, user, _, response| response.text(user.0));
    /// ```
    pub fn guard<T, E, F>(&mut self, guard: F) -> GuardedScope<'_, S, First<F>>
    where
        F: Fn(&S, &RequestHead<'_>) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: IntoAnswer,
    {
        let (state, guard, mount) = (self.state.clone(), Arc::new(First(guard)), self.mount.clone());
        GuardedScope { router: &mut *self.router, state, guard, mount }
    }
}

/// A [`Scope`] behind guards. Its handlers get what the last guard has handed over, behind the state.
pub struct GuardedScope<'r, S, G> {
    router: &'r mut Router,
    state: Arc<S>,
    guard: Arc<G>,
    mount: Mount,
}

impl<S: Send + Sync + 'static, G: Guard<S>> GuardedScope<'_, S, G> {
    /// Adds a route, as [`Router::route`] does.
    pub fn route<A: IntoAnswer>(
        &mut self,
        method: Method,
        template: &str,
        handler: impl Fn(&S, &G::Admitted, &mut Request<'_>, &mut Response<'_>) -> A + Send + Sync + 'static,
    ) -> &mut Self {
        let (state, guard) = (self.state.clone(), self.guard.clone());
        let handler = move |state: &S,
                            admitted: &G::Admitted,
                            request: &mut Request<'_>,
                            response: &mut Response<'_>| {
            handler(state, admitted, request, response).into_answer(response);
        };
        let handler = Handler::Guarded(Box::new(GuardedRoute { state, guard, handler }));
        self.router.add(&self.mount, method, template, handler);
        self
    }

    /// Adds a route whose handler reads the body itself, as [`Router::route_stream`] does.
    pub fn route_stream<A: IntoAnswer>(
        &mut self,
        method: Method,
        template: &str,
        max_body_bytes: usize,
        handler: impl Fn(&S, &G::Admitted, &mut Request<'_>, &mut BodyReader<'_>, &mut Response<'_>) -> A
        + Send
        + Sync
        + 'static,
    ) -> &mut Self {
        let (state, guard) = (self.state.clone(), self.guard.clone());
        // The first read of the body is what invites it, so the guard need not run apart.
        let handler = Box::new(
            move |request: &mut Request<'_>, body: &mut BodyReader<'_>, response: &mut Response<'_>| {
                if let Some(admitted) = guard.admit(&state, &request.head(), response) {
                    handler(&state, &admitted, request, body, response).into_answer(response);
                }
            },
        );
        self.router.add(&self.mount, method, template, Handler::Stream { max_body_bytes, handler });
        self
    }

    /// As [`Scope::slash`].
    pub fn slash(&mut self, slash: Slash) -> &mut Self {
        self.mount.slash = slash;
        self
    }

    /// As [`Scope::nest`].
    pub fn nest(&mut self, prefix: &str) -> GuardedScope<'_, S, G> {
        let mount = self.router.nested(&self.mount, prefix);
        let (state, guard) = (self.state.clone(), self.guard.clone());
        GuardedScope { router: &mut *self.router, state, guard, mount }
    }

    /// The same scope behind one guard more. It takes what the one before has handed over, and runs only if
    /// that did.
    pub fn guard<T, E, F>(&mut self, guard: F) -> GuardedScope<'_, S, Then<G, F>>
    where
        F: Fn(&S, G::Admitted, &RequestHead<'_>) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: IntoAnswer,
    {
        let guard = Arc::new(Then(self.guard.clone(), guard));
        let (state, mount) = (self.state.clone(), self.mount.clone());
        GuardedScope { router: &mut *self.router, state, guard, mount }
    }
}

#[cfg(test)]
mod tests {
    use super::Slash;

    #[test]
    fn a_slash_at_the_end_is_there_or_not() {
        let other = |template| Slash::Either.other(template);
        assert_eq!(other("/users").as_deref(), Some("/users/"));
        assert_eq!(other("/users/").as_deref(), Some("/users"));
        assert_eq!(other("/users/{id}").as_deref(), Some("/users/{id}/"));
        for whole in ["/", "/files/{*rest}"] {
            assert_eq!(other(whole), None, "{whole}");
        }
        assert_eq!(Slash::Exact.other("/users"), None);
    }
}
