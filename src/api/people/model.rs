//! A person: parsing in place, the rules, and the JSON that comes back.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use simd_json::prelude::{TypedScalarValue, ValueIntoString};
use simd_json::tape::Value;
use time::{Date, Month};
use uuid::Uuid;

use crate::dates::write_date;
use crate::http::{Rejection, Status, json};
use crate::random;

/// Characters of a nickname and of an element of the stack; UTF-8 takes up to four bytes for each.
pub(super) const SHORT_CHARS: usize = 32;
/// Characters of a name.
pub(super) const NAME_CHARS: usize = 100;
/// Elements of a stack. The contest's rules have no bound, and its test sends at most 26; without one a
/// single person could take a hundred thousand trigrams of every replica's memory. Rows that have more stay
/// readable.
pub(super) const STACK_ELEMENTS: usize = 128;
/// Bytes of all elements of a stack together.
pub(super) const STACK_BYTES: usize = 4 * 1024;

/// Bytes of those.
pub(super) const SHORT_BYTES: usize = 4 * SHORT_CHARS;
/// See [`SHORT_BYTES`].
pub(super) const NAME_BYTES: usize = 4 * NAME_CHARS;

/// A person that obeys the rules.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) id: Uuid,
    pub(super) apelido: heapless::String<SHORT_BYTES>,
    pub(super) nome: heapless::String<NAME_BYTES>,
    pub(super) nascimento: Date,
    pub(super) stack: Option<Stack>,
}

/// The elements of a stack in one piece of memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack {
    text: String,
    ends: Vec<u32>,
}

impl Stack {
    fn push(&mut self, element: &str) {
        self.text.push_str(element);
        // A body is far below 4 GiB (limits::BODY_BYTES and the setting's range).
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start as usize..*end as usize])
    }

    /// Bytes that are held, used or not.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + size_of::<u32>() * self.ends.capacity()
    }
}

impl Person {
    /// The same person with another id.
    pub(super) fn with_new_id(self: Arc<Self>, replica: u16) -> Arc<Self> {
        Arc::new(Self { id: new_id(replica), ..Arc::unwrap_or_clone(self) })
    }

    /// Everything that a search looks at.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let stack = self.stack.iter().flat_map(Stack::elements);
        [self.apelido.as_str(), self.nome.as_str()].into_iter().chain(stack)
    }

    /// The body of `GET /pessoas/{id}`.
    pub(super) fn render(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 + self.apelido.len() + self.nome.len() + self.stack_json_bytes());
        let elements = self.stack.as_ref().map(Stack::elements);
        render(&mut out, self.id, &self.apelido, &self.nome, self.nascimento, elements);
        out
    }

    fn stack_json_bytes(&self) -> usize {
        self.stack.as_ref().map_or(4, |stack| stack.text.len() + 3 * stack.ends.len() + 2)
    }
}

/// Appends a person as JSON, fields in the order of the rules.
pub(super) fn render<'e>(
    out: &mut Vec<u8>,
    id: Uuid,
    apelido: &str,
    nome: &str,
    nascimento: Date,
    stack: Option<impl Iterator<Item = &'e str>>,
) {
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    out.extend_from_slice(b"\",\"apelido\":");
    json::write_string(out, apelido);
    out.extend_from_slice(b",\"nome\":");
    json::write_string(out, nome);
    out.extend_from_slice(b",\"nascimento\":\"");
    write_date(out, nascimento);
    out.extend_from_slice(b"\",\"stack\":");
    match stack {
        None => out.extend_from_slice(b"null"),
        Some(elements) => {
            out.push(b'[');
            for (index, element) in elements.enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json::write_string(out, element);
            }
            out.push(b']');
        }
    }
    out.push(b'}');
}

/// Parses and checks a body, in place: the body is scratch afterwards. The person gets an id of `replica`.
pub(super) fn parse(body: &mut [u8], replica: u16) -> Result<Arc<Person>, Rejection> {
    json::read(body, |value| check(value, replica)).map_err(|_| bad("the body is no JSON"))?
}

const fn bad(error: &'static str) -> Rejection {
    Rejection::new(Status::BadRequest, error)
}

const fn bad_type(error: &'static str, field: &'static str) -> Rejection {
    Rejection::of_field(Status::BadRequest, error, field)
}

const fn refused(error: &'static str, field: &'static str) -> Rejection {
    Rejection::of_field(Status::UnprocessableContent, error, field)
}

/// Types first (400 whatever the values), then the rules (422).
fn check(value: Value<'_, '_>, replica: u16) -> Result<Arc<Person>, Rejection> {
    let object = value.as_object().ok_or(bad("the body is no JSON object"))?;
    let (mut apelido, mut nome, mut nascimento, mut stack) = (None, None, None, None);
    for (key, value) in object.iter() {
        // A repeated key: the last one counts, as in most parsers.
        match key {
            "apelido" => apelido = text(value, "apelido")?,
            "nome" => nome = text(value, "nome")?,
            "nascimento" => nascimento = text(value, "nascimento")?,
            "stack" => stack = elements(value)?,
            _ => {}
        }
    }
    let apelido = required(apelido, "apelido", SHORT_CHARS)?;
    let nome = required(nome, "nome", NAME_CHARS)?;
    let nascimento = nascimento.ok_or(refused("is required", "nascimento"))?;
    let nascimento =
        parse_date(nascimento).ok_or(refused("is no calendar date of the form YYYY-MM-DD", "nascimento"))?;
    let stack = stack.map(check_stack).transpose()?;
    // On the heap: it waits there for its commit, and the stack of a coroutine is small.
    Ok(Arc::new(Person {
        id: new_id(replica),
        // The bounds in characters imply those in bytes.
        apelido: apelido.try_into().map_err(|_| refused("is too long", "apelido"))?,
        nome: nome.try_into().map_err(|_| refused("is too long", "nome"))?,
        nascimento,
        stack,
    }))
}

fn text<'i>(value: Value<'_, 'i>, field: &'static str) -> Result<Option<&'i str>, Rejection> {
    match value.into_string() {
        Some(text) => Ok(Some(text)),
        None if value.is_null() => Ok(None),
        None => Err(bad_type("must be a string", field)),
    }
}

fn elements<'i>(value: Value<'_, 'i>) -> Result<Option<Vec<&'i str>>, Rejection> {
    if value.is_null() {
        return Ok(None);
    }
    let array = value.as_array().ok_or(bad_type("must be an array of strings or null", "stack"))?;
    let texts = array.iter().map(|element| element.into_string());
    texts.collect::<Option<_>>().map(Some).ok_or(bad_type("must hold strings only", "stack"))
}

fn required<'i>(text: Option<&'i str>, field: &'static str, most_chars: usize) -> Result<&'i str, Rejection> {
    let text = text.ok_or(refused("is required", field))?;
    check_text(text, field, most_chars)?;
    Ok(text)
}

fn check_text(text: &str, field: &'static str, most_chars: usize) -> Result<(), Rejection> {
    if text.len() > most_chars && text.chars().count() > most_chars {
        return Err(refused("is too long", field));
    }
    if text.contains('\0') {
        return Err(refused("holds a NUL character, which cannot be stored", field));
    }
    Ok(())
}

fn check_stack(elements: Vec<&str>) -> Result<Stack, Rejection> {
    let mut stack = Stack::default();
    if elements.len() > STACK_ELEMENTS {
        return Err(refused("has too many elements", "stack"));
    }
    for element in elements {
        check_text(element, "stack", SHORT_CHARS)?;
        stack.push(element);
    }
    if stack.text.len() > STACK_BYTES {
        return Err(refused("is too long", "stack"));
    }
    Ok(stack)
}

/// A strict calendar date, years 0001 to 9999.
fn parse_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u16, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u16::from(digit - b'0'))
        })
    };
    let year = number(&bytes[..4]).filter(|year| *year > 0)?;
    let month = u8::try_from(number(&bytes[5..7])?).ok().and_then(|month| Month::try_from(month).ok())?;
    let day = u8::try_from(number(&bytes[8..])?).ok()?;
    Date::from_calendar_date(year.into(), month, day).ok()
}

/// A UUID of version 7 (RFC 9562 section 5.7): the time first, so that new keys fall together in the index,
/// then 62 random bits, and the replica in the last three digits. A replica of a number up to 15 is in the
/// last one alone, as it was before there were more.
fn new_id(replica: u16) -> Uuid {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    let mut bits: [u8; 10] = random::bytes();
    let [high, low] = replica.to_be_bytes();
    (bits[8], bits[9]) = (bits[8] & 0xf0 | high & 0x0f, low);
    uuid::Builder::from_unix_timestamp_millis(millis, &bits).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::limits;

    fn parse(body: &str) -> Result<Arc<Person>, (u16, Option<&'static str>)> {
        let mut bytes = body.as_bytes().to_vec();
        super::parse(&mut bytes, 0xabc).map_err(|rejection| {
            let field = rejection.field.map(|field| match field {
                Cow::Borrowed(name) => name,
                Cow::Owned(name) => panic!("{name} is none of ours"),
            });
            (rejection.status.code(), field)
        })
    }

    fn with(field: &str, json: &str) -> String {
        let mut fields = vec![("apelido", "\"ana\""), ("nome", "\"Ana\""), ("nascimento", "\"2000-10-01\"")];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, json));
        let fields: Vec<String> = fields
            .iter()
            .filter(|(_, json)| !json.is_empty())
            .map(|(name, json)| format!("\"{name}\":{json}"))
            .collect();
        format!("{{{}}}", fields.join(","))
    }

    fn status(field: &str, json: &str) -> u16 {
        match parse(&with(field, json)) {
            Ok(_) => 201,
            Err((status, _)) => status,
        }
    }

    #[test]
    fn required_fields_are_422_when_absent_or_null() {
        for field in ["apelido", "nome", "nascimento"] {
            assert_eq!(parse(&with(field, "")).unwrap_err(), (422, Some(field)));
            assert_eq!(parse(&with(field, "null")).unwrap_err(), (422, Some(field)));
        }
        assert_eq!(status("stack", ""), 201);
        assert_eq!(status("stack", "null"), 201);
    }

    #[test]
    fn a_stack_has_its_bounds() {
        let stack = |elements: usize, chars: usize| {
            format!("[{}]", vec![format!("\"{}\"", "x".repeat(chars)); elements].join(","))
        };
        assert_eq!(STACK_ELEMENTS * SHORT_CHARS, STACK_BYTES);
        assert_eq!(status("stack", &stack(STACK_ELEMENTS, SHORT_CHARS)), 201);
        assert_eq!(parse(&with("stack", &stack(STACK_ELEMENTS + 1, 1))).unwrap_err(), (422, Some("stack")));
        let wide = stack(STACK_ELEMENTS, SHORT_CHARS).replacen('x', "é", 1);
        assert_eq!(parse(&with("stack", &wide)).unwrap_err(), (422, Some("stack")));
    }

    #[test]
    fn wrong_types_are_400() {
        for field in ["apelido", "nome", "nascimento"] {
            for json in ["1", "true", "[]", "{}", "1.5"] {
                assert_eq!(parse(&with(field, json)).unwrap_err(), (400, Some(field)), "{field} {json}");
            }
        }
        for json in ["1", "\"string\"", "{}", "[1]", "[\"PHP\",1]", "[null]", "[[\"a\"]]", "true"] {
            assert_eq!(parse(&with("stack", json)).unwrap_err(), (400, Some("stack")), "{json}");
        }
        // A type that is wrong outweighs a rule that is broken.
        assert_eq!(parse("{\"apelido\":null,\"nome\":1,\"nascimento\":\"x\"}").unwrap_err().0, 400);
    }

    #[test]
    fn what_is_no_object_is_400() {
        for body in
            ["", "[]", "1", "null", "\"a\"", "{", "{\"apelido\":}", "{}{}", "{'apelido':'ana'}", "\u{feff}{}"]
        {
            assert_eq!(parse(body).unwrap_err(), (400, None), "{body}");
        }
        assert_eq!(parse(&with("nome", "\"\\ud800\"")).unwrap_err().0, 400, "a lone surrogate is no text");
        assert_eq!(parse("{}").unwrap_err().0, 422);
    }

    #[test]
    fn lengths_count_characters() {
        let text = |letter: &str, count: usize| format!("\"{}\"", letter.repeat(count));
        for letter in ["a", "é", "日", "🦀"] {
            assert_eq!(status("apelido", &text(letter, 32)), 201, "{letter}");
            assert_eq!(status("apelido", &text(letter, 33)), 422, "{letter}");
            assert_eq!(status("nome", &text(letter, 100)), 201, "{letter}");
            assert_eq!(status("nome", &text(letter, 101)), 422, "{letter}");
            assert_eq!(status("stack", &format!("[{}]", text(letter, 32))), 201, "{letter}");
            assert_eq!(status("stack", &format!("[{}]", text(letter, 33))), 422, "{letter}");
        }
    }

    #[test]
    fn dates_are_strict_calendar_dates() {
        for date in ["2000-02-29", "0001-01-01", "9999-12-31", "1940-12-31"] {
            assert_eq!(status("nascimento", &format!("\"{date}\"")), 201, "{date}");
        }
        for date in [
            "2001-02-29",
            "2000-13-01",
            "2000-00-10",
            "2000-10-00",
            "2000-04-31",
            "0000-01-01",
            "12-12-2000",
            "2000-1-01",
            "2000-01-1",
            "2000/01/01",
            "2000-01-01 ",
            "+200-01-01",
            "",
            "10",
            "\\\"12-12-2000\\\"",
        ] {
            assert_eq!(status("nascimento", &format!("\"{date}\"")), 422, "{date}");
        }
    }

    #[test]
    fn a_nul_is_422_and_unknown_fields_are_ignored() {
        for field in ["apelido", "nome"] {
            assert_eq!(parse(&with(field, "\"a\\u0000b\"")).unwrap_err(), (422, Some(field)));
        }
        assert_eq!(parse(&with("stack", "[\"a\\u0000\"]")).unwrap_err(), (422, Some("stack")));
        assert_eq!(status("extra", "{\"a\":[1,2,{\"b\":null}],\"n\":123456789012345678901234567890}"), 201);
    }

    #[test]
    fn nesting_is_bounded_before_any_recursion() {
        for depth in [limits::JSON_DEPTH + 1, 100, 500, 1_000, 20_000] {
            let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(status("extra", &nested), 400, "{depth}");
        }
        assert_eq!(status("extra", "[[[[[[[[[[]]]]]]]]]]"), 201);
    }

    #[test]
    fn a_person_comes_back_as_sent() {
        let person = parse(
            "{\"stack\":[\"C#\",\"No\\\"de\",\"\"],\"nascimento\":\"1985-09-23\",\"nome\":\"José\\n\",\"apelido\":\"jo\\u0073é\"}",
        )
        .unwrap();
        let expected = format!(
            "{{\"id\":\"{}\",\"apelido\":\"josé\",\"nome\":\"José\\n\",\"nascimento\":\"1985-09-23\",\"stack\":[\"C#\",\"No\\\"de\",\"\"]}}",
            person.id
        );
        assert_eq!(String::from_utf8(person.render()).unwrap(), expected);
        assert_eq!(person.id.get_version_num(), 7);
        assert!(person.id.to_string().ends_with("abc"), "the replica is the last three digits");
        let other = person.clone().with_new_id(7);
        assert_ne!(other.id, person.id);
        assert!(other.id.to_string().ends_with("007"), "and the last one alone, if it is small");
        assert_eq!(other.render()[45..], person.render()[45..]);
    }
}
