//! The table of routes, and the handler of all of them.

use super::Edge;
use super::pages::Page;
use crate::cache::{Body, Served, Source};
use crate::http::Response;

/// What keeps a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Nothing.
    Live,
    /// This process.
    Memory,
    /// The nginx before the replicas.
    Nginx,
    /// A Redis that all replicas share.
    Redis,
}

impl Layer {
    pub(super) const ALL: [Layer; 4] = [Layer::Live, Layer::Memory, Layer::Nginx, Layer::Redis];

    /// The name in metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Layer::Live => "none",
            Layer::Memory => "memory",
            Layer::Nginx => "nginx",
            Layer::Redis => "redis",
        }
    }

    /// What may keep the pages that are asked for without a prefix, by its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().filter(|layer| *layer != Layer::Live).find(|layer| layer.name() == name)
    }

    pub(super) const fn describe(self) -> &'static str {
        match self {
            Layer::Live => "computed each time",
            Layer::Memory => "kept in the process",
            Layer::Nginx => "kept by nginx",
            Layer::Redis => "kept in Redis",
        }
    }
}

/// A path with what it shows and what keeps that.
pub(super) struct Route {
    pub(super) path: &'static str,
    /// Absent: whatever keeps the paths without a prefix.
    pub(super) layer: Option<Layer>,
    pub(super) page: Page,
}

const fn route(path: &'static str, layer: Layer, page: Page) -> Route {
    Route { path, layer: Some(layer), page }
}

const fn plain(path: &'static str, page: Page) -> Route {
    Route { path, layer: None, page }
}

/// Every path, those that are asked for most in front: the router compares the first few one by one.
pub(super) static ROUTES: [Route; 16] = [
    plain("/static-text", Page::StaticText),
    plain("/time", Page::Time),
    plain("/", Page::Index),
    route("/metrics", Layer::Live, Page::Metrics),
    route("/memory/static-text", Layer::Memory, Page::StaticText),
    route("/memory/time", Layer::Memory, Page::Time),
    route("/memory/", Layer::Memory, Page::Index),
    route("/memory/metrics", Layer::Memory, Page::Metrics),
    route("/nginx/static-text", Layer::Nginx, Page::StaticText),
    route("/nginx/time", Layer::Nginx, Page::Time),
    route("/nginx/", Layer::Nginx, Page::Index),
    route("/nginx/metrics", Layer::Nginx, Page::Metrics),
    route("/redis/static-text", Layer::Redis, Page::StaticText),
    route("/redis/time", Layer::Redis, Page::Time),
    route("/redis/", Layer::Redis, Page::Index),
    route("/redis/metrics", Layer::Redis, Page::Metrics),
];

impl Route {
    /// It is what a server shows at its top, so it is this API's only where no other is mounted.
    fn is_front(&self) -> bool {
        matches!(self.path, "/" | "/metrics")
    }
}

/// The paths that are mounted, where this API is alone and where it is not.
pub(super) fn mounted(alone: bool) -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(move |route| alone || !route.is_front())
}

impl Edge {
    /// The page of a route, from what keeps it.
    pub(super) fn answer(&self, route: &Route, response: &mut Response<'_>) {
        let layer = route.layer.unwrap_or(self.plain);
        let compute = || Ok(self.compute(layer, route));
        let Ok(Served { value, source }) = match layer {
            Layer::Live | Layer::Nginx => compute().map(|value| Served { value, source: Source::Bypass }),
            Layer::Memory => self.memory.get_or_compute(&route.page, compute),
            Layer::Redis => self.redis.get_or_compute(route.page.key(), compute),
        };
        // A line a request: for a look at what happens, and not for a server under load.
        match source {
            Source::Hit { left } => log::debug!("HIT {}, {:.1} s left", route.path, left.as_secs_f64()),
            source => log::debug!("{} {}", status(source), route.path),
        }
        response.header("X-Cache-Status", status(source)).body(route.page.content_type(), &value);
    }

    fn compute(&self, layer: Layer, route: &Route) -> Body {
        self.computed[layer as usize][route.page as usize].add(1);
        let tallies = self.tallies.get().map_or(&[][..], Vec::as_slice);
        route.page.render(route, tallies, self.alone).into_bytes().into()
    }
}

/// In nginx's words: for it as well, a request that has waited for another one's answer is a hit.
const fn status(source: Source) -> &'static str {
    match source {
        Source::Hit { .. } | Source::Coalesced => "HIT",
        Source::Miss => "MISS",
        Source::Bypass => "BYPASS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_behind_every_cache() {
        for route in &ROUTES {
            assert_eq!(ROUTES.iter().filter(|other| other.path == route.path).count(), 1);
            let page = match route.page {
                Page::Index => "",
                other => other.name(),
            };
            let prefix = match route.path.strip_suffix(page).unwrap() {
                "/" if route.page == Page::Metrics => Some(Layer::Live),
                "/" => None,
                prefix => Layer::ALL.into_iter().find(|layer| prefix == format!("/{}/", layer.name())),
            };
            assert_eq!(route.layer, prefix, "{}", route.path);
        }
    }
}
