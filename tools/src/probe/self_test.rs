//! Can the probe fail? Small servers, each with a known fault, and what must be found in each; and one that
//! does nothing wrong with requests in requests, where nothing of the kind may be found.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::case::Case;
use super::cases::{self, SMUGGLING};
use super::outcome::Baseline;
use super::run::{Outcome, Runner, Verdict};
use super::template::{Hidden, Names};
use crate::answer::find;
use crate::client::Target;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// 200 to whatever is sent.
    SaysYes,
    Silent,
    ClosesAtOnce,
    /// Believes Content-Length where there is a Transfer-Encoding.
    LengthFirst,
    /// Believes Transfer-Encoding where there is a Content-Length, and keeps the connection.
    CodingFirst,
    /// What it has not understood of a connection is the beginning of the next one.
    SharesRest,
    /// 400 and the end for all but the plainest requests.
    RefusesMuch,
}

#[derive(Default)]
struct Shared {
    rows: Vec<String>,
    rest: Vec<u8>,
}

/// A case, and whether it must be found smuggled or merely failed.
type Expected = (Fault, &'static str, &'static str, fn(&Verdict) -> bool);

const EXPECTED: &[Expected] = &[
    (Fault::SaysYes, "host", "missing", is_failed),
    (Fault::SaysYes, "content-length", "plus", is_failed),
    (Fault::SaysYes, "chunked", "size-negative", is_failed),
    (Fault::SaysYes, "fields", "space-before-colon", is_failed),
    (Fault::Silent, "request line", "plain-get", is_failed),
    (Fault::Silent, "persistence", "two-in-turn", is_failed),
    (Fault::Silent, "http/1.0", "get", is_failed),
    (Fault::ClosesAtOnce, "request line", "plain-get", is_failed),
    (Fault::ClosesAtOnce, "time", "nothing", is_failed),
    (Fault::LengthFirst, SMUGGLING, "te.cl-plain", is_smuggled),
    (Fault::LengthFirst, SMUGGLING, "te.0-identity", is_smuggled),
    (Fault::LengthFirst, SMUGGLING, "cl-0-then-n", is_smuggled),
    (Fault::LengthFirst, SMUGGLING, "after-close", is_smuggled),
    (Fault::LengthFirst, "host", "twice-different", is_failed),
    (Fault::LengthFirst, "methods", "head", is_failed),
    (Fault::CodingFirst, SMUGGLING, "cl.te-plain", is_smuggled),
    (Fault::CodingFirst, SMUGGLING, "te-and-cl-1.0", is_smuggled),
    (Fault::SharesRest, SMUGGLING, "te.cl-plain", is_smuggled),
    (Fault::RefusesMuch, SMUGGLING, "te.cl-plain", is_passed),
    (Fault::RefusesMuch, SMUGGLING, "cl.te-plain", is_passed),
    (Fault::RefusesMuch, "chunked", "one-chunk", is_failed),
    (Fault::RefusesMuch, "expect", "continue-is-sent", is_warned),
];

fn is_passed(verdict: &Verdict) -> bool {
    *verdict == Verdict::Passed
}

fn is_warned(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Warned(_))
}

fn is_failed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Failed(_))
}

fn is_smuggled(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Smuggled(_))
}

/// True if every fault was found where it is.
pub fn run() -> Result<bool, String> {
    let mut good = true;
    let mut tell = |holds: bool, what: String| {
        println!("{} {what}", if holds { "found:    " } else { "NOT FOUND:" });
        good &= holds;
    };
    let all = cases::asked()?;
    let faults = [
        Fault::SaysYes,
        Fault::Silent,
        Fault::ClosesAtOnce,
        Fault::LengthFirst,
        Fault::CodingFirst,
        Fault::SharesRest,
        Fault::RefusesMuch,
    ];
    for fault in faults {
        let mut runner = runner(fault).map_err(|error| error.to_string())?;
        let outcomes = runner.run(&wanted(&all, fault), Hidden::Get);
        for (_, category, id, holds) in EXPECTED.iter().filter(|expected| expected.0 == fault) {
            let of_case = |outcome: &&Outcome| outcome.case.category == *category && outcome.case.id == *id;
            let outcome = outcomes.iter().find(of_case).ok_or_else(|| format!("there is no case {id}"))?;
            tell(holds(&outcome.verdict), format!("{fault:?}: {category} / {id}: {:?}", outcome.verdict));
        }
        let can_learn =
            !matches!(fault, Fault::SaysYes | Fault::Silent | Fault::ClosesAtOnce | Fault::SharesRest);
        if can_learn {
            let learned = runner.learn();
            tell(learned.is_ok(), format!("{fault:?}: the baseline is learned: {learned:?}"));
            let outcomes = runner.run(&wanted(&all, fault), Hidden::Post);
            let stored = Verdict::Smuggled("the hidden request has stored its row".to_owned());
            let count = outcomes.iter().filter(|outcome| outcome.verdict == stored).count();
            let as_it_should = runner.search && (count == 0) == (fault == Fault::RefusesMuch);
            tell(as_it_should, format!("{fault:?}: rows of hidden requests: {count}"));
        } else if fault != Fault::SharesRest {
            let learned = runner.learn();
            tell(learned.is_err(), format!("{fault:?}: no baseline: {learned:?}"));
        }
        if fault == Fault::RefusesMuch {
            let smuggled = outcomes.iter().filter(|outcome| is_smuggled(&outcome.verdict));
            let ids: Vec<_> = smuggled.map(|outcome| outcome.case.id).collect();
            tell(ids.is_empty(), format!("{fault:?}: nothing smuggled: {ids:?}"));
        }
    }
    Ok(good)
}

/// The cases that something is expected of, and for the careful server all of smuggling.
fn wanted(all: &[Case], fault: Fault) -> Vec<Case> {
    let is_wanted = |case: &&Case| {
        let named = EXPECTED
            .iter()
            .any(|(of, category, id, _)| *of == fault && *category == case.category && *id == case.id);
        named || (fault == Fault::RefusesMuch && case.category == SMUGGLING)
    };
    all.iter().filter(is_wanted).copied().collect()
}

fn runner(fault: Fault) -> io::Result<Runner> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let shared = Arc::new(Mutex::new(Shared::default()));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            // A connection that fails has ended, which is all that there is to it.
            thread::spawn(move || serve(stream, fault, &shared));
        }
    });
    let names = Names {
        host: address.clone(),
        path: "/count".to_owned(),
        post: "/rows".to_owned(),
        hidden: None,
        run: "0123456789ab".to_owned(),
    };
    Ok(Runner {
        target: Target::Tcp(address),
        names,
        timeout: Duration::from_millis(200),
        // Who takes over the rest of whom is known only one by one.
        threads: if fault == Fault::SharesRest { 1 } else { 12 },
        baseline: Baseline { ok: 200, done: 201 },
        proxy: fault == Fault::SharesRest,
        search: false,
    })
}

fn serve(mut stream: TcpStream, fault: Fault, shared: &Mutex<Shared>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    if fault == Fault::ClosesAtOnce {
        return Ok(());
    }
    let mut buffer = std::mem::take(&mut lock().rest);
    loop {
        while let Some((request, length)) = request(&buffer, fault) {
            buffer.drain(..length);
            let answer = answer(&request, fault, &mut lock());
            stream.write_all(answer.as_bytes())?;
            if fault == Fault::SharesRest {
                lock().rest = buffer;
                return Ok(());
            }
            let asks_for_the_end =
                fault == Fault::RefusesMuch && request.contains("\r\nConnection: close\r\n");
            if asks_for_the_end || answer.starts_with("HTTP/1.1 400") {
                return Ok(());
            }
        }
        let mut more = [0; 4096];
        let count = stream.read(&mut more)?;
        if count == 0 {
            return Ok(());
        }
        if fault == Fault::SaysYes {
            stream.write_all(reply(200, "yes").as_bytes())?;
        } else if fault != Fault::Silent {
            buffer.extend_from_slice(&more[..count]);
        }
    }
}

/// The first request in the buffer with its body, and how far it reaches in the eyes of a server with this
/// fault.
fn request(buffer: &[u8], fault: Fault) -> Option<(String, usize)> {
    let start = find(buffer, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..start]).into_owned();
    let lower = head.to_lowercase();
    let length =
        lower.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let is_chunked = lower.contains("transfer-encoding: chunked");
    let end = match length {
        _ if is_chunked && fault == Fault::CodingFirst => {
            start + find(&buffer[start..], b"0\r\n\r\n").map(|at| at + 5)?
        }
        Some(length) => start.checked_add(length)?,
        None => start,
    };
    let body = String::from_utf8_lossy(buffer.get(start..end)?).into_owned();
    Some((head + &body, end))
}

fn answer(request: &str, fault: Fault, shared: &mut Shared) -> String {
    if fault == Fault::RefusesMuch && !is_plain(request) {
        return reply(400, "no");
    }
    if let Some((_, term)) = request.lines().next().unwrap_or_default().split_once("?t=") {
        let term = term.split(' ').next().unwrap_or_default();
        let found: Vec<_> = shared.rows.iter().filter(|row| row.contains(term)).cloned().collect();
        return reply(200, &found.join(","));
    }
    if request.starts_with("POST /rows ") {
        let body = request.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        // As in the API: what is no row is not stored, a request as a body for one.
        if !body.starts_with('{') {
            return reply(422, "no row");
        }
        shared.rows.push(body.to_owned());
        return reply(201, "stored");
    }
    if request.starts_with("GET /count ") { reply(200, "7") } else { reply(404, "nothing") }
}

fn is_plain(request: &str) -> bool {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let mut names = Vec::new();
    for line in head.split("\r\n").skip(1) {
        let Some((name, value)) = line.split_once(": ") else { return false };
        let is_number = value.len() < 6 && value.bytes().all(|byte| byte.is_ascii_digit());
        if (name == "Content-Length" && !is_number) || value.contains(['\0', '\r', '\n']) || value.is_empty()
        {
            return false;
        }
        names.push(name);
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    let known = ["Host", "Content-Type", "Content-Length", "Connection", "Expect"];
    let line_is_plain = (head.starts_with("GET /") || head.starts_with("POST /"))
        && head.lines().next().is_some_and(|line| line.ends_with(" HTTP/1.1") && !line.contains('\r'));
    line_is_plain
        && count == names.len()
        && names.contains(&"Host")
        && names.iter().all(|name| known.contains(name))
}

fn reply(status: u16, body: &str) -> String {
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
    format!("HTTP/1.1 {status} -\r\n{date}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
