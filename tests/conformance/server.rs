//! One engine for all cases that run at the same time, with the limits that pouco starts with.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use pouco::http::{Limits, Method, Router, Status};

use pouco_tools::client::Target;
use pouco_tools::support::Engine;

/// It ends with the last case that holds it, and its socket file with it.
pub(crate) struct Running {
    engine: Engine,
    /// The marks of the requests that should never have been executed.
    smuggled: Arc<Mutex<HashSet<String>>>,
}

static RUNNING: Mutex<Weak<Running>> = Mutex::new(Weak::new());

impl Running {
    pub(crate) fn shared() -> Arc<Self> {
        let mut known = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let running = Arc::new(Self::start());
            *known = Arc::downgrade(&running);
            running
        })
    }

    pub(crate) fn targets(&self) -> &[Target] {
        &self.engine.targets
    }

    pub(crate) fn has_executed(&self, mark: &str) -> bool {
        self.smuggled.lock().unwrap_or_else(PoisonError::into_inner).contains(mark)
    }

    fn start() -> Self {
        let smuggled = Arc::new(Mutex::new(HashSet::new()));
        let engine = Engine::start(routes(&smuggled), Limits::default());
        Self { engine, smuggled }
    }
}

fn routes(smuggled: &Arc<Mutex<HashSet<String>>>) -> Router {
    let mut router = Router::new();
    router.route(Method::Get, "/", |_, response| response.text("home"));
    router.route(Method::Get, "/query", |request, response| match request.query_text("q") {
        Ok(Some(value)) => response.text(value),
        _ => response.status(Status::BadRequest).empty(),
    });
    router.route(Method::Post, "/", |request, response| {
        let body = request.body().to_vec();
        response.body("application/octet-stream", &body);
    });
    router.route(Method::Get, "/path/{rest}", |request, response| {
        response.text(request.raw_path_parameter("rest"));
    });
    router.route(Method::Get, "/alive", |_, response| response.text("alive"));
    router.route(Method::Get, "/empty", |_, response| response.status(Status::NoContent).empty());
    for method in [Method::Get, Method::Post] {
        let smuggled = smuggled.clone();
        router.route(method, "/smuggled/{mark}", move |request, response| {
            let mark = request.raw_path_parameter("mark").to_owned();
            smuggled.lock().unwrap_or_else(PoisonError::into_inner).insert(mark);
            response.text("smuggled");
        });
    }
    router
}
