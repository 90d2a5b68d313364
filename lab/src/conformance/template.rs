//! Text with variables: `{name}`, and `{repeat:TEXT:COUNT}` for text that is too long to write down.
//!
//! Braces of JSON never stand before a letter, so they need no escape. A pattern's `{32}` is not a variable
//! either.

use std::collections::BTreeMap;

/// More than any limit that a contest has, and little enough to send.
const MAX_REPEAT: usize = 100_000;
/// A value may use other values; deeper than this it uses itself.
const MAX_DEPTH: usize = 8;

pub(super) type Values = BTreeMap<String, String>;

/// A variable that has no value (yet), or a `{repeat:…}` that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfilled(pub(super) String);

/// Puts values in the place of variables.
pub(super) fn fill(template: &str, values: &Values) -> Result<String, Unfilled> {
    fill_within(template, values, MAX_DEPTH)
}

/// The variables of a template, in their order.
pub(super) fn variables(template: &str) -> Vec<&str> {
    pieces(template)
        .filter_map(|piece| if let Piece::Variable(name) = piece { Some(name) } else { None })
        .collect()
}

fn fill_within(template: &str, values: &Values, depth: usize) -> Result<String, Unfilled> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Unfilled(format!("`{template}` is nested over {MAX_DEPTH} deep")));
    };
    let mut out = String::with_capacity(template.len());
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Repeat(text, count) => match count.parse::<usize>() {
                Ok(count) if count <= MAX_REPEAT => out.push_str(&text.repeat(count)),
                _ => {
                    return Err(Unfilled(format!("{{repeat:{text}:{count}}}: 0 to {MAX_REPEAT} is allowed")));
                }
            },
            Piece::Variable(name) => match values.get(name) {
                Some(value) => out.push_str(&fill_within(value, values, depth)?),
                None => return Err(Unfilled(format!("{{{name}}} has no value"))),
            },
        }
    }
    Ok(out)
}

enum Piece<'t> {
    Text(&'t str),
    Variable(&'t str),
    Repeat(&'t str, &'t str),
}

fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((piece, length)) = variable_at_start(rest) {
            rest = &rest[length..];
            return Some(piece);
        }
        let next =
            rest.match_indices('{').map(|(at, _)| at).find(|at| variable_at_start(&rest[*at..]).is_some());
        let (text, after) = rest.split_at(next.unwrap_or(rest.len()));
        rest = after;
        Some(Piece::Text(text))
    })
}

fn variable_at_start(text: &str) -> Option<(Piece<'_>, usize)> {
    let inside = text.strip_prefix('{')?;
    let inside = &inside[..inside.find('}')?];
    let length = inside.len() + 2;
    if let Some((text, count)) = inside.strip_prefix("repeat:").and_then(|rest| rest.rsplit_once(':')) {
        return Some((Piece::Repeat(text, count), length));
    }
    is_name(inside).then_some((Piece::Variable(inside), length))
}

/// Whether `{name}` is a variable.
pub(super) fn is_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        [("a", "1"), ("long_name2", "{a}{a}"), ("round", "{round}")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn variables_and_repetitions_are_filled_and_json_stays() {
        for (template, filled) in [
            ("{a}", "1"),
            ("{\"x\":{a},\"y\":{}}", "{\"x\":1,\"y\":{}}"),
            ("{\"x\":\"{long_name2}\"}", "{\"x\":\"11\"}"),
            ("é{repeat:é日:3}{a", "éé日é日é日{a"),
            ("{repeat:[:4}{repeat:]:4}", "[[[[]]]]"),
            ("{repeat:::2}{repeat:x:0}", "::"),
            ("^[0-9]{32}$", "^[0-9]{32}$"),
            ("{{a}}", "{1}"),
            ("{A}{ a}{", "{A}{ a}{"),
            ("", ""),
        ] {
            assert_eq!(fill(template, &values()).as_deref(), Ok(filled), "{template}");
        }
        assert_eq!(variables("{\"x\":\"{a}{repeat:z:3}\"}{b_1}"), ["a", "b_1"]);
    }

    #[test]
    fn what_cannot_be_filled_is_named() {
        for (template, said) in [
            ("{b}", "{b} has no value"),
            ("{round}", "nested"),
            ("{repeat:x:-1}", "0 to"),
            ("{repeat:x:100001}", "0 to"),
        ] {
            let Unfilled(why) = fill(template, &values()).unwrap_err();
            assert!(why.contains(said), "{template}: {why}");
        }
    }
}
