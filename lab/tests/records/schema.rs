//! `record.json` and its schema belong together: the committed file is what the types say, and records are
//! what the file says.

use std::path::Path;

use pouco_lab::record::Record;
use serde_json::{Value, json};

const FILE: &str = "schema/record.schema.json";

fn committed() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let generated = Record::json_schema();
    let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("record.schema.json");
    std::fs::write(&new, serde_json::to_string_pretty(&generated).unwrap() + "\n").unwrap();
    assert!(committed() == generated, "lab/{FILE} is not what the types say: {} is", new.display());
    assert_eq!(generated["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn records_are_valid_and_come_back_unchanged() {
    let schema = committed();
    let samples =
        [crate::sample::record(), crate::sample::partial(), crate::sample::crowd(), crate::sample::reads()];
    for record in samples.into_iter().chain([super::shop::shop()]) {
        let json = serde_json::to_value(&record).unwrap();
        assert_eq!(problems(&schema, &schema, &json), Vec::<String>::new());
        let again: Record = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), json);
    }
}

#[test]
fn records_that_are_none_are_refused() {
    let schema = committed();
    let good = serde_json::to_value(crate::sample::record()).unwrap();
    let changes: [(&str, Value); 7] = [
        ("/schema", json!("pouco-lab/0")),
        ("/scale", json!("1")),
        ("/budget/memory_bytes", json!(-1)),
        ("/budget/memory_bytes", json!(1.5)),
        ("/attempts/0/verdict/status", json!("excellent")),
        ("/attempts/0/series/3/p99_ms", json!([1])),
        ("/attempts/0/load/requests/creation/statuses", json!({ "teapot": 1 })),
    ];
    for (place, value) in changes {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value;
        assert!(!problems(&schema, &schema, &bad).is_empty(), "{place}");
    }
    let mut without = good;
    without.as_object_mut().unwrap().remove("attempts");
    assert_eq!(problems(&schema, &schema, &without), ["attempts is missing"]);
}

/// What is wrong with `value`, for the words that our schema uses. Any other word is a problem too, so that
/// none is passed over.
fn problems(root: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let Some(rules) = schema.as_object() else { return Vec::new() };
    let mut found = Vec::new();
    for (word, rule) in rules {
        match word.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" => {}
            "format" => {
                let unsigned = rule.as_str().unwrap().starts_with("uint");
                if unsigned && value.is_number() && !value.is_u64() {
                    found.push(format!("{value} is no {rule}"));
                }
            }
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap();
                found.extend(problems(root, target, value));
            }
            "type" => {
                let allowed = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                if !allowed.iter().any(|name| is_a(name.as_str().unwrap(), value)) {
                    found.push(format!("{value} is no {rule}"));
                }
            }
            "const" if rule != value => found.push(format!("{value} is not {rule}")),
            "enum" if !rule.as_array().unwrap().contains(value) => {
                found.push(format!("{value} is not in {rule}"));
            }
            "minimum" if value.is_number() && value.as_f64() < rule.as_f64() => {
                found.push(format!("{value} is below {rule}"));
            }
            "maximum" if value.is_number() && value.as_f64() > rule.as_f64() => {
                found.push(format!("{value} is above {rule}"));
            }
            "const" | "enum" | "minimum" | "maximum" => {}
            "anyOf" | "oneOf" => {
                let fits = |option: &&Value| problems(root, option, value).is_empty();
                let count = rule.as_array().unwrap().iter().filter(fits).count();
                if count == 0 || word == "oneOf" && count > 1 {
                    found.push(format!("{value} fits {count} of {word}"));
                }
            }
            "items" => {
                let items = value.as_array().into_iter().flatten();
                found.extend(items.flat_map(|item| problems(root, rule, item)));
            }
            "required" => {
                let missing = |name: &&Value| value.get(name.as_str().unwrap()).is_none();
                let names = rule.as_array().unwrap().iter().filter(missing);
                found.extend(names.map(|name| format!("{} is missing", name.as_str().unwrap())));
            }
            "properties" | "patternProperties" | "additionalProperties" => {
                found.extend(properties(root, rules, word, rule, value));
            }
            other => found.push(format!("this test knows no {other}")),
        }
    }
    found
}

fn properties(
    root: &Value,
    rules: &serde_json::Map<String, Value>,
    word: &str,
    rule: &Value,
    value: &Value,
) -> Vec<String> {
    let named = |key: &str| rules.get("properties").and_then(|known| known.get(key));
    // The only pattern of the schema: keys that are whole numbers.
    let patterned = |key: &str| {
        let patterns = rules.get("patternProperties").and_then(Value::as_object);
        let numeric = patterns.into_iter().flatten().find(|(pattern, _)| pattern.as_str() == "^\\d+$");
        numeric.filter(|_| key.bytes().all(|letter| letter.is_ascii_digit())).map(|(_, rule)| rule)
    };
    let mut found = Vec::new();
    for (key, item) in value.as_object().into_iter().flatten() {
        let rule = match word {
            "properties" => named(key),
            "patternProperties" => patterned(key),
            _ if named(key).is_some() || patterned(key).is_some() => None,
            _ if *rule == json!(false) => {
                found.push(format!("{key} is unknown"));
                None
            }
            _ => Some(rule),
        };
        found.extend(rule.into_iter().flat_map(|rule| problems(root, rule, item)));
    }
    found
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}
