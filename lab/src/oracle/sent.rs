//! What all oracles share: creations with their answers, ids, values as they were written, examples in words.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// Sentences about what is wrong, in one record.
pub(super) const MAX_EXAMPLES: usize = 10;
/// So that one kind of fault does not hide the others.
pub(super) const MAX_EXAMPLES_OF_A_KIND: usize = 3;
/// Of a value that is quoted in an example.
const QUOTED_CHARS: usize = 60;

/// What a generator knows of the creations that it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creations {
    /// Every creation with its answer, in any order.
    Each(Vec<Creation>),
    /// The first `sent` lines were sent, each once and in their order, past the end from the beginning again.
    Counted {
        /// Creations that were sent.
        sent: u64,
        /// Answered with 201.
        acknowledged: u64,
        /// Without an answer, or with one that is neither 201 nor 4xx: stored or not, nobody knows.
        failed: u64,
    },
}

impl Default for Creations {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

/// One creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Creation {
    /// Number of the payload, from 0; it may lie past the end of the file.
    pub payload: u64,
    /// 0: no answer.
    pub status: u16,
    /// Of the person, as the `Location` says; absent where there is none, or it is no UUID.
    pub id: Option<u128>,
}

/// The id in a `Location`: its last segment, a UUID.
#[must_use]
pub fn id_of_location(location: &str) -> Option<u128> {
    id_of(location.rsplit('/').next().unwrap_or_default())
}

/// A UUID with or without hyphens as a number.
#[must_use]
pub fn id_of(text: &str) -> Option<u128> {
    let mut digits = 0;
    let mut id = 0_u128;
    for (at, byte) in text.bytes().enumerate() {
        match char::from(byte).to_digit(16) {
            Some(_) if digits == 32 => return None,
            Some(digit) => {
                id = id << 4 | u128::from(digit);
                digits += 1;
            }
            None if byte == b'-' && matches!(at, 8 | 13 | 18 | 23) => {}
            None => return None,
        }
    }
    (digits == 32).then_some(id)
}

/// The same value, as it was written or else as it reads. An absent one is null.
pub(super) fn same(got: Option<&RawValue>, sent: Option<&RawValue>) -> bool {
    let (got, sent) = (got.map_or("null", RawValue::get), sent.map_or("null", RawValue::get));
    got == sent
        || match (serde_json::from_str::<Value>(got), serde_json::from_str::<Value>(sent)) {
            (Ok(got), Ok(sent)) => got == sent,
            _ => false,
        }
}

pub(super) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(QUOTED_CHARS).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", shown.escape_debug())
}

/// How many examples there are of each kind of fault.
#[derive(Default)]
pub(super) struct Kinds(HashMap<&'static str, usize>);

impl Kinds {
    /// Keeps a sentence among `examples`, if there is room for more of its kind.
    pub(super) fn say(
        &mut self,
        examples: &mut Vec<String>,
        kind: &'static str,
        sentence: impl FnOnce() -> String,
    ) {
        let of_kind = self.0.entry(kind).or_default();
        if *of_kind < MAX_EXAMPLES_OF_A_KIND && examples.len() < MAX_EXAMPLES {
            *of_kind += 1;
            examples.push(sentence());
        }
    }
}
