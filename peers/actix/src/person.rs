//! A person, and the rules that a creation must obey.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::rejection::Rejection;

const SHORT_CHARS: usize = 32;
const NAME_CHARS: usize = 100;

/// As it is answered, cached and handed to Postgres.
#[derive(Debug, Serialize)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) apelido: String,
    nome: String,
    nascimento: NaiveDate,
    stack: Option<Vec<String>>,
}

/// A request's body. Another type than these is a syntax error; null and absent are the same, and refused
/// later.
#[derive(Deserialize)]
struct Creation {
    apelido: Option<String>,
    nome: Option<String>,
    nascimento: Option<String>,
    stack: Option<Vec<String>>,
}

impl Person {
    /// Parses and checks a body, and gives the person an id. Ids of version 7 are in order of time, which an
    /// index likes.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Rejection> {
        // serde would take an array for a structure too, field by field.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(Rejection::Malformed);
        }
        let creation: Creation = serde_json::from_slice(body).map_err(|_| Rejection::Malformed)?;
        let stack = creation.stack;
        let stack_is_fine = stack.iter().flatten().all(|element| is_text(element, SHORT_CHARS));
        Ok(Self {
            id: Uuid::now_v7(),
            apelido: creation.apelido.filter(|text| is_text(text, SHORT_CHARS)).ok_or(Rejection::Refused)?,
            nome: creation.nome.filter(|text| is_text(text, NAME_CHARS)).ok_or(Rejection::Refused)?,
            nascimento: creation.nascimento.as_deref().and_then(parse_date).ok_or(Rejection::Refused)?,
            stack: if stack_is_fine { stack } else { return Err(Rejection::Refused) },
        })
    }

    /// From the columns id, apelido, nome, nascimento, stack.
    pub(crate) fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            id: row.try_get(0)?,
            apelido: row.try_get(1)?,
            nome: row.try_get(2)?,
            nascimento: row.try_get(3)?,
            stack: row.try_get(4)?,
        })
    }
}

/// Lengths count characters. NUL is the one character that Postgres cannot store.
fn is_text(text: &str, most_chars: usize) -> bool {
    text.chars().count() <= most_chars && !text.contains('\0')
}

/// Strictly `YYYY-MM-DD`. chrono's own parser would also take signs, blanks and single digits; Postgres has
/// no year 0.
fn parse_date(text: &str) -> Option<NaiveDate> {
    let shape_is_right = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !shape_is_right || text.starts_with("0000") {
        return None;
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fields: &str) -> Result<Person, Rejection> {
        Person::parse(format!("{{{fields}}}").as_bytes())
    }

    #[test]
    fn another_type_is_malformed_and_a_broken_rule_is_refused() {
        let good = r#""apelido":"ana","nome":"Ana","nascimento":"2000-02-29""#;
        assert!(parse(good).is_ok());
        assert!(parse(&format!(r#"{good},"stack":null"#)).is_ok());
        assert!(parse(&format!(r#"{good},"stack":["Rust"],"more":[{{}}]"#)).is_ok());
        assert_eq!(parse(&format!(r#"{good},"stack":["Rust",1]"#)).unwrap_err(), Rejection::Malformed);
        assert_eq!(parse(&good.replace("\"Ana\"", "1")).unwrap_err(), Rejection::Malformed);
        assert_eq!(parse(&good.replace("\"Ana\"", "null")).unwrap_err(), Rejection::Refused);
        assert_eq!(parse(&good.replace("ana", &"é".repeat(33))).unwrap_err(), Rejection::Refused);
        assert!(parse(&good.replace("ana", &"é".repeat(32))).is_ok());
        assert_eq!(parse(&good.replace("ana", "\\u0000")).unwrap_err(), Rejection::Refused);
        let long = format!(r#"{good},"stack":["{}"]"#, "1".repeat(33));
        assert_eq!(parse(&long).unwrap_err(), Rejection::Refused);
        assert_eq!(Person::parse(br#"["ana","Ana","2000-02-29",null]"#).unwrap_err(), Rejection::Malformed);
    }

    #[test]
    fn dates_are_dates_of_the_calendar_in_one_form() {
        for good in ["1940-01-01", "2000-02-29", "9999-12-31", "0001-01-01"] {
            assert_eq!(parse_date(good).unwrap().to_string(), good);
        }
        for bad in ["2001-02-29", "2000-13-01", "2000-1-01", "+200-01-01", "0000-01-01", "2000-01-01 ", "10"]
        {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }
}
