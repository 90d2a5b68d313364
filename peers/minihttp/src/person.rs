//! A person, and the rules that a creation must obey.

use postgres::Row;
use serde::Serialize;
use simd_json::prelude::{TypedScalarValue, ValueIntoString};
use simd_json::tape::Value;
use time::Date;
use time::macros::format_description;
use uuid::Uuid;

const SHORT_CHARS: usize = 32;
const NAME_CHARS: usize = 100;

/// UTF-8 takes up to four bytes for a character.
type Short = heapless::String<{ 4 * SHORT_CHARS }>;
type Name = heapless::String<{ 4 * NAME_CHARS }>;

#[derive(Debug, Serialize)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) apelido: Short,
    pub(crate) nome: Name,
    pub(crate) nascimento: Date,
    pub(crate) stack: Option<Vec<String>>,
}

/// Why a body is not a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// No JSON, or another type than the rules name.
    Malformed,
    /// Understood, and against the rules.
    Refused,
}

impl Person {
    /// Parses and checks a body, in place, and gives the person an id.
    ///
    /// The tape is flat. Deserialising with serde would call itself for each level of nesting, also of a
    /// field that nobody asked for, and a coroutine's stack does not grow.
    pub(crate) fn parse(body: &mut [u8]) -> Result<Self, Invalid> {
        let tape = simd_json::to_tape(body).map_err(|_| Invalid::Malformed)?;
        let object = tape.as_value().as_object().ok_or(Invalid::Malformed)?;
        let (mut apelido, mut nome, mut nascimento, mut stack) = (None, None, None, None);
        for (key, value) in object.iter() {
            match key {
                "apelido" => apelido = text(value)?,
                "nome" => nome = text(value)?,
                "nascimento" => nascimento = text(value)?,
                "stack" => stack = texts(value)?,
                _ => {}
            }
        }
        Ok(Self {
            id: uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid(),
            apelido: bounded(apelido, SHORT_CHARS)?,
            nome: bounded(nome, NAME_CHARS)?,
            nascimento: nascimento.and_then(parse_date).ok_or(Invalid::Refused)?,
            stack: stack.map(bounded_elements).transpose()?,
        })
    }

    /// From the columns id, apelido, nome, nascimento, stack.
    pub(crate) fn from_row(row: &Row) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let short = |_| "a column is longer than the rules allow";
        Ok(Self {
            id: row.try_get(0)?,
            apelido: row.try_get::<_, &str>(1)?.try_into().map_err(short)?,
            nome: row.try_get::<_, &str>(2)?.try_into().map_err(short)?,
            nascimento: row.try_get(3)?,
            stack: row.try_get(4)?,
        })
    }
}

/// A string, or null.
fn text<'i>(value: Value<'_, 'i>) -> Result<Option<&'i str>, Invalid> {
    match value.into_string() {
        None if !value.is_null() => Err(Invalid::Malformed),
        text => Ok(text),
    }
}

/// An array of strings, or null.
fn texts<'i>(value: Value<'_, 'i>) -> Result<Option<Vec<&'i str>>, Invalid> {
    if value.is_null() {
        return Ok(None);
    }
    let array = value.as_array().ok_or(Invalid::Malformed)?;
    array
        .iter()
        .map(|element| element.into_string())
        .collect::<Option<_>>()
        .map(Some)
        .ok_or(Invalid::Malformed)
}

fn bounded<const BYTES: usize>(
    text: Option<&str>,
    most_chars: usize,
) -> Result<heapless::String<BYTES>, Invalid> {
    let text = text.filter(|text| is_text(text, most_chars)).ok_or(Invalid::Refused)?;
    text.try_into().map_err(|_| Invalid::Refused)
}

fn bounded_elements(elements: Vec<&str>) -> Result<Vec<String>, Invalid> {
    if !elements.iter().all(|element| is_text(element, SHORT_CHARS)) {
        return Err(Invalid::Refused);
    }
    Ok(elements.into_iter().map(str::to_owned).collect())
}

/// Lengths count characters. NUL is the one character that Postgres cannot store.
fn is_text(text: &str, most_chars: usize) -> bool {
    text.chars().count() <= most_chars && !text.contains('\0')
}

/// Strictly `YYYY-MM-DD`: the length rules out signs. Postgres has no year 0.
fn parse_date(text: &str) -> Option<Date> {
    if text.len() != 10 {
        return None;
    }
    let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok();
    date.filter(|date| date.year() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fields: &str) -> Result<Person, Invalid> {
        Person::parse(&mut format!("{{{fields}}}").into_bytes())
    }

    #[test]
    fn another_type_is_malformed_and_a_broken_rule_is_refused() {
        let good = r#""apelido":"ana","nome":"Ana","nascimento":"2000-02-29""#;
        assert!(parse(good).is_ok());
        assert!(parse(&format!(r#"{good},"stack":null"#)).is_ok());
        assert!(parse(&format!(r#"{good},"stack":["Rust"],"more":[{{}}]"#)).is_ok());
        assert_eq!(parse(&format!(r#"{good},"stack":["Rust",1]"#)).unwrap_err(), Invalid::Malformed);
        assert_eq!(parse(&good.replace("\"Ana\"", "1")).unwrap_err(), Invalid::Malformed);
        assert_eq!(parse(&good.replace("\"Ana\"", "null")).unwrap_err(), Invalid::Refused);
        assert_eq!(parse(&good.replace("ana", &"é".repeat(33))).unwrap_err(), Invalid::Refused);
        assert!(parse(&good.replace("ana", &"é".repeat(32))).is_ok());
        assert_eq!(parse(&good.replace("ana", "\\u0000")).unwrap_err(), Invalid::Refused);
        let long = format!(r#"{good},"stack":["{}"]"#, "1".repeat(33));
        assert_eq!(parse(&long).unwrap_err(), Invalid::Refused);
        let mut array = br#"["ana","Ana","2000-02-29",null]"#.to_vec();
        assert_eq!(Person::parse(&mut array).unwrap_err(), Invalid::Malformed);
    }

    #[test]
    fn dates_are_dates_of_the_calendar_in_one_form() {
        for good in ["1940-01-01", "2000-02-29", "9999-12-31", "0001-01-01"] {
            assert_eq!(parse_date(good).unwrap().to_string(), good);
        }
        for bad in ["2001-02-29", "2000-13-01", "2000-1-001", "+200-01-01", "-200-01-01", "0000-01-01", "10"]
        {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_deepest_body_that_nginx_lets_through_fits_on_a_small_stack() {
        for levels in [100, 1_000, 32 * 1024 - 64] {
            let (open, close) = ("[".repeat(levels), "]".repeat(levels));
            let good = r#""apelido":"ana","nome":"Ana","nascimento":"2000-02-29""#;
            let body = format!("{{{good},\"x\":{open}{close}}}");
            let thread = std::thread::Builder::new().stack_size(128 * 1024);
            let parsed = thread.spawn(move || Person::parse(&mut body.into_bytes())).unwrap().join().unwrap();
            // simd-json itself refuses a few thousand levels. An overflow would end the whole test.
            assert!(parsed.is_ok() || levels > 1_000, "{levels}: {parsed:?}");
        }
    }
}
