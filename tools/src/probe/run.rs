//! Runs cases, several at a time, and judges each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::case::{Case, Level};
use super::cases::SMUGGLING;
use super::outcome::{self, Baseline};
use super::template::{Hidden, Names, Step};
use super::wire::{self, Seen};
use crate::answer::find;
use crate::client::Target;

/// What a case came to, from best to worst.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    Passed,
    /// Allowed, but not what the RFC asks for.
    Warned(String),
    Failed(String),
    /// A request inside another one was carried out.
    Smuggled(String),
}

#[derive(Clone)]
pub struct Outcome {
    pub case: Case,
    pub verdict: Verdict,
    pub sent: Vec<Step>,
    pub seen: Seen,
}

pub struct Runner {
    pub target: Target,
    pub names: Names,
    pub timeout: Duration,
    pub threads: usize,
    pub baseline: Baseline,
    /// Whether answers may be handed to the wrong client, as they may where connections to the server are
    /// shared.
    pub proxy: bool,
    /// Whether rows can be searched for. Learned: if what was certainly stored is not found, finding nothing
    /// means nothing.
    pub search: bool,
}

/// How many strangers are asked after a smuggling case whether they get answers of their own.
const STRANGERS: usize = 5;
/// A busy machine can be late; what looked like silence is tried once more with this much patience.
const PATIENCE: u32 = 3;

/// A plain request, and the end of the connection, which spares waiting for more.
const LAST: &str = "{get}Connection: close\r\n\r\n";

impl Runner {
    /// The statuses of good requests; without them nothing can be judged.
    pub fn learn(&mut self) -> Result<(), String> {
        let post = "{post}Connection: close\r\nContent-Length: {cl}\r\n\r\n{body}{json}";
        self.baseline = Baseline { ok: self.ask(LAST, 2)?, done: self.ask(post, 2)? };
        if self.ask("{lost}", 2)? != 404 {
            return Err(
                "a path that is not there is not a 404; the cases that tell requests apart need that"
                    .to_owned(),
            );
        }
        self.search = self.finds(&format!("pro{}", self.names.run))?;
        match self.baseline {
            Baseline { ok, .. } if !(200..300).contains(&ok) => {
                Err(format!("GET {} gives {ok}", self.names.path))
            }
            Baseline { done, .. } if !(200..300).contains(&done) => {
                Err(format!("a good POST to {} gives {done}", self.names.post))
            }
            _ => Ok(()),
        }
    }

    fn ask(&self, template: &str, patience: u32) -> Result<u16, String> {
        let (seen, _, _) = self.exchange(template, None, Hidden::Get, self.timeout * patience)?;
        match &seen.answers[..] {
            [answer] => Ok(answer.status),
            _ => Err(format!("no single answer to a plain request: {seen}")),
        }
    }

    fn exchange(
        &self,
        template: &str,
        head_at: Option<usize>,
        hidden: Hidden,
        timeout: Duration,
    ) -> Result<(Seen, Vec<Step>, usize), String> {
        let (steps, serial) = self.names.fill(template, hidden)?;
        let seen = wire::talk(&self.target, &steps, head_at, timeout)
            .map_err(|error| format!("no connection to {}: {error}", self.target))?;
        Ok((seen, steps, serial))
    }

    /// All cases, in their order.
    pub fn run(&self, cases: &[Case], hidden: Hidden) -> Vec<Outcome> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(cases.len()));
        thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let outcome = self.one(case, hidden);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                    }
                });
            }
        });
        let mut outcomes = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcomes.sort_by_key(|outcome| {
            let same = |case: &Case| case.category == outcome.case.category && case.id == outcome.case.id;
            cases.iter().position(same)
        });
        outcomes
    }

    fn one(&self, case: &Case, hidden: Hidden) -> Outcome {
        let mut outcome = self.attempt(case, hidden, self.timeout);
        let late = !outcome.seen.closed && matches!(outcome.verdict, Verdict::Warned(_) | Verdict::Failed(_));
        if late {
            outcome = self.attempt(case, hidden, self.timeout * PATIENCE);
        }
        if case.category == SMUGGLING && self.proxy {
            outcome.verdict = outcome.verdict.max(self.strangers());
        }
        if let Err(what) = self.is_alive() {
            outcome.verdict = outcome.verdict.max(Verdict::Failed(what));
        }
        outcome
    }

    fn attempt(&self, case: &Case, hidden: Hidden, timeout: Duration) -> Outcome {
        let mut outcome =
            Outcome { case: *case, verdict: Verdict::Passed, sent: Vec::new(), seen: Seen::default() };
        match self.exchange(case.sends, case.head_at, hidden, timeout) {
            Ok((seen, sent, serial)) => {
                outcome.verdict = self.judge(case, &seen);
                if case.category == SMUGGLING && hidden == Hidden::Post {
                    outcome.verdict = outcome.verdict.max(match self.has_stored(case, &seen, serial) {
                        Ok(false) => Verdict::Passed,
                        Ok(true) => Verdict::Smuggled("the hidden request has stored its row".to_owned()),
                        Err(what) => Verdict::Failed(what),
                    });
                }
                (outcome.seen, outcome.sent) = (seen, sent);
            }
            Err(what) => outcome.verdict = Verdict::Failed(what),
        }
        outcome
    }

    fn judge(&self, case: &Case, seen: &Seen) -> Verdict {
        if case.category == SMUGGLING && seen.finals() > room(case) {
            let what = format!("{} answers where {} is the most", seen.finals(), room(case));
            return if self.proxy { Verdict::Failed(what) } else { Verdict::Smuggled(what) };
        }
        let preferred = !case.preferred.is_empty() && outcome::fits(case.preferred, seen, self.baseline);
        if !preferred && !outcome::fits(case.allowed, seen, self.baseline) {
            return Verdict::Failed(format!("allowed: {}", allowed(case)));
        }
        if !seen.faults.is_empty() {
            return Verdict::Failed(seen.faults.join("; "));
        }
        if let Some(Err(what)) = case.check.map(|check| check(seen)) {
            return if case.level == Level::Must { Verdict::Failed(what) } else { Verdict::Warned(what) };
        }
        if case.level == Level::Should && !preferred {
            return Verdict::Warned(format!("preferred: {}", case.preferred));
        }
        Verdict::Passed
    }

    fn is_alive(&self) -> Result<(), String> {
        match self.ask(LAST, PATIENCE) {
            Ok(status) if status == self.baseline.ok => Ok(()),
            Ok(status) => Err(format!("a plain request afterwards gives {status}")),
            Err(what) => Err(format!("a plain request afterwards: {what}")),
        }
    }

    /// A stranger asks for a path that is not there: any answer but 404 was meant for somebody else.
    fn strangers(&self) -> Verdict {
        for _ in 0..STRANGERS {
            match self.ask("{lost}", PATIENCE) {
                Ok(404) => {}
                Ok(status) => {
                    return Verdict::Smuggled(format!(
                        "a stranger afterwards was answered with {status} for 404"
                    ));
                }
                Err(what) => return Verdict::Failed(format!("a stranger afterwards: {what}")),
            }
        }
        Verdict::Passed
    }

    /// Whether the server finds what was stored with this in its nickname.
    fn finds(&self, nickname: &str) -> Result<bool, String> {
        let template =
            format!("GET {{postpath}}?t={nickname} HTTP/1.1\r\nHost: {{host}}\r\nConnection: close\r\n\r\n");
        let (seen, _, _) = self.exchange(&template, None, Hidden::Get, self.timeout * PATIENCE)?;
        Ok(seen.answers.first().is_some_and(|answer| find(&answer.body, nickname.as_bytes()).is_some()))
    }

    /// What a hidden request has stored was carried out, whether or not an answer to it came back. A proxy
    /// that takes the bytes for two requests hands over two, and answers both: its reading is lax, but nobody
    /// else's requests are touched.
    fn has_stored(&self, case: &Case, seen: &Seen, serial: usize) -> Result<bool, String> {
        let is_the_proxys_reading = self.proxy && seen.finals() > room(case);
        Ok(self.search && !is_the_proxys_reading && self.finds(&self.names.hidden_nickname(serial))?)
    }
}

/// The most final answers that the case has room for.
fn room(case: &Case) -> usize {
    outcome::most_answers(case.allowed).max(outcome::most_answers(case.preferred))
}

fn allowed(case: &Case) -> String {
    if case.preferred.is_empty() {
        case.allowed.to_owned()
    } else {
        format!("{}, at least {}", case.preferred, case.allowed)
    }
}
