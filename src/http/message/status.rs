//! The status codes that this server sends (RFC 9110 section 15), each with its line and an index for
//! counters.

macro_rules! statuses {
    ($($name:ident = $code:literal $reason:literal),+ $(,)?) => {
        /// A status code of RFC 9110 section 15 that the server can send.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Status { $(#[doc = concat!(stringify!($code), " ", $reason)] $name),+ }

        impl Status {
            /// Every status, in the order of its index.
            pub const ALL: &'static [Status] = &[$(Status::$name),+];

            /// The three-digit code.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Status::$name => $code),+ }
            }

            /// The reason phrase; clients ignore it, people read it.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self { $(Status::$name => $reason),+ }
            }

            /// The status line with its line end, ready to be copied.
            pub(crate) const fn line(self) -> &'static [u8] {
                match self {
                    $(Status::$name => concat!("HTTP/1.1 ", stringify!($code), " ", $reason, "\r\n").as_bytes()),+
                }
            }
        }
    };
}

statuses! {
    Ok = 200 "OK",
    Created = 201 "Created",
    Accepted = 202 "Accepted",
    NoContent = 204 "No Content",
    MovedPermanently = 301 "Moved Permanently",
    Found = 302 "Found",
    SeeOther = 303 "See Other",
    NotModified = 304 "Not Modified",
    TemporaryRedirect = 307 "Temporary Redirect",
    PermanentRedirect = 308 "Permanent Redirect",
    BadRequest = 400 "Bad Request",
    Unauthorized = 401 "Unauthorized",
    Forbidden = 403 "Forbidden",
    NotFound = 404 "Not Found",
    MethodNotAllowed = 405 "Method Not Allowed",
    NotAcceptable = 406 "Not Acceptable",
    RequestTimeout = 408 "Request Timeout",
    Conflict = 409 "Conflict",
    Gone = 410 "Gone",
    PreconditionFailed = 412 "Precondition Failed",
    ContentTooLarge = 413 "Content Too Large",
    UriTooLong = 414 "URI Too Long",
    UnsupportedMediaType = 415 "Unsupported Media Type",
    ExpectationFailed = 417 "Expectation Failed",
    MisdirectedRequest = 421 "Misdirected Request",
    UnprocessableContent = 422 "Unprocessable Content",
    UpgradeRequired = 426 "Upgrade Required",
    TooManyRequests = 429 "Too Many Requests",
    HeaderFieldsTooLarge = 431 "Request Header Fields Too Large",
    InternalServerError = 500 "Internal Server Error",
    NotImplemented = 501 "Not Implemented",
    BadGateway = 502 "Bad Gateway",
    ServiceUnavailable = 503 "Service Unavailable",
    GatewayTimeout = 504 "Gateway Timeout",
    HttpVersionNotSupported = 505 "HTTP Version Not Supported",
}

impl Status {
    /// How many statuses there are; counters are arrays of this length.
    pub const COUNT: usize = Self::ALL.len();

    /// The status of this code, if the server can send it.
    #[must_use]
    pub fn of(code: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }

    /// Whether an answer of this status may have content (RFC 9110 sections 15.3.5 and 15.4.5).
    pub(crate) const fn has_content(self) -> bool {
        !matches!(self, Status::NoContent | Status::NotModified)
    }

    /// Position in [`Status::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn an_index_and_a_code_lead_back_to_their_status() {
        for status in Status::ALL {
            assert_eq!(Status::ALL[status.index()], *status);
            assert_eq!(Status::of(status.code()), Some(*status));
        }
    }

    #[test]
    fn a_line_carries_code_and_reason() {
        assert_eq!(Status::UnprocessableContent.line(), b"HTTP/1.1 422 Unprocessable Content\r\n");
    }
}
