//! The pages, and how each is computed.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use super::routes::{Layer, Route, mounted};
use crate::cache::Weigh;
use crate::dates::{self, Fraction};
use crate::http::Tally;
use crate::metrics::Exposition;

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page, whichever cache it is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Page {
    Index,
    StaticText,
    Time,
    Metrics,
}

impl Weigh for Page {
    fn weight_bytes(&self) -> u64 {
        size_of::<Self>() as u64
    }
}

impl Page {
    pub(super) const ALL: [Page; 4] = [Page::Index, Page::StaticText, Page::Time, Page::Metrics];

    /// The name in metrics and as a part of its key.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Page::Index => "index",
            Page::StaticText => "static-text",
            Page::Time => "time",
            Page::Metrics => "metrics",
        }
    }

    /// The key in Redis, in which others may keep things too.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Page::Index => "pouco:edge:index",
            Page::StaticText => "pouco:edge:static-text",
            Page::Time => "pouco:edge:time",
            Page::Metrics => "pouco:edge:metrics",
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Page::Index => HTML,
            Page::StaticText | Page::Time => TEXT,
            Page::Metrics => EXPOSITION,
        }
    }

    /// For a request of `route`, with the counters of all of them.
    pub(super) fn render(self, route: &Route, tallies: &[Arc<Tally>], alone: bool) -> String {
        match self {
            Page::Index => index(alone),
            Page::StaticText => "A static text\n".to_owned(),
            Page::Time => dates::moment(SystemTime::now(), Fraction::Milliseconds) + "\n",
            Page::Metrics => counters(route, tallies),
        }
    }
}

/// Requests by path and method, the one of `route` that asks among them: the router counts it once it is
/// answered.
fn counters(route: &Route, tallies: &[Arc<Tally>]) -> String {
    let mut exposition = Exposition::default();
    for mut total in tallies.iter().map(|tally| tally.total()) {
        total.count += u64::from(total.route == route.path);
        total.expose(&mut exposition);
    }
    exposition.into_text()
}

fn index(alone: bool) -> String {
    let mut text = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<title>pouco: edge cache</title>\n<h1>pouco: edge cache</h1>\n\
         <p>X-Cache-Status says what the cache did.</p>\n<ul>\n",
    );
    for route in mounted(alone) {
        let kept =
            route.layer.map_or("kept as the server is told, by itself in the process", Layer::describe);
        let _ = writeln!(text, "<li><a href=\"{0}\">{0}</a>: {kept}</li>", route.path);
    }
    text.push_str("</ul>\n</html>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_names_every_route() {
        for alone in [true, false] {
            let text = index(alone);
            for route in mounted(alone) {
                assert!(text.contains(&format!("\"{}\"", route.path)), "{}", route.path);
            }
            assert_eq!(text.contains("\"/metrics\""), alone, "the page of whoever is in front");
        }
    }

    #[test]
    fn no_two_pages_share_a_key() {
        for one in Page::ALL {
            assert!(one.key().ends_with(one.name()));
            assert_eq!(Page::ALL.iter().filter(|other| other.key() == one.key()).count(), 1);
        }
    }
}
