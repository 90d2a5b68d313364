//! The public counters: requests by path and method, for known paths alone, so that no client can add a series.

use super::routes::{ROUTE_COUNT, Route, mounted};
use crate::http::Method;
use crate::instruments::Counter;
use crate::metrics::{Exposition, REQUESTS_BY_PATH};

/// A counter for GET and for HEAD of each route. Written by the handlers alone.
#[derive(Default)]
pub(super) struct Requests {
    counts: [[Counter; 2]; ROUTE_COUNT],
}

impl Requests {
    pub(super) fn count(&self, route: &Route, method: Method) {
        self.counts[route.index][usize::from(method == Method::Head)].add(1);
    }

    /// In the text format of Prometheus. A HEAD appears with the first one.
    pub(super) fn exposition(&self, alone: bool) -> String {
        let mut exposition = Exposition::default();
        for route in mounted(alone) {
            let counts = &self.counts[route.index];
            for (method, count) in [Method::Get, Method::Head].into_iter().zip(counts) {
                if method == Method::Get || count.get() > 0 {
                    let labels = [("path", route.path), ("method", method.as_str())];
                    exposition.sample(REQUESTS_BY_PATH, "Requests by path and method.", &labels, count.get());
                }
            }
        }
        exposition.into_text()
    }
}
