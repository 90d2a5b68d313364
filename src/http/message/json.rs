//! JSON bodies (RFC 8259): parsed in place, with a bound on their nesting that holds before anything
//! recurses.

use std::borrow::Cow;
use std::fmt;
use std::mem;

use parking_lot::Mutex;
use serde::Deserialize;
use simd_json::tape::Value;
use simd_json::{Buffers, Deserializer, ErrorType, Tape};

use super::rejection::{IntoAnswer, Rejection};
use super::response::Response;
use super::status::Status;
use crate::limits;

/// Parsers kept for the next requests. One worker parses one body at a time, so few are ever out.
const POOLED_PARSERS: usize = 16;

/// Bytes of the texts in a [`JsonError`]; they may quote the body.
const DETAIL_BYTES: usize = 200;

/// A body that is not what the handler asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// It is no JSON text (RFC 8259), or there is none: a 400.
    Syntax,
    /// Arrays and objects are nested deeper than [`limits::JSON_DEPTH`]: a 400.
    Depth,
    /// It is JSON of another form: a member is missing, a value has another type or is out of range. What
    /// exactly, in at most 200 bytes, which may quote the body. A 400.
    Data(String),
    /// The same where [`valid_json`](crate::http::Request::valid_json) was asked for: a 422 that names the
    /// member.
    Member {
        /// Where it is, as `items[0].quantity`, in at most 200 bytes; `None` if it is the whole body.
        path: Option<String>,
        /// What is wrong with it, in at most 200 bytes.
        detail: String,
    },
}

impl JsonError {
    fn of_parser(error: &simd_json::Error) -> Self {
        match error.error() {
            ErrorType::DepthLimitExceeded => Self::Depth,
            _ => Self::Syntax,
        }
    }

    fn of_data(error: &simd_json::Error) -> Self {
        Self::Data(bounded(detail_of(error)))
    }

    /// A missing member is an error of the value that lacks it; for a client it is that member's.
    fn of_member(error: &serde_path_to_error::Error<simd_json::Error>) -> Self {
        let mut path = error.path().to_string();
        if error.path().iter().next().is_none() {
            path.clear();
        }
        let mut detail = detail_of(error.inner());
        if let Some(missing) = detail.strip_prefix(MISSING).and_then(|rest| rest.strip_suffix('`')) {
            let dot = if path.is_empty() { "" } else { "." };
            path = [&path, dot, missing].concat();
            detail = "is missing".to_owned();
        }
        Self::Member { path: (!path.is_empty()).then(|| bounded(path)), detail: bounded(detail) }
    }

    fn into_text(self) -> Cow<'static, str> {
        match self {
            Self::Syntax => "the body is no JSON".into(),
            Self::Depth => "the body is nested too deeply".into(),
            Self::Data(detail) => format!("the body has another form: {detail}").into(),
            Self::Member { detail, .. } => detail.into(),
        }
    }
}

/// How `serde` says that a member is missing ([`serde::de::Error::missing_field`]).
const MISSING: &str = "missing field `";

fn detail_of(error: &simd_json::Error) -> String {
    let expected = match error.error() {
        ErrorType::Serde(message) => return message.clone(),
        ErrorType::ExpectedArray => "an array",
        ErrorType::ExpectedBoolean => "true or false",
        ErrorType::ExpectedFloat | ErrorType::ExpectedInteger => "a number",
        ErrorType::ExpectedSigned | ErrorType::ExpectedUnsigned => "a whole number within its range",
        ErrorType::ExpectedMap => "an object",
        ErrorType::ExpectedNull => "null",
        ErrorType::ExpectedString | ErrorType::ExpectedEnum => "a string",
        kind => return format!("{kind:?}"),
    };
    format!("invalid type: expected {expected}")
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(DETAIL_BYTES));
    text
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Member { path: Some(path), .. } = self {
            write!(f, "`{path}`: ")?;
        }
        f.write_str(&self.clone().into_text())
    }
}

impl std::error::Error for JsonError {}

impl From<JsonError> for Rejection {
    fn from(error: JsonError) -> Self {
        let (status, field) = match &error {
            JsonError::Member { path, .. } => (Status::UnprocessableContent, path.clone().map(Cow::Owned)),
            _ => (Status::BadRequest, None),
        };
        Self { error: error.into_text(), field, ..Self::new(status, "") }
    }
}

impl IntoAnswer for JsonError {
    fn into_answer(self, response: &mut Response<'_>) {
        Rejection::from(self).into_answer(response);
    }
}

/// The working memory of a parser, which is then allocated a few times and not once a request.
struct Parser {
    buffers: Buffers,
    tape: Tape<'static>,
}

static IDLE: Mutex<Vec<Parser>> = Mutex::new(Vec::new());

/// Parses a body and lends the parsed value to `read`. The body is scratch afterwards.
pub(crate) fn read<R>(body: &mut [u8], read: impl FnOnce(Value<'_, '_>) -> R) -> Result<R, JsonError> {
    parse(body, |tape| read(tape.as_value()))
}

/// Parses a body into a `T`, which may borrow its texts from it. The body is scratch afterwards.
pub(in crate::http) fn from_slice<'b, T: Deserialize<'b>>(body: &'b mut [u8]) -> Result<T, JsonError> {
    parse(body, |tape| deserialize(tape).map_err(|error| JsonError::of_data(&error)))?
}

/// The same; an error names its member. That costs a second pass over the tape, which only a refused body
/// takes.
pub(in crate::http) fn from_slice_by_member<'b, T: Deserialize<'b>>(
    body: &'b mut [u8],
) -> Result<T, JsonError> {
    parse(body, |tape| {
        deserialize(tape).or_else(|_| {
            let mut deserializer = Deserializer::from_tape(mem::replace(tape, Tape(Vec::new())));
            let value = serde_path_to_error::deserialize(&mut deserializer);
            *tape = deserializer.into_tape();
            value.map_err(|error| JsonError::of_member(&error))
        })
    })?
}

fn deserialize<'b, T: Deserialize<'b>>(tape: &mut Tape<'b>) -> Result<T, simd_json::Error> {
    let mut deserializer = Deserializer::from_tape(mem::replace(tape, Tape(Vec::new())));
    let value = T::deserialize(&mut deserializer);
    *tape = deserializer.into_tape();
    value
}

/// The first pass, into the tape, does not recurse and checks the nesting. What `read` does with the tape may
/// recurse: `serde` does, also to skip a member that nobody asked for.
fn parse<'b, R>(body: &'b mut [u8], read: impl FnOnce(&mut Tape<'b>) -> R) -> Result<R, JsonError> {
    let pooled = IDLE.lock().pop();
    let Parser { mut buffers, tape } = pooled.unwrap_or_else(|| Parser {
        buffers: Buffers::with_max_depth(limits::BUFFER_BYTES, limits::JSON_DEPTH),
        tape: Tape(Vec::new()),
    });
    let mut tape = tape.reset();
    let parsed = match simd_json::fill_tape(body, &mut buffers, &mut tape) {
        Ok(()) => Ok(read(&mut tape)),
        Err(error) => Err(JsonError::of_parser(&error)),
    };
    let parser = Parser { buffers, tape: tape.reset() };
    let mut idle = IDLE.lock();
    if idle.len() < POOLED_PARSERS {
        idle.push(parser);
    }
    parsed
}

/// Appends a text as a JSON string.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing to a Vec does not fail, and a str always has a JSON form.
    let written = serde_json::to_writer(out, text);
    debug_assert!(written.is_ok());
}

/// Appends a number in its shortest form that is read as the same number again.
pub(crate) fn write_float(out: &mut Vec<u8>, number: f64) {
    // Writing to a Vec does not fail. What is not a number (RFC 8259 section 6) is null.
    let written = serde_json::to_writer(out, &number);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::IgnoredAny;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Book<'b> {
        title: &'b str,
        year: u16,
        #[serde(default)]
        tags: Vec<String>,
    }

    fn book(text: &str) -> Result<(String, u16, Vec<String>), JsonError> {
        let mut body = text.as_bytes().to_vec();
        from_slice::<Book<'_>>(&mut body).map(|book| (book.title.to_owned(), book.year, book.tags))
    }

    #[test]
    fn a_value_borrows_its_texts_from_the_body() {
        let read = book("{\"year\":1960,\"title\":\"La\\u00e7os\",\"more\":[{}],\"tags\":[\"a\"]}");
        assert_eq!(read, Ok(("Laços".into(), 1960, vec!["a".into()])));
    }

    #[test]
    fn syntax_and_form_are_told_apart() {
        for text in ["", " ", "{", "{}{}", "{'title':1}", "\u{feff}{}", "nul"] {
            assert_eq!(book(text), Err(JsonError::Syntax), "{text}");
        }
        for text in ["{}", "[]", "1", "null", "{\"title\":1,\"year\":1}", "{\"title\":\"a\",\"year\":70000}"]
        {
            assert!(matches!(book(text), Err(JsonError::Data(_))), "{text}");
        }
        assert_eq!(book("{\"year\":1}"), Err(JsonError::Data("missing field `title`".into())));
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Line {
        product: u32,
        #[serde(default)]
        price: Option<f64>,
        #[serde(default)]
        note: String,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Order {
        lines: Vec<Line>,
    }

    fn member(text: &str) -> (Option<String>, String) {
        match from_slice_by_member::<Order>(&mut text.as_bytes().to_vec()) {
            Err(JsonError::Member { path, detail }) => (path, detail),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_error_names_the_member() {
        let cases = [
            ("{}", "lines", "is missing"),
            ("{\"lines\":[{\"product\":1},{}]}", "lines[1].product", "is missing"),
            ("{\"lines\":{}}", "lines", "expected an array"),
            ("{\"lines\":[1]}", "lines[0]", "expected an object"),
            ("{\"lines\":[{\"product\":\"1\"}]}", "lines[0].product", "expected a whole number"),
            ("{\"lines\":[{\"product\":-1}]}", "lines[0].product", "expected a whole number"),
            ("{\"lines\":[{\"product\":1.5}]}", "lines[0].product", "expected a whole number"),
            ("{\"lines\":[{\"product\":4294967296}]}", "lines[0].product", "expected a whole number"),
            ("{\"lines\":[{\"product\":null}]}", "lines[0].product", "expected a whole number"),
            ("{\"lines\":[{\"product\":1,\"price\":\"a\"}]}", "lines[0].price", "expected a number"),
            ("{\"lines\":[{\"product\":1,\"note\":[]}]}", "lines[0].note", "expected a string"),
            ("{\"lines\":[{\"product\":1,\"cost\":1}]}", "lines[0].cost", "unknown field `cost`"),
        ];
        for (text, path, detail) in cases {
            let found = member(text);
            assert_eq!(found.0.as_deref(), Some(path), "{text}: {}", found.1);
            assert!(found.1.contains(detail), "{text}: {}", found.1);
        }
        assert_eq!(member("1").0, None, "it is the whole body");
    }

    #[test]
    fn what_is_no_json_has_no_member() {
        let refused = |body: &str| from_slice_by_member::<Order>(&mut body.as_bytes().to_vec());
        assert_eq!(refused("{"), Err(JsonError::Syntax));
        assert_eq!(refused(&"[".repeat(20_000)), Err(JsonError::Depth));
        let nested = format!("{}{}", "[".repeat(limits::JSON_DEPTH + 1), "]".repeat(limits::JSON_DEPTH + 1));
        assert_eq!(refused(&nested), Err(JsonError::Depth));
        let order = Order { lines: vec![Line { product: 1, price: None, note: String::new() }] };
        assert_eq!(refused("{\"lines\":[{\"product\":1}]}"), Ok(order));
    }

    #[test]
    fn nesting_is_bounded_before_any_recursion() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
        for depth in [limits::JSON_DEPTH + 1, 100, 20_000] {
            assert_eq!(
                from_slice::<IgnoredAny>(&mut nested(depth)).unwrap_err(),
                JsonError::Depth,
                "{depth}"
            );
        }
        assert!(from_slice::<IgnoredAny>(&mut nested(limits::JSON_DEPTH)).is_ok());
    }

    #[test]
    fn what_an_error_quotes_is_bounded() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Empty {}
        let mut body = format!("{{\"{}\":1}}", "é".repeat(10_000)).into_bytes();
        let Err(JsonError::Data(detail)) = from_slice::<Empty>(&mut body) else { panic!("it was taken") };
        assert!(detail.len() <= DETAIL_BYTES && detail.starts_with("unknown field `éé"), "{detail}");
    }
}
