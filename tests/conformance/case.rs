//! What a case says, and how it is run.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use crate::client::{Answer, Connection, Target};
use crate::server::Running;

/// Stands for the mark of a case, in as many bytes, so that lengths hold for it.
const MARK: &str = "--------";

/// A request that must never be executed.
pub(crate) const SMUGGLED: &str = "GET /smuggled/-------- HTTP/1.1\r\nHost: a\r\n\r\n";

const ALIVE: &str = "GET /alive HTTP/1.1\r\nHost: a\r\n\r\n";

/// Bytes that are sent at once, and the answers to them.
struct Exchange {
    bytes: Vec<u8>,
    /// One status for each answer, in their order; 100 counts as one.
    statuses: Vec<u16>,
    method: &'static str,
    check: fn(&Answer),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The connection answers one more request.
    Open,
    /// The last answer says `Connection: close`, and the server closes. What was sent behind is not executed.
    Closed,
    /// The client half-closes, and the server then closes too, without an answer.
    Cut,
}

pub(crate) struct Case {
    exchanges: Vec<Exchange>,
    ending: Ending,
    /// The kinds of sockets that it holds for.
    holds_on: fn(&Target) -> bool,
}

/// A request that is refused with `status`, and whose connection then ends.
pub(crate) fn refused(status: u16, bytes: impl AsRef<[u8]>) -> Case {
    Case::new(&[status], bytes.as_ref(), Ending::Closed)
}

/// Requests that are answered, the last of which ends the connection.
pub(crate) fn last(statuses: &[u16], bytes: impl AsRef<[u8]>) -> Case {
    Case::new(statuses, bytes.as_ref(), Ending::Closed)
}

/// Requests that are answered on a connection that stays open.
pub(crate) fn kept(statuses: &[u16], bytes: impl AsRef<[u8]>) -> Case {
    Case::new(statuses, bytes.as_ref(), Ending::Open)
}

/// A message that ends too early: it is no request, and gets no answer.
pub(crate) fn cut(bytes: impl AsRef<[u8]>) -> Case {
    Case::new(&[], bytes.as_ref(), Ending::Cut)
}

/// `GET /` with these field lines beside its Host.
pub(crate) fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// `POST /`, which answers with the body that it got.
pub(crate) fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

impl Case {
    fn new(statuses: &[u16], bytes: &[u8], ending: Ending) -> Self {
        Self { exchanges: Vec::new(), ending, holds_on: |_| true }.then(statuses, bytes)
    }

    /// Sends more once the answers so far have come.
    pub(crate) fn then(mut self, statuses: &[u16], bytes: impl AsRef<[u8]>) -> Self {
        let (bytes, statuses) = (bytes.as_ref().to_vec(), statuses.to_vec());
        self.exchanges.push(Exchange { bytes, statuses, method: "GET", check: |_| {} });
        self
    }

    /// The method, where the form of the answer depends on it.
    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.latest().method = method;
        self
    }

    /// Looks at the last answer.
    pub(crate) fn check(mut self, check: fn(&Answer)) -> Self {
        self.latest().check = check;
        self
    }

    /// For a connection that anybody can open.
    pub(crate) fn on_tcp(mut self) -> Self {
        self.holds_on = |target| matches!(target, Target::Tcp(_));
        self
    }

    /// For a connection that only a trusted hop can open.
    pub(crate) fn on_unix(mut self) -> Self {
        self.holds_on = |target| matches!(target, Target::Unix(_));
        self
    }

    fn latest(&mut self) -> &mut Exchange {
        self.exchanges.last_mut().unwrap()
    }
}

/// Runs a case on each kind of socket.
pub(crate) fn run(name: &str, case: &Case) {
    let running = Running::shared();
    let targets = running.targets().iter().enumerate().filter(|(_, target)| (case.holds_on)(target));
    for (kind, target) in targets {
        let mark = mark_of(name, kind);
        run_on(target, case, &mark);
        assert!(!running.has_executed(&mark), "a smuggled request was executed ({target:?})");
    }
}

fn run_on(target: &Target, case: &Case, mark: &str) {
    let mut connection = target.connect();
    let mut latest = None;
    for (number, exchange) in (1..).zip(&case.exchanges) {
        let behind = case.ending == Ending::Closed && number == case.exchanges.len();
        let bytes = marked(&exchange.bytes, if behind { SMUGGLED } else { "" }, mark);
        // The server may have closed before all is sent; what it answered tells.
        let _ = connection.try_send(bytes);
        latest = answers(&mut connection, exchange, target).or(latest);
    }
    match case.ending {
        Ending::Open => {
            let _ = connection.try_send(ALIVE);
            let alive = connection.try_answer_to("GET").map(|answer| (answer.status, answer.body));
            assert_eq!(alive, Some((200, b"alive".to_vec())), "the connection stays open ({target:?})");
        }
        Ending::Closed => {
            let said = latest.as_ref().and_then(|answer| answer.header("connection"));
            assert_eq!(said, Some("close"), "{target:?}");
            assert!(connection.is_closed(), "the connection ends with the answer ({target:?})");
        }
        Ending::Cut => {
            connection.half_close();
            assert!(connection.is_closed(), "an incomplete message gets no answer ({target:?})");
        }
    }
}

/// Reads and checks the answers of one exchange; the last of them.
fn answers(connection: &mut Connection, exchange: &Exchange, target: &Target) -> Option<Answer> {
    let mut latest = None;
    for &status in &exchange.statuses {
        let answer = connection.try_answer_to(exchange.method);
        let found = answer.as_ref().map(|answer| answer.status);
        assert_eq!(found, Some(status), "{} on {target:?}", shown(&exchange.bytes));
        latest = answer;
    }
    latest.as_ref().inspect(|answer| (exchange.check)(answer));
    latest
}

/// The bytes with the mark of the case in place of the one they stand for.
fn marked(bytes: &[u8], behind: &str, mark: &str) -> Vec<u8> {
    let mut bytes = [bytes, behind.as_bytes()].concat();
    for at in 0..bytes.len().saturating_sub(MARK.len() - 1) {
        if bytes[at..].starts_with(MARK.as_bytes()) {
            bytes[at..at + MARK.len()].copy_from_slice(mark.as_bytes());
        }
    }
    bytes
}

fn mark_of(name: &str, kind: usize) -> String {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((name, kind));
    format!("{:08x}", hash & 0xffff_ffff)
}

fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(400)].escape_ascii().to_string()
}

/// A table: each case is a test; in brackets are the rows of the dashboard that it answers.
macro_rules! cases {
    ($($name:ident [$($row:literal),* $(,)?] $case:expr;)+) => {
        $(
            #[test]
            fn $name() {
                $crate::case::run(stringify!($name), &$case);
            }
        )+

        pub(crate) const TABLE: (&[&str], usize) = (&[$($($row,)*)+], [$(stringify!($name)),+].len());
    };
}
