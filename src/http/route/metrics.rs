//! What the engine counts: one counter per limit and per timeout, so that the reason of every refusal is
//! visible.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::http::message::status::Status;

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($(#[$kind_doc:meta])* $kind:ident = $label:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$kind_doc])* $kind),+ }

        impl $name {
            /// All of them, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The label in `/metrics`.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$kind => $label),+ }
            }
        }
    };
}

kinds! {
    /// A bound of [`Limits`](crate::http::Limits) that a client can hit.
    Limit {
        /// Open connections: 503.
        Connections = "connections",
        /// Open connections of one address: 429.
        ConnectionsPerAddress = "connections_per_address",
        /// Requests a second of one address: 429.
        RequestsPerAddress = "requests_per_second_per_address",
        /// Bytes of request line and fields: mostly 431.
        HeadBytes = "head_bytes",
        /// Header fields of a request: 431.
        HeaderCount = "header_count",
        /// Bytes of the request target: 414.
        Target = "target",
        /// Bytes of a body: 413.
        BodyBytes = "body_bytes",
        /// Bytes that all requests together keep in grown buffers: 503.
        RequestBytes = "request_bytes",
        /// Bytes that all answers together keep in grown buffers: 503.
        AnswerBytes = "answer_bytes",
        /// Bytes a second that a client takes of an answer: it is cut.
        AnswerRate = "answer_rate",
        /// Time of a streamed answer without a length: it is cut.
        AnswerTime = "answer_time",
        /// Bytes a second of a streamed body: 408.
        BodyRate = "body_rate",
        /// Time of a streamed body without a length: 408.
        BodyTime = "body_time",
        /// Bytes of the fields behind a chunked body: 431.
        TrailerBytes = "trailer_bytes",
        /// Requests on one connection: the last answer closes it.
        RequestsPerConnection = "requests_per_connection",
    }
}

kinds! {
    /// A wait that ended a connection.
    Timeout {
        /// For the rest of a head: 408.
        Head = "head",
        /// For the rest of a body: 408.
        Body = "body",
        /// For the next request: closed without a word.
        Idle = "idle",
        /// For the client to take its answers: closed with what it did not take.
        Write = "write",
    }
}

impl Limit {
    /// The limit that a refusal before the body stands for, where there is one. A head that fills its bytes
    /// is known by its place and not by its status.
    pub(crate) const fn of_status(status: Status) -> Option<Self> {
        match status {
            Status::ContentTooLarge => Some(Self::BodyBytes),
            Status::UriTooLong => Some(Self::Target),
            Status::HeaderFieldsTooLarge => Some(Self::HeaderCount),
            _ => None,
        }
    }

    /// As [`Limit::of_status`], for a refusal while a chunked body is read.
    pub(crate) const fn of_chunked_body(status: Status) -> Option<Self> {
        match status {
            Status::HeaderFieldsTooLarge => Some(Self::TrailerBytes),
            other => Self::of_status(other),
        }
    }

    /// The limit that a head of too many bytes hit: the target's, if that alone fills it.
    pub(crate) const fn of_long_head(status: Status) -> Self {
        match status {
            Status::UriTooLong => Self::Target,
            _ => Self::HeadBytes,
        }
    }
}

/// What the engine counts. All only grow, but for `open_connections`.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Connections open now.
    pub open_connections: AtomicU64,
    /// Idle connections that were told to make room for others.
    pub evicted: AtomicU64,
    /// Connections cut for what stood in the place of a PROXY header.
    pub proxy_failures: AtomicU64,
    /// Times that `accept` found no descriptor or memory.
    pub accept_failures: AtomicU64,
    /// Handlers that panicked.
    pub panics: AtomicU64,
    limit_hits: [AtomicU64; Limit::ALL.len()],
    timeouts: [AtomicU64; Timeout::ALL.len()],
}

impl Metrics {
    /// How often a limit was hit.
    #[must_use]
    pub fn limit_hits(&self, limit: Limit) -> u64 {
        self.limit_hits[limit as usize].load(Ordering::Relaxed)
    }

    /// How many connections a timeout ended.
    #[must_use]
    pub fn timeouts(&self, timeout: Timeout) -> u64 {
        self.timeouts[timeout as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn hit(&self, limit: Limit) {
        self.limit_hits[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn timed_out(&self, timeout: Timeout) {
        self.timeouts[timeout as usize].fetch_add(1, Ordering::Relaxed);
    }
}
