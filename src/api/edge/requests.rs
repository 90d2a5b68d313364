//! The public counters: requests by path and method, for known paths alone, so that no client can add a series.

use super::routes::{ROUTE_COUNT, ROUTES, Route};
use crate::http::{Method, RouteTotal};
use crate::instruments::Counter;
use crate::metrics::Exposition;

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
    pub(super) fn exposition(&self) -> String {
        let mut exposition = Exposition::default();
        for (route, counts) in ROUTES.iter().zip(&self.counts) {
            for (method, count) in [Method::Get, Method::Head].into_iter().zip(counts) {
                if method == Method::Get || count.get() > 0 {
                    let (route, method, count) = (route.path, method.as_str(), count.get());
                    RouteTotal { route, method, count }.expose(&mut exposition);
                }
            }
        }
        exposition.into_text()
    }
}
