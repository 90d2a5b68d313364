//! Whether an answer of the contest `people` is what was sent.
//!
//! - **A looked-up person** must be a JSON object whose `id` is the last segment of the `Location`, and whose
//!   `apelido`, `nome`, `nascimento` and `stack` are the values that were sent. Each value is compared as it
//!   was written, byte by byte, and only where that differs (blanks, escapes) both are read and compared as
//!   values: 1 µs a person, so there is no reason to sample. `stack` may be absent where none was sent.
//!   Members beside these five are allowed.
//! - **A search** must answer a JSON array, valid to its end, of at most 50 objects. Whether they match the
//!   term is not looked at here: the conformance pass does.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::MAX_FOUND;
use crate::oracle::sent::same;

#[derive(Deserialize)]
struct Person<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    apelido: Option<&'a RawValue>,
    #[serde(borrow)]
    nome: Option<&'a RawValue>,
    #[serde(borrow)]
    nascimento: Option<&'a RawValue>,
    #[serde(borrow)]
    stack: Option<&'a RawValue>,
}

/// `body` must be the person that `payload` created at `location`.
pub(super) fn person(body: &[u8], payload: &[u8], location: &str) -> Result<(), &'static str> {
    let got: Person<'_> = serde_json::from_slice(body).map_err(|_| "the body is no person in JSON")?;
    let sent: Person<'_> =
        serde_json::from_slice(payload).map_err(|_| "201 for a body that is no person in JSON")?;
    let id = location.rsplit('/').next().unwrap_or_default();
    let quoted = got.id.map(RawValue::get).and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
    if id.is_empty() || quoted != Some(id) {
        return Err("the body's id is not the last segment of the location");
    }
    let pairs = [
        (got.apelido, sent.apelido, "the body's apelido is not what was sent"),
        (got.nome, sent.nome, "the body's nome is not what was sent"),
        (got.nascimento, sent.nascimento, "the body's nascimento is not what was sent"),
        (got.stack, sent.stack, "the body's stack is not what was sent"),
    ];
    for (got, sent, message) in pairs {
        if !same(got, sent) {
            return Err(message);
        }
    }
    Ok(())
}

/// `body` must be an array of at most 50 objects.
pub(super) fn people(body: &[u8]) -> Result<(), &'static str> {
    if body == b"[]" {
        return Ok(());
    }
    let people: Vec<&RawValue> = serde_json::from_slice(body).map_err(|_| "the body is no array in JSON")?;
    if people.len() > MAX_FOUND {
        return Err("the body has more than 50 people");
    }
    if people.iter().all(|person| person.get().starts_with('{')) {
        Ok(())
    } else {
        Err("the body has an element that is no person")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str =
        r#"{"apelido":"ana","nome":"Ana Sá","nascimento":"1990-01-02","stack":["C","R\u00f3"]}"#;

    fn verdict(body: &str) -> Result<(), &'static str> {
        person(body.as_bytes(), SENT.as_bytes(), "/pessoas/7-a")
    }

    #[test]
    fn the_same_person_however_it_is_written() {
        assert_eq!(
            verdict(
                r#"{"id":"7-a","apelido":"ana","nome":"Ana Sá","nascimento":"1990-01-02","stack":["C","R\u00f3"]}"#
            ),
            Ok(())
        );
        assert_eq!(
            verdict(
                "{ \"stack\": [ \"C\", \"Ró\" ], \"nome\": \"Ana S\\u00e1\", \"x\": 1,\n \"apelido\": \"\\u0061na\", \
                 \"nascimento\": \"1990-01-02\", \"id\": \"7-a\" }"
            ),
            Ok(())
        );
        let without = r#"{"apelido":"a","nome":"b","nascimento":"1990-01-02"}"#;
        let got = r#"{"id":"1","apelido":"a","nome":"b","nascimento":"1990-01-02","stack":null}"#;
        assert_eq!(person(got.as_bytes(), without.as_bytes(), "/1"), Ok(()));
    }

    #[test]
    fn another_person_is_found_out_field_by_field() {
        let whole =
            r#"{"id":"7-a","apelido":"ana","nome":"Ana Sá","nascimento":"1990-01-02","stack":["C","Ró"]}"#;
        assert_eq!(verdict(whole), Ok(()));
        for (from, to, word) in [
            ("7-a", "7-b", "id"),
            ("\"7-a\"", "7", "id"),
            ("\"ana\"", "\"Ana\"", "apelido"),
            ("\"ana\"", "null", "apelido"),
            ("Ana Sá", "Ana Sa", "nome"),
            ("01-02", "01-03", "nascimento"),
            ("\"1990-01-02\"", "\"1990-01-02T00:00:00Z\"", "nascimento"),
            ("\"C\",\"Ró\"", "\"Ró\",\"C\"", "stack"),
            ("[\"C\",\"Ró\"]", "null", "stack"),
            ("\"stack\"", "\"stacks\"", "stack"),
            ("}", "", "JSON"),
        ] {
            let error = verdict(&whole.replace(from, to)).unwrap_err();
            assert!(error.contains(word), "{from} → {to}: {error}");
        }
    }

    #[test]
    fn searches_answer_arrays_of_at_most_50_objects() {
        let of = |count: usize| format!("[{}]", vec![r#"{"id":"1"}"#; count].join(","));
        for good in ["[]", " [ ] ", &of(1), &of(50)] {
            assert_eq!(people(good.as_bytes()), Ok(()), "{good}");
        }
        assert_eq!(people(of(51).as_bytes()), Err("the body has more than 50 people"));
        assert_eq!(people(b"[1]"), Err("the body has an element that is no person"));
        for bad in ["", "{}", "[{]", "[{}", "[{}]x", "null", r#"[{"a":}]"#] {
            assert_eq!(people(bad.as_bytes()), Err("the body is no array in JSON"), "{bad}");
        }
    }
}
