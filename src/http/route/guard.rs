//! Guards: what looks at a request before its body is read, and may answer in place of its handler.
//!
//! A guard, what it hands over and the handler are put together when the route is added, so that a request
//! costs the one dynamic call that it costs without a guard. Only where the body comes later than the head do
//! they run apart, and what the guard hands over then waits on the heap.

use std::any::Any;
use std::sync::Arc;

use super::router::Series;
use crate::http::message::rejection::IntoAnswer;
use crate::http::message::request::Request;
use crate::http::message::request_head::RequestHead;
use crate::http::message::response::Response;

/// What a guard has handed over, until the body is there.
pub(in crate::http) type Pass = Box<dyn Any + Send>;

/// What became of a request whose body is still to come.
pub(in crate::http) enum Admission {
    /// Its route has no guard, or there is no such route.
    Unguarded,
    /// Its body may come.
    Admitted(Pass),
    /// The guard has answered; counted under this.
    Declined(Series),
}

/// Looks at a head before the body is read. Made by [`Scope::guard`](crate::http::Scope::guard) from a
/// function.
pub trait Guard<S>: Send + Sync + 'static {
    /// What it hands over to the next guard or to the handler.
    type Admitted: Send + 'static;

    /// What is handed over, or `None` if it has answered.
    fn admit(&self, state: &S, head: &RequestHead<'_>, response: &mut Response<'_>)
    -> Option<Self::Admitted>;
}

/// The first guard of a scope.
pub struct First<F>(pub(super) F);

impl<S, T, E, F> Guard<S> for First<F>
where
    F: Fn(&S, &RequestHead<'_>) -> Result<T, E> + Send + Sync + 'static,
    T: Send + 'static,
    E: IntoAnswer,
{
    type Admitted = T;

    fn admit(&self, state: &S, head: &RequestHead<'_>, response: &mut Response<'_>) -> Option<T> {
        (self.0)(state, head).map_err(|error| error.into_answer(response)).ok()
    }
}

/// A guard behind another one, whose result it takes.
pub struct Then<G, F>(pub(super) Arc<G>, pub(super) F);

impl<S, G, T, E, F> Guard<S> for Then<G, F>
where
    G: Guard<S>,
    F: Fn(&S, G::Admitted, &RequestHead<'_>) -> Result<T, E> + Send + Sync + 'static,
    T: Send + 'static,
    E: IntoAnswer,
{
    type Admitted = T;

    fn admit(&self, state: &S, head: &RequestHead<'_>, response: &mut Response<'_>) -> Option<T> {
        let before = self.0.admit(state, head, response)?;
        (self.1)(state, before, head).map_err(|error| error.into_answer(response)).ok()
    }
}

/// A guard and a handler of one route, whatever their types.
pub(super) trait Guarded: Send + Sync {
    /// Both, where the body is there already.
    fn answer(&self, request: &mut Request<'_>, response: &mut Response<'_>);

    /// The guard alone; `None` if it has answered.
    fn admit(&self, head: &RequestHead<'_>, response: &mut Response<'_>) -> Option<Pass>;

    /// The handler alone, with what [`Guarded::admit`] has returned.
    fn answer_admitted(&self, pass: Pass, request: &mut Request<'_>, response: &mut Response<'_>);
}

/// A handler returns nothing here: its result was turned into the answer.
pub(super) struct GuardedRoute<S, G, H> {
    pub(super) state: Arc<S>,
    pub(super) guard: Arc<G>,
    pub(super) handler: H,
}

impl<S, G, H> Guarded for GuardedRoute<S, G, H>
where
    S: Send + Sync + 'static,
    G: Guard<S>,
    H: Fn(&S, &G::Admitted, &mut Request<'_>, &mut Response<'_>) + Send + Sync,
{
    fn answer(&self, request: &mut Request<'_>, response: &mut Response<'_>) {
        if let Some(admitted) = self.guard.admit(&self.state, &request.head(), response) {
            (self.handler)(&self.state, &admitted, request, response);
        }
    }

    fn admit(&self, head: &RequestHead<'_>, response: &mut Response<'_>) -> Option<Pass> {
        let admitted = self.guard.admit(&self.state, head, response)?;
        Some(Box::new(admitted))
    }

    fn answer_admitted(&self, pass: Pass, request: &mut Request<'_>, response: &mut Response<'_>) {
        // Of this route, and so of this type; without an answer the client would get a 500.
        if let Ok(admitted) = pass.downcast::<G::Admitted>() {
            (self.handler)(&self.state, &admitted, request, response);
        }
    }
}
