//! The rules of the people contest for one payload, as stress-test/oracle.py has them too. Both are held
//! against the same list of hard cases: stress-test/tests/payloads.jsonl.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use time::{Date, Month};

/// More people than this no search answers.
pub const MAX_FOUND: usize = 50;
const APELIDO_MAX_CHARS: usize = 32;
const NOME_MAX_CHARS: usize = 100;
const STACK_ELEMENT_MAX_CHARS: usize = 32;

/// What a valid payload asks to store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Person {
    pub apelido: String,
    pub nome: String,
    pub nascimento: String,
    /// Absent and null are the same.
    pub stack: Option<Vec<String>>,
}

/// The person that a creation with this body stores if its nick is free; absent if the body is not valid.
#[must_use]
pub fn valid_person(payload: &[u8]) -> Option<Person> {
    let Fields { apelido, nome, nascimento, stack } = fields_of(payload)?;
    Some(Person {
        apelido: text(apelido, APELIDO_MAX_CHARS)?,
        nome: text(nome, NOME_MAX_CHARS)?,
        nascimento: date(nascimento)?,
        stack: match stack {
            None | Some(Value::Null) => None,
            Some(Value::Array(elements)) => {
                let elements =
                    elements.into_iter().map(|element| text(Some(element), STACK_ELEMENT_MAX_CHARS));
                Some(elements.collect::<Option<_>>()?)
            }
            Some(_) => return None,
        },
    })
}

/// The nick in a body, valid or not, as a server that takes what it gets would store it.
#[must_use]
pub fn nick_of(payload: &[u8]) -> Option<String> {
    match fields_of(payload)?.apelido? {
        Value::Null => None,
        Value::String(nick) => Some(nick),
        other => Some(other.to_string()),
    }
}

/// No longer than allowed, and without the NUL that Postgres cannot hold. (Half of a surrogate pair is no
/// string for serde.)
fn text(value: Option<Value>, max_chars: usize) -> Option<String> {
    match value {
        Some(Value::String(text)) if text.chars().count() <= max_chars && !text.contains('\0') => Some(text),
        _ => None,
    }
}

/// `YYYY-MM-DD` of ASCII digits, and a day that there was; years begin with 1.
fn date(value: Option<Value>) -> Option<String> {
    let Some(Value::String(text)) = value else { return None };
    let number = |at: std::ops::Range<usize>| {
        let digits = text.get(at)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain { digits.parse::<u16>().ok() } else { None }
    };
    let shaped = text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    let year = number(0..4).filter(|year| shaped && *year > 0)?;
    let month = Month::try_from(u8::try_from(number(5..7)?).ok()?).ok()?;
    let day = u8::try_from(number(8..10)?).ok()?;
    Date::from_calendar_date(i32::from(year), month, day).ok()?;
    Some(text)
}

fn fields_of(payload: &[u8]) -> Option<Fields> {
    // serde_json does not look at the bytes of a text that it skips.
    serde_json::from_str(std::str::from_utf8(payload).ok()?).ok()
}

/// The members that matter. Of a name that is there twice the last one counts, as in most parsers; a derived
/// reader would refuse it. Other members may be anything that is JSON.
#[derive(Default)]
struct Fields {
    apelido: Option<Value>,
    nome: Option<Value>,
    nascimento: Option<Value>,
    stack: Option<Value>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "apelido" => fields.apelido = Some(members.next_value()?),
                "nome" => fields.nome = Some(members.next_value()?),
                "nascimento" => fields.nascimento = Some(members.next_value()?),
                "stack" => fields.stack = Some(members.next_value()?),
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Hard {
        payload: Option<String>,
        payload_hex: Option<String>,
        stores: Option<String>,
        /// The rules do not say; a contestant may see it otherwise. Both oracles must agree all the same.
        #[serde(default, rename = "open")]
        _open: bool,
    }

    impl Hard {
        fn bytes(&self) -> Vec<u8> {
            match (&self.payload, &self.payload_hex) {
                (Some(text), None) => text.clone().into_bytes(),
                (None, Some(hex)) => {
                    let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
                    (0..hex.len()).step_by(2).map(pair).collect()
                }
                _ => panic!("either payload or payload_hex"),
            }
        }
    }

    #[test]
    fn hard_payloads_are_judged_as_the_other_oracle_judges_them() {
        let list = include_str!("../../../../stress-test/tests/payloads.jsonl");
        let mut seen = 0;
        for line in list.lines() {
            let hard: Hard = serde_json::from_str(line).unwrap();
            let stores = valid_person(&hard.bytes()).map(|person| person.apelido);
            assert_eq!(stores, hard.stores, "{}", line.chars().take(300).collect::<String>());
            seen += 1;
        }
        assert!(seen > 100, "only {seen} cases");
    }

    #[test]
    fn all_that_was_sent_is_kept() {
        let payload =
            r#"{"stack":["Go","","Go"],"nascimento":"2000-02-29","nome":"A\u00e9\n","apelido":"a b"}"#;
        let person = valid_person(payload.as_bytes()).unwrap();
        assert_eq!((person.apelido.as_str(), person.nome.as_str()), ("a b", "Aé\n"));
        assert_eq!(person.nascimento, "2000-02-29");
        assert_eq!(person.stack.unwrap(), ["Go", "", "Go"]);
        let with_stack = |stack: &str| {
            let rest = r#""nascimento":"2000-02-29","nome":"A","apelido":"a""#;
            valid_person(format!("{{{stack}{rest}}}").as_bytes()).unwrap().stack
        };
        assert_eq!(with_stack(r#""stack":null,"#), None);
        assert_eq!(with_stack(""), None);
        assert_eq!(with_stack(r#""stack":[],"#), Some(vec![]));
    }

    #[test]
    fn a_nick_is_found_in_what_is_not_valid() {
        assert_eq!(nick_of(br#"{"apelido":"a","nome":1}"#).as_deref(), Some("a"));
        assert_eq!(nick_of(br#"{"apelido":1}"#).as_deref(), Some("1"));
        for payload in [&br#"{"apelido":null}"#[..], b"{}", b"[]", b"{", b""] {
            assert_eq!(nick_of(payload), None);
        }
    }
}
