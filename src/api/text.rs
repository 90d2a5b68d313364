//! Texts of a bounded length, checked where a body is read, so that an error names the member.

use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error};

/// A text of one to `MOST` characters, not all of them blank, without control characters (a NUL is no text to
/// Postgres).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<const MOST: usize>(String);

impl<const MOST: usize> Deref for Text<MOST> {
    type Target = String;

    fn deref(&self) -> &String {
        &self.0
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Text<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.chars().count() > MOST {
            return Err(D::Error::custom(format_args!("expected at most {MOST} characters")));
        }
        if text.trim().is_empty() {
            return Err(D::Error::custom("expected a text that is not blank"));
        }
        match text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t' | '\r'))
        {
            true => Err(D::Error::custom("expected a text without control characters")),
            false => Ok(Self(text)),
        }
    }
}
