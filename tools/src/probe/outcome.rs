//! The language of expected outcomes: alternatives parted by `|`, each a sequence of statuses and what
//! becomes of the connection.
//!
//! `ok` is the status of a plain GET, `done` that of a good POST, both learned before the first case. `4xx`
//! is a class, `400/501` a choice, `any` any final status, `own` one that is not a hidden GET's, `404*3` the
//! same three times, `none` no answer at all. `close` or `open` at the end asks for that; without it the
//! server is free.

use super::wire::Seen;

/// Statuses that the server itself gives to good requests.
#[derive(Clone, Copy, Debug)]
pub struct Baseline {
    pub ok: u16,
    pub done: u16,
}

pub fn fits(outcome: &str, seen: &Seen, baseline: Baseline) -> bool {
    outcome.split('|').any(|alternative| one_fits(alternative, seen, baseline))
}

fn one_fits(alternative: &str, seen: &Seen, baseline: Baseline) -> bool {
    let mut statuses = seen.answers.iter().map(|answer| answer.status);
    for word in alternative.split_whitespace() {
        let (word, times) = repeated(word);
        let mut next_fits = || {
            let status = statuses.next();
            status.is_some_and(|status| word.split('/').any(|one| status_fits(one, status, baseline)))
        };
        let holds = match word {
            "close" => seen.closed,
            "open" => !seen.closed,
            "none" => true,
            _ => (0..times).all(|_| next_fits()),
        };
        if !holds {
            return false;
        }
    }
    statuses.next().is_none()
}

fn repeated(word: &str) -> (&str, usize) {
    match word.split_once('*') {
        Some((word, times)) => (word, times.parse().unwrap_or(0)),
        None => (word, 1),
    }
}

fn status_fits(word: &str, status: u16, baseline: Baseline) -> bool {
    match word {
        "ok" => status == baseline.ok,
        "done" => status == baseline.done,
        "any" => status >= 200,
        "own" => status >= 200 && (status != baseline.ok || baseline.ok == baseline.done),
        "1xx" | "2xx" | "3xx" | "4xx" | "5xx" => {
            word.starts_with(char::from(b'0' + (status / 100 % 10) as u8))
        }
        _ => word.parse() == Ok(status),
    }
}

/// The most final answers that an outcome has room for. One more was given to a request that was none.
pub fn most_answers(outcome: &str) -> usize {
    let of_one = |alternative: &str| -> usize {
        alternative
            .split_whitespace()
            .filter(|word| !matches!(*word, "close" | "open" | "none") && !word.starts_with('1'))
            .map(|word| repeated(word).1)
            .sum()
    };
    outcome.split('|').map(of_one).max().unwrap_or(0)
}

/// A table with a slip in it would pass or fail everything; better to stop.
pub fn is_valid(outcome: &str) -> bool {
    outcome.split(['|', ' ', '/']).filter(|word| !word.is_empty()).all(|word| {
        let (word, _) = repeated(word);
        matches!(word, "ok" | "done" | "any" | "own" | "none" | "close" | "open")
            || word.ends_with("xx")
            || word.parse::<u16>().is_ok_and(|status| (100..600).contains(&status))
    })
}
