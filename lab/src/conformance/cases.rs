//! The file of a pass: what may stand in it, and what is checked before the first request is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use regex_lite::Regex;
use serde::Deserialize;

use super::template::{self, Unfilled, Values};

const MAX_REPEAT: u32 = 1_000;
const MAX_WITHIN_SECONDS: f64 = 60.0;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cases {
    /// Text that many cases share.
    #[serde(default)]
    pub(super) values: Values,
    #[serde(rename = "case")]
    pub(super) cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// A sentence, and the name of the case in reports.
    pub(super) rule: String,
    #[serde(default = "get")]
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) headers: Vec<(String, String)>,
    /// Sent as `Authorization: Bearer …`, with variables.
    pub(super) bearer: Option<String>,
    /// With variables, and with `content-type: application/json` unless `headers` names another.
    pub(super) body: Option<String>,
    /// A statement that is run in the contestant's database before the request, behind its back.
    pub(super) sql: Option<String>,
    /// For what is no text.
    pub(super) body_hex: Option<String>,
    /// Sent so often, each over a connection of its own, with `{n}` from 1. Each answer must be as expected.
    #[serde(default = "once")]
    pub(super) repeat: u32,
    /// All of these over one connection.
    #[serde(default)]
    pub(super) keep_alive: bool,
    /// Asked again for so long until the answer is as expected: for what may lag behind an acknowledged
    /// write.
    #[serde(default)]
    pub(super) within_seconds: f64,
    /// Absent from the rules, and good to have: a warning and no failure, unless the answer is a 5xx or none.
    #[serde(default = "yes")]
    pub(super) required: bool,
    pub(super) expect: Expect,
    /// Variables for later cases.
    #[serde(default)]
    pub(super) save: BTreeMap<String, Save>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// One of these; all that the rules leave open.
    pub(super) status: Vec<u16>,
    /// Patterns by header name.
    #[serde(default)]
    pub(super) header: BTreeMap<String, String>,
    /// JSON text that the answer contains; see [`super::expect`].
    pub(super) json: Option<String>,
    /// A pattern for the body as text, with variables.
    pub(super) body: Option<String>,
    /// The body, to the byte, with variables.
    pub(super) body_is: Option<String>,
    /// The body, or a member of it, is a JSON array.
    pub(super) items: Option<Items>,
    /// The body is a number: the variable of this name plus one for each 201 of the pass so far.
    pub(super) grown_since: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Items {
    /// The member of the body that is the array; absent: the body itself.
    pub(super) member: Option<String>,
    #[serde(default)]
    pub(super) at_least: usize,
    pub(super) at_most: Option<usize>,
    /// JSON texts, each contained in an item.
    #[serde(default)]
    pub(super) contain: Vec<String>,
    /// JSON texts that no item contains.
    #[serde(default)]
    pub(super) lack: Vec<String>,
    /// JSON texts, each contained in one item and no more.
    #[serde(default)]
    pub(super) once: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Save {
    /// Absent: the body.
    pub(super) header: Option<String>,
    /// Its first group is saved.
    pub(super) pattern: String,
}

fn get() -> String {
    "GET".to_owned()
}

fn once() -> u32 {
    1
}

fn yes() -> bool {
    true
}

impl Cases {
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        Self::parse(&text).with_context(|| format!("{}", file.display()))
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let cases: Self = toml::from_str(text)?;
        ensure!(!cases.cases.is_empty(), "no case");
        let mut rules = BTreeSet::new();
        let mut known: BTreeSet<&str> = ["unique", "n"].into();
        known.extend(cases.values.keys().map(String::as_str));
        for name in cases.values.keys() {
            ensure!(template::is_name(name), "values.{name}: a name is of small letters, digits and _");
        }
        for case in &cases.cases {
            ensure!(rules.insert(&case.rule), "the rule `{}` stands there twice", case.rule);
            case.check(&known).with_context(|| format!("case `{}`", case.rule))?;
            known.extend(case.save.keys().map(String::as_str));
        }
        for (name, value) in &cases.values {
            check_known(value, &known).with_context(|| format!("values.{name}"))?;
        }
        Ok(cases)
    }
}

impl Case {
    fn check(&self, known: &BTreeSet<&str>) -> Result<()> {
        ensure!((1..=MAX_REPEAT).contains(&self.repeat), "repeat: 1 to {MAX_REPEAT} is allowed");
        ensure!(
            (0.0..=MAX_WITHIN_SECONDS).contains(&self.within_seconds),
            "within_seconds: 0 to {MAX_WITHIN_SECONDS} is allowed"
        );
        ensure!(self.body.is_none() || self.body_hex.is_none(), "either body or body_hex");
        ensure!(
            !self.keep_alive || self.within_seconds == 0.0,
            "keep_alive is about connections, within_seconds about time: not both"
        );
        if let Some(hex) = &self.body_hex {
            ensure!(
                bytes_of_hex(hex).is_some(),
                "body_hex: pairs of hexadecimal digits, blanks between them"
            );
        }
        let named = self
            .expect
            .templates()
            .chain([&self.path])
            .chain([&self.body, &self.bearer, &self.sql].into_iter().flatten());
        for text in named.chain(self.headers.iter().map(|(_, value)| value)) {
            check_known(text, known)?;
        }
        self.expect.check(known)?;
        for (name, save) in &self.save {
            ensure!(template::is_name(name), "save.{name}: a name is of small letters, digits and _");
            let pattern = Regex::new(&save.pattern).with_context(|| format!("save.{name}"))?;
            ensure!(pattern.captures_len() == 2, "save.{name}: the pattern must have one group");
        }
        Ok(())
    }
}

impl Expect {
    fn check(&self, known: &BTreeSet<&str>) -> Result<()> {
        let allowed = |status: &u16| (200..500).contains(status);
        ensure!(
            !self.status.is_empty() && self.status.iter().all(allowed),
            "expect.status: 200 to 499 is allowed, since no rule is kept by an error of the server"
        );
        for (name, pattern) in &self.header {
            Regex::new(pattern).with_context(|| format!("expect.header.{name}"))?;
        }
        if let Some(pattern) = &self.body {
            // Whatever stands in the place of a variable, one letter is as good.
            let values = known.iter().map(|name| ((*name).to_owned(), "0".to_owned())).collect();
            let pattern = template::fill(pattern, &values).map_err(|Unfilled(why)| anyhow!(why));
            Regex::new(&pattern.context("expect.body")?).context("expect.body")?;
        }
        if let Some(name) = &self.grown_since {
            ensure!(known.contains(name.as_str()), "expect.grown_since: no case before saves `{name}`");
        }
        Ok(())
    }

    fn templates(&self) -> impl Iterator<Item = &String> {
        let items =
            self.items.iter().flat_map(|items| items.contain.iter().chain(&items.lack).chain(&items.once));
        [&self.json, &self.body, &self.body_is].into_iter().flatten().chain(items)
    }
}

/// A name that was mistyped is found here and not in the middle of a pass.
fn check_known(template: &str, known: &BTreeSet<&str>) -> Result<()> {
    for name in template::variables(template) {
        ensure!(known.contains(name), "{{{name}}} is neither a value nor saved by a case before");
    }
    Ok(())
}

pub(super) fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low));
    if rest.is_empty() { bytes.collect::<Result<_, _>>().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[values]\nv = 'x{unique}'\n[[case]]\nrule = 'one'\npath = '/'\nexpect = { status = [200] }\n\
                        save = { a = { pattern = '^(.)' } }\n";

    #[test]
    fn what_a_file_may_not_hold_is_found_before_the_first_request() {
        assert_eq!(Cases::parse(GOOD).unwrap().cases.len(), 1);
        for (more, said) in [
            ("rule = 'one'\npath = '/'\nexpect = { status = [200] }", "twice"),
            ("rule = 'b'\npath = '/{c}'\nexpect = { status = [200] }", "{c} is neither"),
            ("rule = 'b'\npath = '/'\nexpect = { status = [500] }", "200 to 499"),
            ("rule = 'b'\npath = '/'\nexpect = { status = [] }", "200 to 499"),
            ("rule = 'b'\npath = '/'\nexpect = { status = [200], body = '(' }", "expect.body"),
            ("rule = 'b'\npath = '/'\nexpect = { status = [200], header = { x = '(' } }", "expect.header.x"),
            ("rule = 'b'\npath = '/'\nexpect = { status = [200], grown_since = 'q' }", "no case before"),
            ("rule = 'b'\npath = '/'\nexpect = { status = [200], json = '{c}' }", "{c} is neither"),
            ("rule = 'b'\npath = '/'\nexpect = { status = [200], body_is = '{c}' }", "{c} is neither"),
            ("rule = 'b'\npath = '/'\nexpect = { status = [200], body = '{c}' }", "{c} is neither"),
            ("rule = 'b'\npath = '/'\nbearer = '{c}'\nexpect = { status = [200] }", "{c} is neither"),
            (
                "rule = 'b'\npath = '/'\nexpect = { status = [200], items = { once = ['{c}'] } }",
                "{c} is neither",
            ),
            (
                "rule = 'b'\npath = '/'\nexpect = { status = [200], items = { lack = ['{c}'] } }",
                "{c} is neither",
            ),
            ("rule = 'b'\npath = '/'\nrepeat = 0\nexpect = { status = [200] }", "repeat"),
            ("rule = 'b'\npath = '/'\nwithin_seconds = -1.0\nexpect = { status = [200] }", "within_seconds"),
            ("rule = 'b'\npath = '/'\nbody_hex = 'abc'\nexpect = { status = [200] }", "body_hex"),
            ("rule = 'b'\npath = '/'\nbody = ''\nbody_hex = ''\nexpect = { status = [200] }", "either"),
            (
                "rule = 'b'\npath = '/'\nsave = { c = { pattern = 'x' } }\nexpect = { status = [200] }",
                "one group",
            ),
            ("rule = 'b'\npath = '/'\ncolour = 1\nexpect = { status = [200] }", "colour"),
        ] {
            let error = format!("{:#}", Cases::parse(&format!("{GOOD}[[case]]\n{more}")).unwrap_err());
            assert!(error.contains(said), "{more}: {error}");
        }
        let again = format!("{GOOD}[[case]]\nrule = 'b'\npath = '/{{a}}'\nexpect = {{ status = [200] }}");
        assert_eq!(Cases::parse(&again).unwrap().cases.len(), 2);
    }

    #[test]
    fn hexadecimal_is_bytes() {
        assert_eq!(bytes_of_hex("7b fF\n00"), Some(vec![0x7b, 0xff, 0]));
        assert_eq!(bytes_of_hex("7"), None);
        assert_eq!(bytes_of_hex("7x"), None);
    }
}
