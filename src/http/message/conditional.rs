//! Conditional requests (RFC 9110 sections 8.8 and 13): validators of a representation, and whether a request
//! that names others may go on.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use super::fields::trim;
use super::rejection::{IntoAnswer, Rejection};
use super::request::Method;
use super::request_head::RequestHead;
use super::response::Response;
use super::status::Status;

/// An entity tag (RFC 9110 section 8.8.3): a name for one state of a representation, compared and never read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag<'t> {
    weak: bool,
    opaque: Cow<'t, str>,
}

impl<'t> EntityTag<'t> {
    /// A tag that changes with every byte. `None` if the text holds what no tag may hold: a quotation mark, a
    /// blank, a control character.
    #[must_use]
    pub fn strong(opaque: impl Into<Cow<'t, str>>) -> Option<Self> {
        Self::new(false, opaque.into())
    }

    /// A tag that changes when the meaning does; `If-Match` never matches it (RFC 9110 section 13.1.1).
    #[must_use]
    pub fn weak(opaque: impl Into<Cow<'t, str>>) -> Option<Self> {
        Self::new(true, opaque.into())
    }

    fn new(weak: bool, opaque: Cow<'t, str>) -> Option<Self> {
        opaque.bytes().all(is_tag_byte).then_some(Self { weak, opaque })
    }

    /// The comparison that `If-None-Match` uses (RFC 9110 section 8.8.3.2).
    fn matches_weakly(&self, listed: Listed<'_>) -> bool {
        self.opaque.as_bytes() == listed.opaque
    }

    /// The comparison that `If-Match` uses (RFC 9110 section 8.8.3.2).
    fn matches_strongly(&self, listed: Listed<'_>) -> bool {
        !self.weak && !listed.weak && self.matches_weakly(listed)
    }
}

/// As it stands in a field.
impl fmt::Display for EntityTag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\"{}\"", if self.weak { "W/" } else { "" }, self.opaque)
    }
}

/// What tells one state of a representation from another (RFC 9110 section 8.8). Without either no condition
/// about it but `*` can be decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators<'t> {
    /// `ETag`.
    pub entity_tag: Option<EntityTag<'t>>,
    /// `Last-Modified`, which has whole seconds.
    pub last_modified: Option<SystemTime>,
}

/// Why a request must not go on: what its client has asked for, and no fault.
///
/// As an error of a handler it is the answer: 304 without a body, with the fields that the handler has set
/// before (RFC 9110 section 15.4.5), or 412 (section 15.5.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The client has this state already: 304.
    NotModified,
    /// The state is another than the client believes: 412.
    Failed,
}

impl From<Precondition> for Rejection {
    fn from(reason: Precondition) -> Self {
        match reason {
            Precondition::NotModified => Self::new(Status::NotModified, "not modified"),
            Precondition::Failed => Self::new(Status::PreconditionFailed, "precondition failed"),
        }
    }
}

impl IntoAnswer for Precondition {
    fn into_answer(self, response: &mut Response<'_>) {
        Rejection::from(self).into_answer(response);
    }
}

impl Response<'_> {
    /// Adds `ETag` and `Last-Modified`. They describe the body of this answer, so an answer to a change has
    /// them only if they are those of the new state (RFC 9110 section 8.8). A time that is still to come is
    /// sent as now (section 8.8.2.1).
    pub fn validators(&mut self, validators: &Validators<'_>) -> &mut Self {
        if let Some(tag) = &validators.entity_tag {
            self.header("etag", tag);
        }
        if let Some(time) = validators.last_modified {
            self.header("last-modified", httpdate::HttpDate::from(time.min(SystemTime::now())));
        }
        self
    }
}

impl RequestHead<'_> {
    /// Holds the conditions of the request against the current state of what it is about; `None` if there is
    /// none (yet), as before a PUT that creates. In the order of RFC 9110 section 13.2.2: `If-Match`, or else
    /// `If-Unmodified-Since`; then `If-None-Match`, or else `If-Modified-Since`. To be called where the
    /// request would otherwise be answered with a 2xx, and before anything is done (section 13.2.1).
    ///
    /// A list of tags that is malformed matches nothing; where something would be changed it fails.
    /// `If-Range` has no meaning here, since ranges are not served.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use pouco::http::{EntityTag, Method, Precondition, Router, Validators};
    ///
    /// let mut router = Router::new();
    /// router.route(Method::Get, "/report", |request, response| {
    ///     let validators = Validators {
    ///         entity_tag: EntityTag::strong("v7"),
    ///         last_modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
    ///     };
    ///     response.validators(&validators).header("cache-control", "no-cache");
    ///     request.precondition(Some(&validators))?;
    ///     response.text("the report");
    ///     Ok::<_, Precondition>(())
    /// });
    /// ```
    ///
    /// # Errors
    /// [`Precondition`]: 304 or 412.
    pub fn precondition(&self, current: Option<&Validators<'_>>) -> Result<(), Precondition> {
        let reads = matches!(self.method(), Method::Get | Method::Head);
        let tag = current.and_then(|validators| validators.entity_tag.as_ref());
        let modified = current.and_then(|validators| validators.last_modified);
        let matching = self.tags("if-match", |listed| tag.is_some_and(|tag| tag.matches_strongly(listed)));
        match matching {
            Tags::Absent => {
                // Its time has no meaning for what has none (section 13.1.4).
                if let (Some(since), Some(modified)) = (self.date("if-unmodified-since"), modified)
                    && seconds(modified) > seconds(since)
                {
                    return Err(Precondition::Failed);
                }
            }
            Tags::Any if current.is_some() => {}
            Tags::Listed { found: true } => {}
            _ => return Err(Precondition::Failed),
        }
        let none_matching =
            self.tags("if-none-match", |listed| tag.is_some_and(|tag| tag.matches_weakly(listed)));
        let holds = match none_matching {
            Tags::Absent => {
                let since = self.date("if-modified-since").filter(|_| reads).map(seconds);
                !matches!((since, modified.map(seconds)), (Some(since), Some(modified)) if modified <= since)
            }
            Tags::Any => current.is_none(),
            Tags::Listed { found } => !found,
            Tags::Malformed => reads,
        };
        match holds {
            true => Ok(()),
            false if reads => Err(Precondition::NotModified),
            false => Err(Precondition::Failed),
        }
    }

    /// Looks for a tag in all lines of a field.
    fn tags(&self, name: &str, is_wanted: impl Fn(Listed<'_>) -> bool) -> Tags {
        let mut tags = Tags::Absent;
        for line in self.header_lines(name) {
            let read = read_tags(line, &is_wanted);
            tags = match (tags, read) {
                (Tags::Absent, read) => read,
                (Tags::Listed { found }, Tags::Listed { found: more }) => {
                    Tags::Listed { found: found || more }
                }
                // `*` stands alone (RFC 9110 section 13.1.1).
                _ => Tags::Malformed,
            };
        }
        tags
    }

    /// The date of a field. One that is not a date, or is there twice, is ignored (RFC 9110 sections 13.1.3
    /// and 13.1.4).
    fn date(&self, name: &str) -> Option<SystemTime> {
        let mut lines = self.header_lines(name);
        let date = lines.next().filter(|_| lines.next().is_none())?;
        httpdate::parse_http_date(std::str::from_utf8(date).ok()?).ok()
    }
}

/// One tag of a list.
#[derive(Clone, Copy)]
struct Listed<'b> {
    weak: bool,
    opaque: &'b [u8],
}

/// What a list of tags says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tags {
    Absent,
    /// `*`.
    Any,
    Listed {
        /// Whether the wanted one is among them.
        found: bool,
    },
    Malformed,
}

/// `"*" / #entity-tag` (RFC 9110 sections 13.1.1 and 13.1.2). A tag may hold commas.
fn read_tags(line: &[u8], is_wanted: impl Fn(Listed<'_>) -> bool) -> Tags {
    if line == b"*" {
        return Tags::Any;
    }
    let (mut rest, mut found) = (line, false);
    loop {
        // Empty elements count for nothing (RFC 9110 section 5.6.1.2).
        while let [b' ' | b'\t' | b',', behind @ ..] = rest {
            rest = behind;
        }
        if rest.is_empty() {
            return Tags::Listed { found };
        }
        let (weak, quoted) = rest.strip_prefix(b"W/").map_or((false, rest), |quoted| (true, quoted));
        let Some(quoted) = quoted.strip_prefix(b"\"") else { return Tags::Malformed };
        let Some(length) = memchr::memchr(b'"', quoted) else { return Tags::Malformed };
        let (opaque, behind) = (&quoted[..length], trim(&quoted[length + 1..]));
        if !opaque.iter().copied().all(is_tag_byte) || !matches!(behind, [] | [b',', ..]) {
            return Tags::Malformed;
        }
        found |= is_wanted(Listed { weak, opaque });
        rest = behind;
    }
}

/// A character of an entity tag (RFC 9110 section 8.8.3).
const fn is_tag_byte(byte: u8) -> bool {
    byte > b' ' && byte != b'"' && byte != 0x7f
}

/// What a date of HTTP can say of a time.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
