use std::time::{Duration, SystemTime};

use super::Precondition::{Failed, NotModified};
use super::{EntityTag, Precondition, Tags, Validators, read_tags};
use crate::http::message::fields::FieldList;
use crate::http::message::head;
use crate::http::message::request_head::RequestHead;

/// The time of the example in RFC 9110 section 5.6.7, and the seconds around it.
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn then() -> SystemTime {
    // A fraction that no field can show.
    SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_900)
}

fn current() -> Validators<'static> {
    Validators { entity_tag: EntityTag::strong("a"), last_modified: Some(then()) }
}

fn check(
    method: &str,
    fields: &[(&str, &str)],
    current: Option<&Validators<'_>>,
) -> Result<(), Precondition> {
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let mut list = FieldList::new();
    let head = head::parse(text.as_bytes(), &mut list).unwrap().unwrap();
    RequestHead::new(&head, &list, None).precondition(current)
}

#[test]
fn rfc_9110_8_8_3_a_tag_is_quoted_and_holds_no_quotes() {
    assert_eq!(EntityTag::strong("xyzzy").unwrap().to_string(), "\"xyzzy\"");
    assert_eq!(EntityTag::weak("é,!").unwrap().to_string(), "W/\"é,!\"");
    assert_eq!(EntityTag::strong("").unwrap().to_string(), "\"\"");
    for broken in ["\"", "a b", "a\n", "\t", "\u{7f}"] {
        assert_eq!((EntityTag::strong(broken), EntityTag::weak(broken)), (None, None), "{broken:?}");
    }
}

/// Method, fields, and what comes of them.
type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], Result<(), Precondition>);

/// The table of that section.
#[test]
fn rfc_9110_8_8_3_2_strong_and_weak_comparison() {
    let table = [
        ("W/\"1\"", "W/\"1\"", false, true),
        ("W/\"1\"", "W/\"2\"", false, false),
        ("W/\"1\"", "\"1\"", false, true),
        ("\"1\"", "\"1\"", true, true),
    ];
    for (ours, theirs, strong, weak) in table {
        let opaque = ours.trim_start_matches("W/").trim_matches('"');
        let tag = if ours.starts_with('W') { EntityTag::weak(opaque) } else { EntityTag::strong(opaque) };
        let validators = Validators { entity_tag: tag, last_modified: None };
        let holds = |name| check("PUT", &[(name, theirs)], Some(&validators)).is_ok();
        assert_eq!((holds("if-match"), !holds("if-none-match")), (strong, weak), "{ours} {theirs}");
    }
}

#[test]
fn rfc_9110_13_1_1_if_match() {
    let state = current();
    let put = |value, current: Option<&Validators<'_>>| check("PUT", &[("if-match", value)], current);
    for value in ["\"a\"", "*", "\"b\", \"a\"", ",\"b\",,\"a\","] {
        assert_eq!(put(value, Some(&state)), Ok(()), "{value}");
    }
    for value in ["\"b\"", "W/\"a\"", "\"A\"", "a", "\"a", "", "*, \"a\"", "\"a\" \"b\"", "w/\"a\""] {
        assert_eq!(put(value, Some(&state)), Err(Failed), "{value}");
    }
    // `*` asks whether there is anything.
    assert_eq!(put("*", None), Err(Failed));
    assert_eq!(put("\"a\"", None), Err(Failed));
    assert_eq!(check("GET", &[("if-match", "\"b\"")], Some(&state)), Err(Failed), "for GET too");
    assert_eq!(put("\"a\"", Some(&Validators::default())), Err(Failed), "nothing to compare with");
}

#[test]
fn rfc_9110_13_1_2_if_none_match() {
    let state = current();
    for value in ["\"a\"", "W/\"a\"", "*", "\"b\",W/\"a\"", "\"x,y\" , \"a\""] {
        assert_eq!(check("GET", &[("if-none-match", value)], Some(&state)), Err(NotModified), "{value}");
        assert_eq!(check("HEAD", &[("if-none-match", value)], Some(&state)), Err(NotModified), "{value}");
        assert_eq!(check("PUT", &[("if-none-match", value)], Some(&state)), Err(Failed), "{value}");
    }
    for value in ["\"b\"", "\"\"", "\"x,a\"", ""] {
        assert_eq!(check("GET", &[("if-none-match", value)], Some(&state)), Ok(()), "{value}");
        assert_eq!(check("PUT", &[("if-none-match", value)], Some(&state)), Ok(()), "{value}");
    }
    // Nothing is there yet: the PUT that creates.
    assert_eq!(check("PUT", &[("if-none-match", "*")], None), Ok(()));
    // What cannot be read gets the whole answer, and changes nothing.
    for value in ["a", "\"a", "*, \"b\"", "\"a\";\"b\""] {
        assert_eq!(check("GET", &[("if-none-match", value)], Some(&state)), Ok(()), "{value}");
        assert_eq!(check("PUT", &[("if-none-match", value)], Some(&state)), Err(Failed), "{value}");
    }
}

#[test]
fn rfc_9110_5_3_a_list_goes_on_in_the_next_line() {
    let state = current();
    let two = |one, two| check("GET", &[("if-none-match", one), ("If-None-Match", two)], Some(&state));
    assert_eq!(two("\"b\"", "\"a\""), Err(NotModified));
    assert_eq!(two("\"b\"", "\"c\""), Ok(()));
    assert_eq!(two("*", "\"c\""), Ok(()), "an asterisk stands alone");
}

#[test]
fn rfc_9110_13_1_3_if_modified_since() {
    let state = current();
    let get = |value| check("GET", &[("if-modified-since", value)], Some(&state));
    assert_eq!((get(BEFORE), get(THEN), get(AFTER)), (Ok(()), Err(NotModified), Err(NotModified)));
    for same in ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        assert_eq!(get(same), Err(NotModified), "{same}: a date of old");
    }
    for ignored in ["", "now", "784111777", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET"] {
        assert_eq!(get(ignored), Ok(()), "{ignored}");
    }
    let twice = [("if-modified-since", THEN), ("if-modified-since", AFTER)];
    assert_eq!(check("GET", &twice, Some(&state)), Ok(()), "one member alone counts");
    assert_eq!(check("PUT", &[("if-modified-since", AFTER)], Some(&state)), Ok(()), "for GET and HEAD");
    assert_eq!(check("GET", &[("if-modified-since", AFTER)], Some(&Validators::default())), Ok(()));
    assert_eq!(check("GET", &[("if-modified-since", AFTER)], None), Ok(()));
}

#[test]
fn rfc_9110_13_1_4_if_unmodified_since() {
    let state = current();
    let put = |value| check("PUT", &[("if-unmodified-since", value)], Some(&state));
    assert_eq!((put(BEFORE), put(THEN), put(AFTER)), (Err(Failed), Ok(()), Ok(())));
    assert_eq!(put("never"), Ok(()), "no date is no condition");
    assert_eq!(check("GET", &[("if-unmodified-since", BEFORE)], Some(&state)), Err(Failed), "for GET too");
    let undated = Validators { last_modified: None, ..current() };
    assert_eq!(check("PUT", &[("if-unmodified-since", BEFORE)], Some(&undated)), Ok(()));
}

#[test]
fn rfc_9110_13_2_2_the_order_of_precedence() {
    let state = current();
    let cases: &[Case<'_>] = &[
        // Tags outweigh dates.
        ("PUT", &[("if-match", "\"a\""), ("if-unmodified-since", BEFORE)], Ok(())),
        ("PUT", &[("if-match", "\"b\""), ("if-unmodified-since", AFTER)], Err(Failed)),
        ("GET", &[("if-none-match", "\"b\""), ("if-modified-since", AFTER)], Ok(())),
        ("GET", &[("if-none-match", "\"a\""), ("if-modified-since", BEFORE)], Err(NotModified)),
        // What protects goes before what saves.
        ("GET", &[("if-none-match", "\"a\""), ("if-match", "\"b\"")], Err(Failed)),
        ("GET", &[("if-none-match", "\"a\""), ("if-match", "\"a\"")], Err(NotModified)),
        ("GET", &[("if-modified-since", AFTER), ("if-unmodified-since", BEFORE)], Err(Failed)),
        ("GET", &[("if-modified-since", AFTER), ("if-unmodified-since", AFTER)], Err(NotModified)),
        ("DELETE", &[("if-match", "*"), ("if-none-match", "*")], Err(Failed)),
        ("GET", &[], Ok(())),
    ];
    for (method, fields, expected) in cases {
        assert_eq!(check(method, fields, Some(&state)), *expected, "{method} {fields:?}");
    }
}

#[test]
fn a_list_is_read_to_its_end() {
    let read = |line: &str| read_tags(line.as_bytes(), |listed| listed.opaque == b"a");
    assert_eq!(read("\"a\", \"b"), Tags::Malformed, "also behind the one that is wanted");
    assert_eq!(read("\"a\"\t,\tW/\"b\""), Tags::Listed { found: true });
    assert_eq!(read(" , "), Tags::Listed { found: false });
    assert_eq!(read("\"\u{e9}\", \"a\""), Tags::Listed { found: true });
    assert_eq!(read("\"b c\", \"a\""), Tags::Malformed);
    assert_eq!(read("**"), Tags::Malformed);
}
