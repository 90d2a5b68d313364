//! Judging where only numbers are known: how many creations were sent, acknowledged and without an answer.
//!
//! Each figure is the least that explains the numbers. Where an acknowledged person is lost and one whose
//! creation had no answer is stored, the two cancel: that can only be seen with
//! [`crate::oracle::Creations::Each`].

use super::findings::{Findings, Sent, rows_by_nick};
use super::{Excluded, Row, Taken};
use crate::lines::Lines;
use crate::oracle::sent::quoted;
use crate::record::Stored;

pub(super) fn judge(
    sent: u64,
    acknowledged: u64,
    failed: u64,
    payloads: &Lines,
    rows: &[Row],
    excluded: &Excluded,
    taken: &Taken<'_>,
) -> Stored {
    // Past the end the file begins again, and what comes then is known already.
    let lines = Sent::new(0..sent.min(payloads.count() as u64), payloads, excluded, taken);
    let rows_by_nick = rows_by_nick(rows);
    let mut findings = Findings::new(sent, rows);
    let mut absent: Vec<&str> = lines.all_nicks().filter(|nick| !rows_by_nick.contains_key(nick)).collect();
    absent.sort_unstable();

    let expected = lines.nicks();
    let missing = absent.len() as u64;
    let stored = &mut findings.stored;
    stored.acknowledged = acknowledged;
    stored.expected_high = expected;
    stored.expected_low = expected.saturating_sub(failed);
    // Each row answers for one 201, each nick that may be stored for one too.
    stored.lost = acknowledged.saturating_sub(expected - missing);
    stored.acknowledged_twice = acknowledged.saturating_sub(expected).min(stored.lost);
    // Nicks for which there was neither a 201 nor silence; those that are stored all the same were not
    // refused in the end.
    stored.wrongly_refused = expected.saturating_sub(acknowledged + failed).min(missing);
    if stored.acknowledged_twice > 0 {
        findings.say("twice", || {
            format!("{acknowledged} creations were acknowledged, of {expected} nicks that can be stored")
        });
    }
    if missing > failed {
        for nick in absent {
            findings.say("lost", || format!("{} was sent, is valid and is not stored", quoted(nick)));
        }
    }
    for row in rows.iter().filter(|row| !taken.contains(&row.apelido)) {
        findings.check_row(row, &lines, payloads);
    }
    findings.count_duplicates(&rows_by_nick, taken);
    findings.stored
}
