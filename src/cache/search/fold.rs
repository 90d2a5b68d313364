//! Case folding: Unicode *simple* lower case, one character to one, as Postgres's builtin `C.UTF-8` locale
//! has it.

use std::borrow::Cow;

/// Upper-case letters that are younger than the Unicode version of Postgres 17 (15.1): its `lower` leaves
/// them alone, so this must, or memory and SQL would find different people. A test compares all code points
/// with the database.
const YOUNGER_THAN_POSTGRES: &[(char, char)] = &[
    ('\u{1c89}', '\u{1c89}'),
    ('\u{a7cb}', '\u{a7cc}'),
    ('\u{a7ce}', '\u{a7ce}'),
    ('\u{a7d2}', '\u{a7d2}'),
    ('\u{a7d4}', '\u{a7d4}'),
    ('\u{a7da}', '\u{a7da}'),
    ('\u{a7dc}', '\u{a7dc}'),
    ('\u{10d50}', '\u{10d65}'),
    ('\u{16ea0}', '\u{16eb8}'),
];

/// The lower case of one character.
#[must_use]
pub fn fold_char(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    if YOUNGER_THAN_POSTGRES.iter().any(|(first, last)| (*first..=*last).contains(&character)) {
        return character;
    }
    // The full mapping differs from the simple one for U+0130 alone, whose full form begins with the simple
    // one.
    character.to_lowercase().next().unwrap_or(character)
}

/// The lower case of a text, borrowed if it is lower case already.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.chars().all(|character| fold_char(character) == character) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(fold_char).collect())
}

/// Appends the lower case of a text.
pub fn fold_into(out: &mut Vec<u8>, text: &str) {
    if text.is_ascii() {
        out.extend(text.bytes().map(|byte| byte.to_ascii_lowercase()));
        return;
    }
    for character in text.chars().map(fold_char) {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{fold, fold_into};

    #[test]
    fn accents_and_the_dotted_i_are_folded_simply() {
        assert_eq!(fold("ÉRICA İ ẞ Σ"), "érica i ß σ");
        assert!(matches!(fold("érica"), std::borrow::Cow::Borrowed(_)));
        let mut out = Vec::new();
        fold_into(&mut out, "AbÇ");
        assert_eq!(out, "abç".as_bytes());
    }
}
