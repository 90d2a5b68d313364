//! Whether an answer is as expected, and in words why not.
//!
//! Expected JSON is contained in the answer: objects may have members besides the expected ones, since no
//! rule forbids them, and an expected null is also a member that is absent; arrays and plain values are
//! equal, numbers however they are written.

use regex_lite::Regex;
use serde_json::Value;

use super::cases::{Expect, Items};
use super::template::{Unfilled, Values, fill};
use crate::http::Answer;

/// Of an answer that is quoted in a failure.
const QUOTED_CHARS: usize = 240;

/// What expectations refer to.
pub(super) struct State<'s> {
    pub(super) values: &'s Values,
    /// Answers 201 of the pass so far.
    pub(super) created: u64,
}

/// The first thing that is not as expected.
pub(super) fn check(expect: &Expect, answer: &Answer, state: &State<'_>) -> Result<(), String> {
    check_status(expect, answer)?;
    let text = String::from_utf8_lossy(&answer.body);
    for (name, pattern) in &expect.header {
        let value = answer.header(name).ok_or_else(|| format!("no header {name}"))?;
        if !matches(pattern, value)? {
            return Err(format!("{name}: {} does not match {pattern}", quoted(value)));
        }
    }
    if let Some(template) = &expect.body {
        let pattern = fill(template, state.values).map_err(|Unfilled(why)| why)?;
        if !matches(&pattern, &text)? {
            return Err(format!("the body {} does not match {pattern}", quoted(&text)));
        }
    }
    if let Some(template) = &expect.body_is {
        let expected = fill(template, state.values).map_err(|Unfilled(why)| why)?;
        if answer.body != expected.as_bytes() {
            return Err(format!("the body {} is not {}", quoted(&text), quoted(&expected)));
        }
    }
    if let Some(json) = &expect.json {
        let expected = parsed(json, state)?;
        if !contains(&answered(answer)?, &expected) {
            return Err(format!("{} does not contain {}", quoted(&text), quoted(&expected.to_string())));
        }
    }
    if let Some(items) = &expect.items {
        check_items(items, &answered(answer)?, state)?;
    }
    expect.grown_since.as_ref().map_or(Ok(()), |name| check_growth(name, &text, state))
}

fn check_status(expect: &Expect, answer: &Answer) -> Result<(), String> {
    if expect.status.contains(&answer.status) {
        return Ok(());
    }
    let allowed: Vec<String> = expect.status.iter().map(u16::to_string).collect();
    let body = String::from_utf8_lossy(&answer.body);
    Err(format!("status {} and not {}; the body is {}", answer.status, allowed.join(" or "), quoted(&body)))
}

fn check_items(items: &Items, body: &Value, state: &State<'_>) -> Result<(), String> {
    let body = match &items.member {
        Some(name) => body.get(name).unwrap_or(&Value::Null),
        None => body,
    };
    let found = body.as_array().ok_or_else(|| format!("{} is no array", quoted(&body.to_string())))?;
    let at_most = items.at_most.unwrap_or(usize::MAX);
    if !(items.at_least..=at_most).contains(&found.len()) {
        let at_most = items.at_most.map_or_else(String::new, |most| format!(", at most {most}"));
        return Err(format!("{} items and not at least {}{at_most}", found.len(), items.at_least));
    }
    let shown = || quoted(&body.to_string());
    for text in &items.contain {
        let expected = parsed(text, state)?;
        if !found.iter().any(|item| contains(item, &expected)) {
            return Err(format!("{} lacks {expected}", shown()));
        }
    }
    for text in &items.lack {
        let unwanted = parsed(text, state)?;
        if found.iter().any(|item| contains(item, &unwanted)) {
            return Err(format!("{} has {unwanted}", shown()));
        }
    }
    for text in &items.once {
        let expected = parsed(text, state)?;
        let times = found.iter().filter(|item| contains(item, &expected)).count();
        if times != 1 {
            return Err(format!("{} has {expected} {times} times", shown()));
        }
    }
    Ok(())
}

fn check_growth(name: &str, text: &str, state: &State<'_>) -> Result<(), String> {
    let before = state.values.get(name).ok_or_else(|| format!("{{{name}}} has no value"))?;
    let before: u64 = before.trim().parse().map_err(|_| format!("{{{name}}} = {before} is no number"))?;
    let now: u64 = text.trim().parse().map_err(|_| format!("{} is no number", quoted(text)))?;
    let expected = before + state.created;
    if now == expected {
        return Ok(());
    }
    Err(format!("{now} and not {expected}: {before} at first and {} answers 201 since", state.created))
}

fn contains(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| contains(found.get(name).unwrap_or(&Value::Null), value))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len()
                && found.iter().zip(expected).all(|(found, expected)| contains(found, expected))
        }
        (Value::Number(found), Value::Number(expected)) => {
            found == expected || (found.is_f64() || expected.is_f64()) && found.as_f64() == expected.as_f64()
        }
        _ => found == expected,
    }
}

fn answered(answer: &Answer) -> Result<Value, String> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        format!("the body {} is no JSON: {error}", quoted(&String::from_utf8_lossy(&answer.body)))
    })
}

fn parsed(template: &str, state: &State<'_>) -> Result<Value, String> {
    let text = fill(template, state.values).map_err(|Unfilled(why)| why)?;
    serde_json::from_str(&text).map_err(|error| format!("the expected {} is no JSON: {error}", quoted(&text)))
}

fn matches(pattern: &str, text: &str) -> Result<bool, String> {
    let pattern = Regex::new(pattern).map_err(|error| format!("{pattern}: {error}"))?;
    Ok(pattern.is_match(text))
}

/// The beginning of a text, fit for one line.
pub(super) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(QUOTED_CHARS).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", shown.replace(|c: char| c.is_control(), " "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_body(expect: &str, body: &str) -> Result<(), String> {
        let expect: Expect = toml::from_str(&format!("status = [200, 201]\n{expect}")).unwrap();
        let headers = vec![("X-Kind".to_owned(), "plain".to_owned())];
        let answer = Answer { status: 200, headers, body: body.into() };
        let values = [("before", "40"), ("word", "ana")].map(|(name, value)| (name.into(), value.into()));
        check(&expect, &answer, &State { values: &values.into(), created: 2 })
    }

    #[test]
    fn each_expectation_holds_for_what_it_asks_and_for_nothing_else() {
        for (expect, good, bad) in [
            ("body = '^a+$'", "aaa", "aab"),
            (r#"body_is = "{word}\n""#, "ana\n", "ana"),
            (r#"json = '{"x":["{word}"]}'"#, r#"{"x":["ana"],"y":1}"#, r#"{"x":["ana","b"]}"#),
            (r#"json = '{"x":null}'"#, "{}", r#"{"x":[]}"#),
            (r#"json = '{"x":[]}'"#, r#"{"x":[]}"#, r#"{"x":null}"#),
            (r#"json = '"a"'"#, "\"\\u0061\"", "a"),
            ("items = { at_most = 2 }", "[1,2]", "[1,2,3]"),
            ("items = { at_least = 2 }", "[1,2]", "[1]"),
            ("items = {}", "[]", "{}"),
            (r#"items = { member = "all", at_least = 1 }"#, r#"{"all":[1]}"#, r#"{"all":[]}"#),
            (r#"items = { member = "all" }"#, r#"{"all":[1]}"#, "[1]"),
            (r#"items = { contain = ['{"a":1}'] }"#, r#"[{},{"a":1,"b":2}]"#, r#"[{"a":2},{"b":1}]"#),
            (r#"items = { lack = ['{"a":1}'] }"#, r#"[{"a":2}]"#, r#"[{"a":2},{"a":1,"b":0}]"#),
            (r#"items = { once = ['{"a":1}'] }"#, r#"[{"a":1,"b":2},{"a":2}]"#, r#"[{"a":1,"b":2},{"a":1}]"#),
            (r#"items = { once = ['{"a":1}'] }"#, r#"[{"a":1}]"#, "[]"),
            (r#"json = '{"x":10.50}'"#, r#"{"x":10.5}"#, r#"{"x":10.51}"#),
            (r#"json = '{"x":10.00}'"#, r#"{"x":10}"#, r#"{"x":"10.00"}"#),
            (r#"json = '{"x":0.3}'"#, r#"{"x":0.30}"#, r#"{"x":0.30000000000000004}"#),
            ("body = '^{word}+$'", "anaaa", "aaa"),
            ("grown_since = 'before'", "42\n", "41"),
            ("grown_since = 'before'", "42", "forty-two"),
        ] {
            assert_eq!(check_body(expect, good), Ok(()), "{expect}");
            assert!(check_body(expect, bad).is_err(), "{expect}: {bad}");
        }
        assert_eq!(check_body("header = { x-kind = '^pl' }", ""), Ok(()));
        assert!(check_body("header = { x-kind = '^in' }", "").unwrap_err().contains("plain"));
        assert!(check_body("header = { y = '' }", "").unwrap_err().contains("no header y"));
    }

    #[test]
    fn a_null_in_the_answer_is_not_any_value() {
        assert!(!contains(&json!(null), &json!({"a": null})));
        assert!(!contains(&json!({"a": null}), &json!({"a": ""})));
    }

    #[test]
    fn a_quotation_is_one_short_line() {
        assert_eq!(quoted("a\r\nb"), "`a  b`");
        let long = quoted(&"é".repeat(1_000));
        assert_eq!(long.chars().count(), QUOTED_CHARS + 3);
    }
}
