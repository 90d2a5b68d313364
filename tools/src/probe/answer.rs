//! What every answer owes, whatever it answers.

use crate::answer::all;
use crate::client::Answer;

/// The answers in what came, and what is wrong with them.
pub fn parse(raw: &[u8], head_at: Option<usize>, closed: bool) -> (Vec<Answer>, Vec<String>) {
    let (answers, rest) = all(raw, closed, |before| head_at == Some(before.len()));
    let faults = answers.iter().flat_map(faults).chain(rest).collect();
    (answers, faults)
}

pub fn faults(answer: &Answer) -> Vec<String> {
    let mut faults = Vec::new();
    let status = answer.status;
    let count = |name: &str| answer.values(name).count();
    if answer.minor != 1 {
        faults.push(format!("{status} says HTTP/1.{} (9110 6.2)", answer.minor));
    }
    match answer.field("date") {
        None if (200..500).contains(&status) => faults.push(format!("{status} without Date (9110 6.6.1)")),
        Some(date) if !is_date(date) => faults.push(format!("Date {date:?} (9110 5.6.7)")),
        _ => {}
    }
    if count("date") > 1 || count("content-length") > 1 {
        faults.push(format!("{status} has a field twice (9110 5.3)"));
    }
    if (status < 200 || status == 204) && count("content-length") + count("transfer-encoding") > 0 {
        faults.push(format!("{status} announces content (9110 8.6, 9112 6.1)"));
    }
    if count("content-length") > 0 && count("transfer-encoding") > 0 {
        faults.push(format!("{status} has two lengths (9112 6.2)"));
    }
    if status == 405 && count("allow") == 0 {
        faults.push("405 without Allow (9110 15.5.6)".to_owned());
    }
    if matches!(status, 101 | 426) && count("upgrade") == 0 {
        faults.push(format!("{status} without Upgrade (9110 7.8)"));
    }
    faults
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that may be sent, is the only one that is written again as
/// it was read.
pub fn is_date(text: &str) -> bool {
    httpdate::parse_http_date(text).is_ok_and(|date| httpdate::fmt_http_date(date) == text)
}
