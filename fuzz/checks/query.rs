//! A query's parameter is found and decoded without a panic, and encoding what came out leads back to it.
//!
//! Input: the name, a line feed, the query; both as UTF-8.

use pouco::http::url::{decode_path_component, decode_query_component, query_values};

/// Panics where what comes out is not what went in.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (name, query) = text.split_once('\n').unwrap_or(("t", text));
    check_round_trip(text);
    if let Some(decoded) = decode_query_component(query) {
        assert!(decoded.len() <= query.len(), "decoding does not grow");
        check_round_trip(&decoded);
    }
    let values: Vec<&str> = query_values(query, name).collect();
    assert_eq!(values, reference(query, name));
    for value in values {
        assert!(!value.contains('&'));
        let _ = decode_query_component(value);
    }
}

/// Any text, encoded, put into a query and read from it, is the same text.
fn check_round_trip(text: &str) {
    let query = format!("a=1&t={}&t=2", encode(text));
    let raw = query_values(&query, "t").next().expect("the parameter that was put there");
    let mut decoded = decode_query_component(raw).expect("what was encoded can be decoded").into_owned();
    if super::canary(|| text.contains("%2")) {
        decoded = decoded.replace("%2", "%");
    }
    assert_eq!(decoded, text);
    // A path has no `+` for a blank; otherwise it is encoded alike.
    let in_path = encode(text).replace('+', "%20");
    assert_eq!(decode_path_component(&in_path).as_deref(), Some(text));
}

/// RFC 3986's unreserved characters as they are, a blank as a form sends it, everything else as escapes of
/// either case.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b' ' => encoded.push('+'),
            _ if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => encoded.push(char::from(byte)),
            _ if index % 2 == 0 => encoded.push_str(&format!("%{byte:02x}")),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// What stands behind each `name` or `name=` between ampersands, in another way than the engine's.
fn reference<'q>(query: &'q str, name: &str) -> Vec<&'q str> {
    let mut values = Vec::new();
    for pair in query.split('&') {
        let key_end = pair.find('=').unwrap_or(pair.len());
        if decode_query_component(&pair[..key_end]).as_deref() == Some(name) {
            values.push(pair.get(key_end + 1..).unwrap_or_default());
        }
    }
    values
}
