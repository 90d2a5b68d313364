//! The tables.

mod connection;
mod framing;
mod head;
mod smuggling;
mod tricks;

use crate::probe::case::Case;
use crate::probe::outcome;

pub const SMUGGLING: &str = "smuggling";

pub fn all() -> Result<Vec<Case>, String> {
    let tables: [(&str, &[Case]); 18] = [
        ("request line", head::REQUEST_LINE),
        ("versions", head::VERSIONS),
        ("targets", head::TARGETS),
        ("host", head::HOST),
        ("fields", head::FIELDS),
        ("content-length", framing::CONTENT_LENGTH),
        ("chunked", framing::CHUNKED),
        (SMUGGLING, &smuggling::disguised()),
        (SMUGGLING, smuggling::LENGTHS),
        (SMUGGLING, smuggling::BODIES),
        (SMUGGLING, tricks::CHUNKS),
        (SMUGGLING, tricks::HEADS),
        ("persistence", connection::PERSISTENCE),
        ("methods", connection::METHODS),
        ("expect", connection::EXPECT),
        ("upgrade", connection::UPGRADE),
        ("limits", connection::LIMITS),
        ("time", connection::TIME),
    ];
    let late: [(&str, &[Case]); 2] =
        [("http/1.0", connection::HTTP_1_0), ("robustness", connection::ROBUSTNESS)];
    let mut cases = Vec::new();
    for (category, table) in tables.into_iter().chain(late) {
        cases.extend(table.iter().map(|case| Case { category, ..*case }));
    }
    let bad =
        cases.iter().find(|case| !outcome::is_valid(case.allowed) || !outcome::is_valid(case.preferred));
    match bad {
        Some(case) => Err(format!("{} {}: no outcome is written like that", case.category, case.id)),
        None => Ok(cases),
    }
}
