//! Ids as clients write them.

use uuid::Uuid;

/// The hyphenated form, in either case; the other forms of a UUID are not what we hand out.
pub(super) fn parse(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}
