//! The pass over a contest's rules before the load: requests and expected answers from a file.
//!
//! ```toml
//! [values]                                   # text that many cases share
//! rest = '"nome":"Ana","nascimento":"1985-09-23"'
//!
//! [[case]]
//! rule = "A creation answers 201 and says where the person is"
//! method = "POST"
//! path = "/pessoas"
//! body = '{"apelido":"{unique}ana",{rest}}'
//! expect = { status = [201], header = { location = '/pessoas/[0-9a-f-]{36}$' } }
//! save = { ana = { header = "location", pattern = '([^/]+)$' } }
//!
//! [[case]]
//! rule = "The person is there"
//! path = "/pessoas/{ana}"
//! repeat = 8                                 # over connections of their own: behind a balancer, other replicas answer too
//! expect = { status = [200], json = '{"id":"{ana}","apelido":"{unique}ana",{rest},"stack":null}' }
//! ```
//!
//! A case may have `sql = "…"`, a statement that is run in the contestant's database before its request: so
//! it is seen whether an answer is of now.
//!
//! `bearer = "…"` sends a token, which a case before may have saved from a login's answer.
//!
//! `{unique}` is of [`UNIQUE_CHARS`] characters, other for each seed; `{repeat:x:33}` is 33 times `x`. The
//! other keys are described at the fields of `Case` and `Expect` in `cases.rs`. A status of 500 or more and
//! no answer at all are never right.
//!
//! What may not enter: a rule of any contest. Those are in its file.

mod cases;
mod expect;
mod template;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use regex_lite::Regex;

use self::cases::{Case, Cases, Save};
use self::expect::{State, quoted};
use self::template::{Unfilled, Values, fill};
use crate::http::{Answer, Connection, Request};
use crate::record::{Conformance, Failure};

/// Characters of `{unique}`, so that a file can count on them where a length is the rule.
pub const UNIQUE_CHARS: usize = 10;

/// After so many requests in a row without an answer the contestant is taken for dead, and the rest is not
/// tried.
const MAX_SILENCES: u32 = 3;
/// Between two tries of a case that may lag.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// What a pass found, and what it left behind.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// For the record. Recommendations that were missed count as passed.
    pub conformance: Conformance,
    /// Recommendations that were missed.
    pub warnings: Vec<Failure>,
    /// The bodies of all requests that may have stored something.
    pub sent: Vec<Vec<u8>>,
    /// The value of `{unique}`: what names made by this pass begin with.
    pub unique: String,
}

/// Sends every request of `file` to `address` (`HOST:PORT`), one after the other. Passes against the same
/// data need different seeds.
///
/// # Errors
/// The file cannot be read or is not as described above. A contestant that does not answer is not an error.
pub fn run(file: &Path, address: &str, seed: u64) -> Result<Pass> {
    run_beside(file, address, seed, &|_| bail!("no database is at hand"))
}

/// As [`run`], for a contestant in whose database `sql` runs a statement.
///
/// # Errors
/// As for [`run`]. A statement that is refused is a rule that is not kept.
pub fn run_beside(file: &Path, address: &str, seed: u64, sql: &dyn Fn(&str) -> Result<()>) -> Result<Pass> {
    Ok(run_cases(&Cases::read(file)?, address, seed, sql))
}

fn run_cases(cases: &Cases, address: &str, seed: u64, sql: &dyn Fn(&str) -> Result<()>) -> Pass {
    let unique = unique(seed);
    let mut values = cases.values.clone();
    values.insert("unique".to_owned(), unique.clone());
    let mut runner = Runner { address, sql, values, created: 0, silences: 0, sent: Vec::new() };
    let mut pass = Pass { unique, ..Pass::default() };
    for case in &cases.cases {
        let outcome = runner.run(case);
        pass.conformance.total += 1;
        let failure = |detail| Failure { rule: case.rule.clone(), detail };
        match outcome {
            Err(Miss::Hard(detail)) => pass.conformance.failures.push(failure(detail)),
            Err(Miss::Soft(detail)) if case.required => pass.conformance.failures.push(failure(detail)),
            Err(Miss::Soft(detail)) => {
                pass.conformance.passed += 1;
                pass.warnings.push(failure(detail));
            }
            Ok(()) => pass.conformance.passed += 1,
        }
    }
    pass.sent = runner.sent;
    pass
}

/// `lab-` and six letters or digits: text that is the same in a URL, in JSON and in a pattern.
fn unique(seed: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let digit =
        |place: u32| char::from(DIGITS[usize::try_from(seed / 36_u64.pow(place) % 36).unwrap_or_default()]);
    let name: String = (0..6).map(digit).collect();
    format!("lab-{name}")
}

/// Why a case does not hold.
enum Miss {
    /// Another answer than the expected one.
    Soft(String),
    /// An answer that is never right, or none.
    Hard(String),
}

impl From<Unfilled> for Miss {
    fn from(Unfilled(why): Unfilled) -> Self {
        Self::Soft(format!("not tried: {why}"))
    }
}

struct Runner<'r> {
    address: &'r str,
    sql: &'r dyn Fn(&str) -> Result<()>,
    values: Values,
    created: u64,
    silences: u32,
    sent: Vec<Vec<u8>>,
}

/// A request with all its variables filled.
struct Filled {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Runner<'_> {
    fn run(&mut self, case: &Case) -> Result<(), Miss> {
        let mut kept = None;
        if let Some(statement) = &case.sql {
            let statement = fill(statement, &self.values)?;
            (self.sql)(&statement)
                .map_err(|error| Miss::Hard(format!("not tried: {statement}: {error:#}")))?;
        }
        for number in 1..=case.repeat {
            self.values.insert("n".to_owned(), number.to_string());
            let request = self.filled(case)?;
            let held = if case.keep_alive && number > 1 && kept.is_none() {
                Err(Miss::Soft("the connection is closed after an answer".to_owned()))
            } else {
                self.until_it_holds(case, &request, &mut kept)
            };
            held.map_err(|miss| miss.of(case, &request, number))?;
        }
        Ok(())
    }

    fn filled(&self, case: &Case) -> Result<Filled, Unfilled> {
        let mut headers = Vec::with_capacity(case.headers.len() + 2);
        for (name, value) in &case.headers {
            headers.push((name.to_ascii_lowercase(), fill(value, &self.values)?));
        }
        let body = match (&case.body, &case.body_hex) {
            (Some(text), _) => Some(fill(text, &self.values)?.into_bytes()),
            (None, Some(hex)) => cases::bytes_of_hex(hex),
            (None, None) => None,
        };
        let mut default = |name: &str, value: &str| {
            if headers.iter().all(|(known, _)| known != name) {
                headers.push((name.to_owned(), value.to_owned()));
            }
        };
        default("accept", "*/*");
        if let Some(token) = &case.bearer {
            default("authorization", &format!("Bearer {}", fill(token, &self.values)?));
        }
        if body.is_some() {
            default("content-type", "application/json");
        }
        Ok(Filled { method: case.method.clone(), path: fill(&case.path, &self.values)?, headers, body })
    }

    fn until_it_holds(
        &mut self,
        case: &Case,
        request: &Filled,
        kept: &mut Option<Connection>,
    ) -> Result<(), Miss> {
        let deadline = Instant::now() + Duration::from_secs_f64(case.within_seconds);
        loop {
            match self.once(case, request, kept) {
                // A state of the other side: there is nothing here to be woken by.
                Err(Miss::Soft(_)) if Instant::now() < deadline => std::thread::sleep(RETRY_PAUSE),
                outcome => return outcome,
            }
        }
    }

    fn once(&mut self, case: &Case, request: &Filled, kept: &mut Option<Connection>) -> Result<(), Miss> {
        let answer = self.ask(case, request, kept)?;
        if answer.status >= 500 {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(Miss::Hard(format!(
                "status {}, an error of the server: {}",
                answer.status,
                quoted(&body)
            )));
        }
        if answer.status == 201 {
            self.created += 1;
        }
        let state = State { values: &self.values, created: self.created };
        expect::check(&case.expect, &answer, &state).map_err(Miss::Soft)?;
        for (name, save) in &case.save {
            let value = saved(save, &answer).map_err(Miss::Soft)?;
            self.values.insert(name.clone(), value);
        }
        Ok(())
    }

    fn ask(&mut self, case: &Case, request: &Filled, kept: &mut Option<Connection>) -> Result<Answer, Miss> {
        if self.silences >= MAX_SILENCES {
            return Err(Miss::Hard(format!("not tried: {MAX_SILENCES} requests in a row had no answer")));
        }
        if let Some(body) = &request.body
            && case.method != "GET"
        {
            self.sent.push(body.clone());
        }
        let asked = Request {
            method: &request.method,
            path: &request.path,
            headers: &request.headers,
            body: request.body.as_deref(),
        };
        let opened = match kept.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(self.address),
        };
        let answered = opened.and_then(|mut connection| Ok((connection.ask(&asked)?, connection)));
        match answered {
            Ok((answer, connection)) => {
                self.silences = 0;
                let closes =
                    answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
                *kept = (case.keep_alive && !closes).then_some(connection);
                Ok(answer)
            }
            Err(error) => {
                self.silences += 1;
                Err(Miss::Hard(format!("{error:#}")))
            }
        }
    }
}

impl Miss {
    /// With the request that was not answered as expected.
    fn of(self, case: &Case, request: &Filled, number: u32) -> Self {
        let body = request
            .body
            .as_ref()
            .map_or_else(String::new, |body| format!(" {}", quoted(&String::from_utf8_lossy(body))));
        let which = if case.repeat > 1 { format!(" ({number} of {})", case.repeat) } else { String::new() };
        let full = |why: String| format!("{} {}{body}{which}: {why}", request.method, request.path);
        match self {
            Self::Soft(why) => Self::Soft(full(why)),
            Self::Hard(why) => Self::Hard(full(why)),
        }
    }
}

fn saved(save: &Save, answer: &Answer) -> Result<String, String> {
    let body = String::from_utf8_lossy(&answer.body);
    let text = match &save.header {
        Some(name) => answer.header(name).ok_or_else(|| format!("no header {name}"))?,
        None => &body,
    };
    let pattern = Regex::new(&save.pattern).map_err(|error| error.to_string())?;
    let group = pattern.captures(text).and_then(|captures| captures.get(1));
    group
        .map(|group| group.as_str().to_owned())
        .ok_or_else(|| format!("{} does not match {}", quoted(text), save.pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_by_the_seed_and_are_of_one_length() {
        let names: std::collections::BTreeSet<String> = (0..5_000).map(unique).collect();
        assert_eq!(names.len(), 5_000);
        assert!(names.iter().all(|name| name.chars().count() == UNIQUE_CHARS));
        assert_eq!(unique(u64::MAX).len(), UNIQUE_CHARS);
    }
}
