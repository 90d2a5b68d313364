//! A strict reader of the Prometheus text format 0.0.4: what a lenient server would forgive is an error here.

use std::collections::{BTreeMap, HashSet};

/// All samples of one name, with what stands above them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    pub name: String,
    pub help: String,
    pub kind: String,
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

impl Sample {
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All labels but one, for the series that a bucket belongs to.
    fn labels_without(&self, name: &str) -> Vec<(String, String)> {
        self.labels.iter().filter(|(known, _)| known != name).cloned().collect()
    }
}

/// Reads a whole exposition.
///
/// # Errors
/// The line that breaks a rule, and the rule.
pub fn parse(text: &str) -> Result<Vec<Family>, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".into());
    }
    let mut families: Vec<Family> = Vec::new();
    let mut series = HashSet::new();
    for line in text.lines() {
        let wrong = |what: &str| format!("{what}: {line}");
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').ok_or_else(|| wrong("no help"))?;
            if families.iter().any(|family| family.name == name) {
                return Err(wrong("described twice, or not in one group"));
            }
            let help = unescaped(help, false).ok_or_else(|| wrong("an unknown escape"))?;
            families.push(Family { name: name.into(), help, ..Family::default() });
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').ok_or_else(|| wrong("no type"))?;
            let family = families.last_mut().filter(|family| family.name == name);
            let family = family.ok_or_else(|| wrong("a type without its help"))?;
            if !family.kind.is_empty() || !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(wrong("a second or unknown type"));
            }
            family.kind = kind.into();
        } else {
            let sample = parse_sample(line).ok_or_else(|| wrong("no sample"))?;
            let family = families.last_mut().ok_or_else(|| wrong("no family"))?;
            if !belongs(&sample.name, family) {
                return Err(wrong("a sample out of its group"));
            }
            let mut labels = sample.labels.clone();
            labels.sort();
            if labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(wrong("a label twice"));
            }
            if !series.insert((sample.name.clone(), labels)) {
                return Err(wrong("the same series twice"));
            }
            family.samples.push(sample);
        }
    }
    families.iter().try_for_each(check)?;
    Ok(families)
}

fn belongs(name: &str, family: &Family) -> bool {
    match (name.strip_prefix(&family.name), family.kind.as_str()) {
        (Some(suffix), "histogram") => ["_bucket", "_sum", "_count"].contains(&suffix),
        (Some(suffix), "counter" | "gauge") => suffix.is_empty(),
        _ => false,
    }
}

/// Rules that need all samples of a family.
fn check(family: &Family) -> Result<(), String> {
    let name = &family.name;
    if family.samples.is_empty() || family.help.is_empty() {
        return Err(format!("{name} has no sample, or no help"));
    }
    // The one name that is not ours, and is kept as it is known.
    let counts = name.ends_with("_total") || name == "http_total_requests";
    if (family.kind == "counter") != counts {
        return Err(format!("{name} is a {}", family.kind));
    }
    let counted = family.kind != "gauge";
    if counted && family.samples.iter().any(|sample| sample.value < 0.0) {
        return Err(format!("{name} counts below nothing"));
    }
    if family.kind != "histogram" {
        return Ok(());
    }
    let mut buckets: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in family.samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
        let bound = sample.label("le").and_then(number).ok_or_else(|| format!("{name}: no bound"))?;
        buckets.entry(sample.labels_without("le")).or_default().push((bound, sample.value));
    }
    let of_suffix = |suffix: &str| {
        let name = format!("{name}{suffix}");
        let samples = family.samples.iter().filter(move |sample| sample.name == name);
        samples.map(|sample| (sample.labels.clone(), sample.value)).collect::<BTreeMap<_, _>>()
    };
    let (sums, counts) = (of_suffix("_sum"), of_suffix("_count"));
    if buckets.is_empty() || !sums.keys().eq(buckets.keys()) || !counts.keys().eq(buckets.keys()) {
        return Err(format!("{name}: buckets, sum and count are not of the same series"));
    }
    for (labels, buckets) in buckets {
        let ascending = buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1);
        if !ascending || buckets.last() != Some(&(f64::INFINITY, counts[&labels])) {
            return Err(format!("{name} of {labels:?}: {buckets:?}, and {} in all", counts[&labels]));
        }
    }
    Ok(())
}

fn parse_sample(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"")?;
            let end = closing_quote(value)?;
            labels.push((is_name(label, false).then(|| label.to_owned())?, unescaped(&value[..end], true)?));
            rest = &value[end + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break rest = rest.strip_prefix('}')?,
            }
        }
    }
    let value = number(rest.strip_prefix(' ')?)?;
    is_name(name, true).then(|| Sample { name: name.into(), labels, value })
}

/// Rust reads more than Go does: `infinity`, for one.
fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        _ if text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte)) => text.parse().ok(),
        _ => None,
    }
}

fn is_name(text: &str, colons: bool) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || colons && byte == b':';
    text.bytes().next().is_some_and(fits) && text.bytes().all(|byte| fits(byte) || byte.is_ascii_digit())
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescaped(text: &str, quoted: bool) -> Option<String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => plain.push(match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                '"' if quoted => '"',
                _ => return None,
            }),
            other => plain.push(other),
        }
    }
    Some(plain)
}
