//! The id of a request: in its response, and in every line that is logged while it is served. A leaf.
//!
//! A coroutine has a place for the name of the request that it serves, and work that is handed to another
//! coroutine takes the name along. Where no request has a name all this is one look at a flag.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits::REQUEST_ID_BYTES;

/// The only version of `traceparent` there is, of 55 characters (W3C Trace Context, section 3.2).
const VERSION: &[u8] = b"00";
const TRACEPARENT_BYTES: usize = 55;

/// Whether any request has a name in this process. It is set before the first, and stays.
static NAMING: AtomicBool = AtomicBool::new(false);

may::coroutine_local! {
    static CURRENT: RefCell<Option<Arc<Identity>>> = RefCell::new(None)
}

/// The name of a request, and its place in a trace if whoever asks has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    id: Text<REQUEST_ID_BYTES>,
    trace: Option<Trace>,
}

/// The part of a trace that a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trace {
    trace: Text<32>,
    span: Text<16>,
    flags: Text<2>,
}

type Text<const BYTES: usize> = heapless::String<BYTES>;

impl Identity {
    /// Of a request that came with these fields. An id that is too long, or has other characters than
    /// letters, digits and `-._:/+=`, is replaced by one of our own; a `traceparent` that is none is dropped.
    #[must_use]
    pub fn new(id: Option<&[u8]>, traceparent: Option<&[u8]>) -> Self {
        let id = id.and_then(given).unwrap_or_else(random);
        Self { id, trace: traceparent.and_then(Trace::read) }
    }

    /// The request's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The trace and the part of it that this request is.
    #[must_use]
    pub fn trace(&self) -> Option<(&str, &str)> {
        self.trace.as_ref().map(|trace| (trace.trace.as_str(), trace.span.as_str()))
    }

    /// The `traceparent` of whatever follows from this request.
    #[must_use]
    pub fn traceparent(&self) -> Option<impl fmt::Display + '_> {
        self.trace.as_ref()
    }
}

impl Trace {
    /// A later version may have more behind what is known of it, separated by a hyphen (section 3.2.2.3).
    fn read(field: &[u8]) -> Option<Self> {
        let (known, more) = field.split_at_checked(TRACEPARENT_BYTES)?;
        let mut parts = known.split(|byte| *byte == b'-');
        let [version, trace, parent, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let ends = match version {
            VERSION => more.is_empty(),
            _ => more.first().is_none_or(|byte| *byte == b'-'),
        };
        let lengths = [version, trace, parent, flags].map(<[u8]>::len) == [2, 32, 16, 2];
        let is_hexadecimal = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_set = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
        let read = ends
            && lengths
            && parts.next().is_none()
            && version != b"ff"
            && [version, trace, parent, flags].into_iter().all(is_hexadecimal)
            && is_set(trace)
            && is_set(parent);
        if !read {
            return None;
        }
        let mut span = hexadecimal(fastrand::u64(1..));
        span.truncate(16);
        Some(Self { trace: text(trace)?, span: text(span.as_bytes())?, flags: text(flags)? })
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{}", self.trace, self.span, self.flags)
    }
}

fn text<const BYTES: usize>(bytes: &[u8]) -> Option<Text<BYTES>> {
    let mut out = Text::new();
    out.push_str(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(out)
}

fn given(id: &[u8]) -> Option<Text<REQUEST_ID_BYTES>> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:/+=".contains(byte);
    if id.is_empty() || !id.iter().all(allowed) { None } else { text(id) }
}

/// Nobody need be unable to guess it.
fn random() -> Text<REQUEST_ID_BYTES> {
    let mut id = Text::new();
    for _ in 0..2 {
        // 32 characters fit.
        let _ = id.push_str(&hexadecimal(fastrand::u64(..)));
    }
    id
}

fn hexadecimal(number: u64) -> Text<16> {
    let mut out = Text::new();
    // Sixteen digits fit.
    let _ = fmt::Write::write_fmt(&mut out, format_args!("{number:016x}"));
    out
}

/// From now on requests have names.
pub fn enable() {
    NAMING.store(true, Ordering::Relaxed);
}

/// Whom the present coroutine serves.
#[inline]
#[must_use]
pub fn current() -> Option<Arc<Identity>> {
    if NAMING.load(Ordering::Relaxed) { CURRENT.with(|current| current.borrow().clone()) } else { None }
}

/// The present coroutine serves this one from now on, or nobody.
#[inline]
pub fn set_current(identity: Option<Arc<Identity>>) {
    if NAMING.load(Ordering::Relaxed) {
        CURRENT.with(|current| drop(current.replace(identity)));
    }
}

/// Runs `work` under the identity of the request that has asked for it.
#[inline]
pub fn within<R>(identity: Option<Arc<Identity>>, work: impl FnOnce() -> R) -> R {
    let _end = identity.map(|identity| {
        set_current(Some(identity));
        End
    });
    work()
}

/// The end of work, also by a panic.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        set_current(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn an_id_is_kept_where_it_is_short_and_harmless() {
        let id = |given: &str| Identity::new(Some(given.as_bytes()), None).id().to_owned();
        let longest = "x".repeat(REQUEST_ID_BYTES);
        for kept in ["7", "a-b.c_d:e/f+g=", "0190-ABC", longest.as_str()] {
            assert_eq!(id(kept), kept);
        }
        let too_long = "x".repeat(REQUEST_ID_BYTES + 1);
        for replaced in ["", "a b", "a\"b", "a\u{1b}[2J", "é", "a,b", too_long.as_str()] {
            let own = id(replaced);
            assert!(own.len() == 32 && own.bytes().all(|byte| byte.is_ascii_hexdigit()), "{own}");
        }
        assert_ne!(Identity::new(None, None), Identity::new(None, None));
    }

    #[test]
    fn a_traceparent_is_passed_on_with_a_part_of_our_own() {
        let identity = Identity::new(None, Some(PARENT.as_bytes()));
        let (trace, span) = identity.trace().unwrap();
        assert_eq!(trace, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(span.len() == 16 && span != "00f067aa0ba902b7", "{span}");
        let passed = identity.traceparent().unwrap().to_string();
        assert_eq!(passed, format!("00-{trace}-{span}-01"));
        assert!(Trace::read(passed.as_bytes()).is_some());
        // A later version is taken for what is known of it.
        for later in ["cc-", "01-"] {
            let field = PARENT.replacen("00-", later, 1);
            assert!(Trace::read(field.as_bytes()).is_some(), "{field}");
            assert!(Trace::read(format!("{field}-more").as_bytes()).is_some(), "{field}");
            assert!(Trace::read(format!("{field}more").as_bytes()).is_none(), "{field}");
        }
    }

    #[test]
    fn what_is_no_traceparent_is_dropped() {
        let broken = [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7 01",
        ];
        for field in broken {
            assert!(Identity::new(None, Some(field.as_bytes())).trace().is_none(), "{field}");
        }
    }
}
