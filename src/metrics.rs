//! The text of `/metrics` (Prometheus exposition format 0.0.4). A leaf: rooms count for themselves, and tell it by
//! their own names. `docs/metrics.md` lists every name, and a test holds that list against a replica.

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::instruments::Snapshot;

/// A counter whose name does not end like one: it is what dashboards of an older backend ask for.
pub const REQUESTS_BY_PATH: &str = "http_total_requests";

/// Names and values of a sample's labels.
type Labels<'l> = &'l [(&'l str, &'l str)];

/// An exposition in the making. The samples of a name stay together, whoever adds them and when.
#[derive(Default)]
pub struct Exposition {
    families: Vec<Family>,
}

/// All samples of one name, with what stands above them.
struct Family {
    name: &'static str,
    text: String,
}

impl Exposition {
    /// The whole text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.families.into_iter().map(|family| family.text).collect()
    }

    /// One sample; help and type are written with the first of a name. A name that ends in `_total` is a counter.
    pub fn sample(&mut self, name: &'static str, help: &str, labels: Labels<'_>, value: impl Display) {
        let counts = name.ends_with("_total") || name == REQUESTS_BY_PATH;
        let kind = if counts { "counter" } else { "gauge" };
        let text = self.family(name, help, kind);
        line(text, name, labels, &value);
    }

    /// One histogram.
    pub fn histogram(&mut self, name: &'static str, help: &str, labels: Labels<'_>, snapshot: &Snapshot) {
        let text = self.family(name, help, "histogram");
        let bounds = snapshot.cumulative.iter().map(|(bound, count)| (bound.to_string(), *count));
        for (bound, count) in bounds.chain([("+Inf".to_owned(), snapshot.count)]) {
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            line(text, &format!("{name}_bucket"), &labels, &count);
        }
        line(text, &format!("{name}_sum"), labels, &snapshot.sum);
        line(text, &format!("{name}_count"), labels, &snapshot.count);
    }

    /// What was asked of something in memory.
    pub fn cache(&mut self, name: &str, hits: u64, misses: u64) {
        let labels = [("cache", name)];
        self.sample("pouco_cache_hits_total", "Look-ups answered from memory.", &labels, hits);
        self.sample("pouco_cache_misses_total", "Look-ups not answered from memory.", &labels, misses);
    }

    /// What a bounded cache holds.
    pub fn cache_bytes(&mut self, name: &str, bytes: u64) {
        self.sample("pouco_cache_bytes", "Bytes of cached entries.", &[("cache", name)], bytes);
    }

    /// The version.
    pub fn build_info(&mut self) {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        self.sample("pouco_build_info", "1, with the version.", &version, 1);
    }

    /// A counter or a gauge without labels.
    pub fn atomic(&mut self, name: &'static str, help: &str, value: &AtomicU64) {
        self.sample(name, help, &[], value.load(Ordering::Relaxed));
    }

    /// The text of a family, begun if it is new.
    fn family(&mut self, name: &'static str, help: &str, kind: &str) -> &mut String {
        let known = self.families.iter().position(|family| family.name == name);
        let index = known.unwrap_or_else(|| {
            let text = format!("# HELP {name} {}\n# TYPE {name} {kind}\n", escaped(help, false));
            self.families.push(Family { name, text });
            self.families.len() - 1
        });
        &mut self.families[index].text
    }
}

fn line(text: &mut String, name: &str, labels: Labels<'_>, value: &dyn Display) {
    text.push_str(name);
    for (index, (label, value)) in labels.iter().enumerate() {
        let _ = write!(text, "{}{label}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(value, true));
    }
    let _ = writeln!(text, "{} {value}", if labels.is_empty() { "" } else { "}" });
}

/// The format's escapes; only the value of a label stands in quotes.
fn escaped(text: &str, quoted: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quoted { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::Exposition;
    use crate::instruments::{Histogram, SECONDS};

    #[test]
    fn the_samples_of_a_name_stay_together() {
        let mut exposition = Exposition::default();
        exposition.sample("a_total", "A.", &[("x", "1"), ("y", "2")], 3);
        exposition.sample("b", "B.", &[], 0.5);
        exposition.sample("a_total", "A.", &[("x", "2"), ("y", "2")], 4);
        let text = exposition.into_text();
        assert_eq!(
            text,
            "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"2\",y=\"2\"} 4\n\
             # HELP b B.\n# TYPE b gauge\nb 0.5\n"
        );
    }

    #[test]
    fn what_ends_a_value_is_escaped() {
        let mut exposition = Exposition::default();
        exposition.sample("a", "A\\B\n\"C\"", &[("x", "\"\\\n")], 1);
        let text = exposition.into_text();
        assert_eq!(text, "# HELP a A\\\\B\\n\"C\"\n# TYPE a gauge\na{x=\"\\\"\\\\\\n\"} 1\n");
    }

    #[test]
    fn a_histogram_ends_with_its_sum_and_count() {
        let histogram = Histogram::new(&SECONDS);
        histogram.observe(60_000, 2);
        let mut exposition = Exposition::default();
        exposition.histogram("a_seconds", "A.", &[("x", "1")], &histogram.snapshot());
        let text = exposition.into_text();
        assert!(text.contains("a_seconds_bucket{x=\"1\",le=\"0.00005\"} 0\n"), "{text}");
        assert!(text.contains("a_seconds_bucket{x=\"1\",le=\"0.0001\"} 2\n"), "{text}");
        let end = "a_seconds_bucket{x=\"1\",le=\"+Inf\"} 2\na_seconds_sum{x=\"1\"} 0.00012\na_seconds_count{x=\"1\"} 2\n";
        assert!(text.ends_with(end), "{text}");
    }
}
