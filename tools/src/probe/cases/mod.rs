//! The tables.

mod connection;
mod framing;
mod head;
mod ours;
mod ours_bodies;
mod smuggling;
mod tricks;

use crate::probe::case::Case;
use crate::probe::outcome;

pub const SMUGGLING: &str = "smuggling";

/// Every case, asked by the one or by the other.
pub fn all() -> Result<Vec<Case>, String> {
    let tables: [(&str, &[&[Case]]); 18] = [
        ("request line", &[head::REQUEST_LINE, ours::REQUEST_LINE]),
        ("versions", &[head::VERSIONS, ours::VERSIONS]),
        ("targets", &[head::TARGETS, ours::TARGETS]),
        ("host", &[head::HOST, ours::HOSTS]),
        ("fields", &[head::FIELDS, ours::FIELDS]),
        ("content-length", &[framing::CONTENT_LENGTH, ours_bodies::LENGTHS]),
        ("transfer-encoding", &[ours_bodies::CODINGS]),
        ("chunked", &[framing::CHUNKED, ours_bodies::CHUNKED]),
        (
            SMUGGLING,
            &[
                &smuggling::disguised(),
                smuggling::LENGTHS,
                smuggling::BODIES,
                tricks::CHUNKS,
                tricks::HEADS,
                ours_bodies::SMUGGLING,
            ],
        ),
        ("persistence", &[connection::PERSISTENCE, ours::CONNECTION]),
        ("methods", &[connection::METHODS, ours::METHODS]),
        ("expect", &[connection::EXPECT]),
        ("upgrade", &[connection::UPGRADE, ours::UPGRADES]),
        ("limits", &[connection::LIMITS, ours::LIMITS]),
        ("time", &[connection::TIME]),
        ("http/1.0", &[connection::HTTP_1_0]),
        ("robustness", &[connection::ROBUSTNESS]),
        ("answers", &[ours::ANSWERS]),
    ];
    let mut cases: Vec<Case> = Vec::new();
    for (category, tables) in tables {
        cases.extend(tables.iter().copied().flatten().map(|case| Case { category, ..*case }));
    }
    let is_valid =
        |case: &Case| [case.allowed, case.preferred, case.exact].into_iter().all(outcome::is_valid);
    match cases.iter().find(|case| !is_valid(case)) {
        Some(case) => Err(format!("{} {}: no outcome is written like that", case.category, case.id)),
        None => Ok(cases),
    }
}

/// Those that any server is asked.
pub fn asked() -> Result<Vec<Case>, String> {
    Ok(all()?.into_iter().filter(|case| !case.allowed.is_empty()).collect())
}
