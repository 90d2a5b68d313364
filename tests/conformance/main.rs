//! Conformance with RFC 9110, RFC 9112 and their neighbours: raw bytes in, statuses and the fate of the
//! connection out.
//!
//! The cases are those of the probe (`tools/src/probe/cases/`) that have an exact outcome, each with the
//! section that it comes from; here they are run on our engine, on TCP and on a Unix socket, and wait for
//! nothing but its answers. Behind every request that must end its connection comes one more, which must
//! never be executed.
#![allow(clippy::unwrap_used)]

mod dashboard;
mod server;

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::{Duration, SystemTime};

use pouco_tools::client::{Answer, Connection, Target};
use pouco_tools::probe::answer::faults;
use pouco_tools::probe::case::Case;
use pouco_tools::probe::cases::{self, SMUGGLING};
use pouco_tools::probe::template::{Hidden, Names, Step};
use pouco_tools::probe::wire::Seen;

use server::Running;

const ALIVE: &str = "GET /alive HTTP/1.1\r\nHost: a\r\n\r\n";

/// Of a date that is now.
const OLDEST: Duration = Duration::from_secs(60);

/// The cases that our engine is asked.
fn ours() -> Vec<Case> {
    cases::all().unwrap().into_iter().filter(|case| !case.exact.is_empty()).collect()
}

/// Holds the engine to all cases of a category, and tells of every one that it breaks.
fn hold(category: &str) {
    let running = Running::shared();
    let mut cases = ours();
    cases.retain(|case| case.category == category);
    assert!(!cases.is_empty(), "no case of {category}");
    let mut broken = Vec::new();
    for case in &cases {
        for target in running.targets() {
            let kind = if matches!(target, Target::Tcp(_)) { "tcp" } else { "unix" };
            if !["", kind].contains(&case.only_on) {
                continue;
            }
            if let Err(what) = run(case, target, &running) {
                broken.push(format!("{category} / {} (RFC {}) on {kind}: {what}", case.id, case.section));
            }
        }
    }
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
}

fn run(case: &Case, target: &Target, running: &Running) -> Result<(), String> {
    let mark = mark_of(case, target);
    let names = Names {
        host: "a".to_owned(),
        path: "/".to_owned(),
        post: "/".to_owned(),
        hidden: Some(format!("/smuggled/{mark}")),
        run: "conformance".to_owned(),
    };
    let mut statuses: Vec<&str> = case.exact.split(' ').collect();
    let ending = statuses.pop().unwrap_or_default();
    statuses.retain(|status| *status != "none");
    let behind = if ending == "close" && !statuses.is_empty() { "{/body}{hidden}" } else { "" };
    let (steps, _) = names.fill(&format!("{}{behind}", case.sends), Hidden::Get)?;
    let mut talk = Talk { connection: target.connect(), case, statuses, answers: Vec::new() };
    for step in steps {
        match step {
            // The server may have closed before all is sent; what it answered tells.
            Step::Send(bytes) => drop(talk.connection.try_send(bytes)),
            Step::Pause(ms) => std::thread::sleep(Duration::from_millis(ms)),
            Step::Await => talk.hear()?,
            Step::End => talk.connection.half_close(),
            Step::Each(_) => return Err("nothing is sent byte by byte here".to_owned()),
        }
    }
    while talk.answers.len() < talk.statuses.len() {
        talk.hear()?;
    }
    let last = talk.answers.last().cloned().unwrap_or_default();
    ends_as(ending, &mut talk.connection, talk.answers.last())?;
    says(case, &last)?;
    let seen = Seen { answers: talk.answers, closed: ending == "close", faults: Vec::new(), raw: Vec::new() };
    case.check.map_or(Ok(()), |check| check(&seen))?;
    match running.has_executed(&mark) {
        true => Err("a smuggled request was executed".to_owned()),
        false => Ok(()),
    }
}

struct Talk<'c> {
    connection: Connection,
    case: &'c Case,
    statuses: Vec<&'c str>,
    answers: Vec<Answer>,
}

impl Talk<'_> {
    /// The next answer must be the next that is expected.
    fn hear(&mut self) -> Result<(), String> {
        let number = self.answers.len();
        let expected = self.statuses.get(number).ok_or("more answers are awaited than expected")?;
        let answer = self.connection.read_answer(self.case.head_at == Some(number));
        let answer = answer.map_err(|error| format!("for {expected}: {error}"))?;
        let answer = answer.ok_or_else(|| format!("for {expected}: no answer before the end"))?;
        if answer.status.to_string() != **expected {
            return Err(format!("{} for {expected}", answer.status));
        }
        let date = answer.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
        let age = date.map(|date| SystemTime::now().duration_since(date).unwrap_or_default());
        if answer.status >= 200 && age.is_none_or(|age| age > OLDEST) {
            return Err(format!("{expected} has no date of now: {:?}", answer.header("date")));
        }
        match &faults(&answer)[..] {
            [] => self.answers.push(answer),
            faults => return Err(faults.join("; ")),
        }
        Ok(())
    }
}

/// Open: the connection answers one more request. Closed: the last answer says so, and the server closes, and
/// is not heard again.
fn ends_as(ending: &str, connection: &mut Connection, last: Option<&Answer>) -> Result<(), String> {
    if ending == "open" {
        let _ = connection.try_send(ALIVE);
        return match connection.read_answer(false) {
            Ok(Some(answer)) if answer.status == 200 && answer.body == b"alive" => Ok(()),
            other => Err(format!("the connection does not stay open: {other:?}")),
        };
    }
    if let Some(last) = last {
        if last.header("connection") != Some("close") {
            return Err("the last answer does not say that the connection ends".to_owned());
        }
        let is_json =
            || last.header("content-type") == Some("application/json") && last.json()["error"].is_string();
        if last.status >= 400 && !last.body.is_empty() && !is_json() {
            return Err(format!("the refusal is no JSON: {}", last.body.escape_ascii()));
        }
    }
    if connection.is_closed() { Ok(()) } else { Err("the connection does not end".to_owned()) }
}

fn says(case: &Case, last: &Answer) -> Result<(), String> {
    if case.body.is_some_and(|body| last.body != body.as_bytes()) {
        return Err(format!("its content is {}", last.body.escape_ascii()));
    }
    let wrong = case.says.iter().find(|(name, value)| last.header(name).unwrap_or_default() != *value);
    wrong.map_or(Ok(()), |(name, _)| Err(format!("{name} is {:?}", last.header(name))))
}

/// As long for each, so that lengths hold for it.
fn mark_of(case: &Case, target: &Target) -> String {
    let of = (case.category, case.id, matches!(target, Target::Tcp(_)));
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(of);
    format!("{:08x}", hash & 0xffff_ffff)
}

/// A test for each category.
macro_rules! categories {
    ($($name:ident $category:expr;)+) => {
        $(
            #[test]
            fn $name() {
                hold($category);
            }
        )+

        #[test]
        fn no_case_is_left_out() {
            for case in ours() {
                assert!([$($category),+].contains(&case.category), "{} / {}", case.category, case.id);
            }
        }
    };
}

categories! {
    request_line "request line";
    versions "versions";
    targets "targets";
    hosts "host";
    fields "fields";
    lengths "content-length";
    codings "transfer-encoding";
    chunked "chunked";
    smuggling SMUGGLING;
    persistence "persistence";
    methods "methods";
    upgrades "upgrade";
    limits "limits";
    answers "answers";
    http_1_0 "http/1.0";
    time "time";
}
