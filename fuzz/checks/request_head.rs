//! Any bytes are a head, the beginning of one, or refused; and a head that is accepted has one reading.

use pouco::http::Method;
use pouco::http::fuzzing::{SeenHead, head_length, parse_head};

/// Panics where a head has two readings.
pub fn check(bytes: &[u8]) {
    let Ok(Some((mut head, length))) = parse_head(bytes) else { return };
    assert!(bytes[..length].ends_with(b"\r\n\r\n"), "a head ends with an empty line");
    assert_eq!(head_length(bytes), Some(length), "its end is where its line ends say");
    assert_eq!(
        parse_head(&bytes[..length]),
        Ok(Some((head.clone(), length))),
        "what follows changes nothing"
    );
    check_framing(&head);
    check_prefixes(&bytes[..length]);
    let again = render(&head);
    if super::canary(|| (11..64).contains(&head.path.len())) {
        head.path.pop();
    }
    assert_eq!(parse_head(&again), Ok(Some((head, again.len()))), "{}", again.escape_ascii());
}

/// A head that comes slowly must not be refused on its way, nor be found complete too early.
fn check_prefixes(bytes: &[u8]) {
    // Every prefix of a long head would be quadratic; the line ends are where something can change.
    for at in (1..bytes.len()).filter(|at| bytes.len() < 64 || matches!(bytes[*at], b'\r' | b'\n')) {
        assert_eq!(parse_head(&bytes[..at]), Ok(None), "refused at {at}: {}", bytes.escape_ascii());
    }
}

/// The fields, read once more without any of the engine's code, allow the framing that it has chosen.
fn check_framing(head: &SeenHead) {
    let named = |name: &str| -> Vec<&[u8]> {
        let fields = head.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.trim_ascii()).collect()
    };
    let (lengths, codings) = (named("content-length"), named("transfer-encoding"));
    match head.length {
        None => {
            assert!(lengths.is_empty() && !head.http10, "two framings");
            let all = codings.join(&b","[..]).to_ascii_lowercase();
            let stripped: Vec<u8> = all.into_iter().filter(|byte| !b" \t,".contains(byte)).collect();
            assert_eq!(stripped, b"chunked");
        }
        Some(length) => {
            assert!(codings.is_empty(), "a coding is ignored");
            let text = lengths.first().map_or("0".to_owned(), |value| String::from_utf8_lossy(value).into());
            assert_eq!(text, length.to_string(), "a length has one spelling");
            assert!(lengths.len() <= 1);
        }
    }
    assert!(head.http10 || named("host").len() == 1, "HTTP/1.1 has one host");
    assert!(head.path.starts_with('/') || head.path == "*", "{:?}", head.path);
    assert!(head.path != "*" || head.method == Method::Options);
    assert!(!head.expects_continue || !head.http10);
}

/// The head in its plainest spelling.
fn render(head: &SeenHead) -> Vec<u8> {
    let question = if head.query.is_empty() { "" } else { "?" };
    let version = if head.http10 { "1.0" } else { "1.1" };
    let mut text =
        format!("{} {}{question}{} HTTP/{version}\r\n", head.method.as_str(), head.path, head.query)
            .into_bytes();
    for (name, value) in &head.fields {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}
