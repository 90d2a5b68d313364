//! The text of `/metrics` (Prometheus exposition format 0.0.4), for the server and for the lab's meters. It
//! knows no name of a metric: rooms count for themselves, and tell it by their own. `docs/metrics.md` lists
//! the server's names, and a test holds that list against a replica.

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};

/// Names and values of a sample's labels.
type Labels<'l> = &'l [(&'l str, &'l str)];

/// An exposition in the making. The samples of a name stay together, whoever adds them and when.
#[derive(Default)]
pub struct Exposition {
    families: Vec<Family>,
}

/// A histogram as it was at one look.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Each bound in the shown unit, with how many values were not above it.
    pub cumulative: Vec<(f64, u64)>,
    /// The sum of all values, in the shown unit.
    pub sum: f64,
    /// How many values there were.
    pub count: u64,
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

    /// One sample; help and type are written with the first of a name. A name that ends in `_total` is a
    /// counter.
    pub fn sample(&mut self, name: &'static str, help: &str, labels: Labels<'_>, value: impl Display) {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        line(self.family(name, help, kind), name, labels, &value);
    }

    /// A counter whose name does not end like one.
    pub fn counter(&mut self, name: &'static str, help: &str, labels: Labels<'_>, value: impl Display) {
        line(self.family(name, help, "counter"), name, labels, &value);
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
    use super::{Exposition, Snapshot};

    #[test]
    fn the_samples_of_a_name_stay_together() {
        let mut exposition = Exposition::default();
        exposition.sample("a_total", "A.", &[("x", "1"), ("y", "2")], 3);
        exposition.sample("b", "B.", &[], 0.5);
        exposition.counter("c", "C.", &[], 1);
        exposition.sample("a_total", "A.", &[("x", "2"), ("y", "2")], 4);
        let text = exposition.into_text();
        assert_eq!(
            text,
            "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"2\",y=\"2\"} 4\n\
             # HELP b B.\n# TYPE b gauge\nb 0.5\n# HELP c C.\n# TYPE c counter\nc 1\n"
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
        let snapshot = Snapshot { cumulative: vec![(0.000_05, 0), (0.000_1, 2)], sum: 0.000_12, count: 2 };
        let mut exposition = Exposition::default();
        exposition.histogram("a_seconds", "A.", &[("x", "1")], &snapshot);
        let text = exposition.into_text();
        assert!(text.contains("a_seconds_bucket{x=\"1\",le=\"0.00005\"} 0\n"), "{text}");
        assert!(text.contains("a_seconds_bucket{x=\"1\",le=\"0.0001\"} 2\n"), "{text}");
        let end = "a_seconds_bucket{x=\"1\",le=\"+Inf\"} 2\na_seconds_sum{x=\"1\"} 0.00012\na_seconds_count{x=\"1\"} 2\n";
        assert!(text.ends_with(end), "{text}");
    }
}
