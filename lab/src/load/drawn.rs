//! What a request takes from the contest's data, at random: an id that is stored, one that is not, a place in
//! the list.
//!
//! It depends on the seed and on the user alone, as pauses do.

use std::fmt::Write as _;

use crate::lines::Lines;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Draw {
    /// The id of any row.
    StoredId,
    /// A random id of version 4: that one of 2^122 is among the rows does not occur.
    UnknownId,
    /// Any at which a whole page of so many rows begins.
    Offset { limit: usize },
}

impl Draw {
    /// Puts what stands in the path into `text`, and says which row it is; of a page the first.
    pub(super) fn draw(self, random: &mut fastrand::Rng, ids: &Lines, text: &mut String) -> u64 {
        let all = ids.count() as u64;
        text.clear();
        match self {
            Self::StoredId => {
                let row = random.u64(..all.max(1));
                text.push_str(&String::from_utf8_lossy(ids.get(row)));
                row
            }
            Self::UnknownId => {
                let id = format!("{:032x}", random.u128(..));
                let parts = (&id[..8], &id[8..12], &id[13..16], &id[17..20], &id[20..]);
                // A string takes all that is written to it.
                let _ = write!(text, "{}-{}-4{}-8{}-{}", parts.0, parts.1, parts.2, parts.3, parts.4);
                0
            }
            Self::Offset { limit } => {
                let row = random.u64(..=all.saturating_sub(limit as u64));
                let _ = write!(text, "{row}");
                row
            }
        }
    }

    /// Rows without which nothing can be drawn.
    pub(super) fn least_rows(self) -> usize {
        match self {
            Self::StoredId => 1,
            Self::UnknownId => 0,
            Self::Offset { limit } => limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::id_of;

    #[test]
    fn every_row_and_every_page_comes_and_nothing_beyond() {
        let texts: Vec<String> = (0..60).map(|number| format!("id{number}")).collect();
        let ids: Lines = texts.iter().map(String::as_bytes).collect();
        let mut random = fastrand::Rng::with_seed(1);
        let mut text = String::new();
        let mut all = |draw: Draw| -> Vec<u64> {
            let mut drawn: Vec<u64> = (0..2_000)
                .map(|_| {
                    let row = draw.draw(&mut random, &ids, &mut text);
                    let expected = if draw == Draw::StoredId { format!("id{row}") } else { row.to_string() };
                    assert_eq!(text, expected);
                    row
                })
                .collect();
            drawn.sort_unstable();
            drawn.dedup();
            drawn
        };
        assert_eq!(all(Draw::StoredId), (0..60).collect::<Vec<_>>());
        assert_eq!(all(Draw::Offset { limit: 50 }), (0..=10).collect::<Vec<_>>());
    }

    #[test]
    fn an_unknown_id_is_one_by_form() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut one, mut other) = (String::new(), String::new());
        for text in [&mut one, &mut other] {
            Draw::UnknownId.draw(&mut random, &Lines::default(), text);
            assert!(id_of(text).is_some() && text.len() == 36 && text.as_bytes()[14] == b'4', "{text}");
        }
        assert_ne!(one, other);
    }
}
