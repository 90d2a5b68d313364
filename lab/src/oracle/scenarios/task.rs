//! What is asked for in each scenario, and what a right answer says, as far as that answer alone tells.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Access, Bulk, Cache, Decrement, Document, Page, Search, created, flow, must, read};

/// How long the other service takes, in milliseconds.
const EXTERNAL_MS: f64 = 100.0;
/// A timer of whole milliseconds may end in the last of them, and so may the clock that reads it.
const TOLERANCE_MS: f64 = 1.0;

/// Of an upload.
const FILE_BYTES: usize = 1024;
const FILE_TYPE: &str = "application/octet-stream";
const BOUNDARY: &str = "----limit-of-a-part-of-the-upload";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Whether the server is well.
    Health,
    /// A document that comes back.
    Echo,
    /// All users.
    List,
    /// A new user.
    Create,
    /// Something that another service takes 100 ms for.
    External,
    /// Something that a token gives access to.
    Protected,
    /// A file of 1,024 bytes is sent.
    Upload,
    /// A page of users.
    Page(Page),
    /// Some pieces of a product.
    Decrement(Decrement),
    /// A user through a cache.
    Cached(Cache),
    /// That caches have somebody no more.
    Forget,
    /// Something that a token gives access to, or nothing that one is needed for.
    Access(Access),
    /// What is the same each time.
    Document(Document),
    /// Many rows at once.
    Bulk(Bulk),
    /// Users who are searched for.
    Search(Search),
    /// A token for the client's own user.
    LogIn,
    /// Another name for that user.
    Change,
    /// That user.
    Look,
    /// That a user whom the client has made goes again.
    Remove,
}

impl Task {
    /// What a request is for; nothing for one that is not of the contest.
    #[must_use]
    pub fn of(method: &str, path: &str) -> Option<Self> {
        let (route, query) = path.split_once('?').unwrap_or((path, ""));
        let value = |name: &str| {
            query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        Some(match (method, route) {
            ("GET", "/users/offset") => {
                Self::Page(Page::Offset { size: value("size")?, count: !query.contains("count=false") })
            }
            ("GET", "/users/cursor") => Self::Page(Page::Cursor { size: value("size")? }),
            ("POST", route) if route.starts_with("/transactions/decrement/") => {
                let how = route.rsplit('/').next()?;
                Self::Decrement(Decrement::new(how, value("quantity")?))
            }
            ("DELETE", "/cache/users/{asked}") => Self::Forget,
            ("GET", "/cache/users/{asked}/no-cache") => Self::Cached(Cache::Without),
            ("GET", "/cache/users/{asked}/redis" | "/cache/users/{asked}/process") => {
                Self::Cached(Cache::With)
            }
            ("GET", route) if route.starts_with("/auth/") => Self::Access(Access::new(&route[6..])?),
            ("POST", route) if route.starts_with("/auth/login/") => Self::LogIn,
            ("DELETE", "/users/{asked}") => Self::Remove,
            ("PUT", "/users/{asked}") => Self::Change,
            ("GET", "/users/{asked}") => Self::Look,
            ("GET", "/search/users") => Self::Search(Search { limit: value("limit").unwrap_or(50) }),
            ("POST" | "DELETE", route) if route.starts_with("/bulk-operations/") => {
                Self::Bulk(Bulk::new(route.rsplit('/').next()?, value("count"))?)
            }
            ("GET", route) if route.starts_with("/n-plus-one/") || route.starts_with("/aggregation/") => {
                Self::Document(Document::new(route, value("limit"))?)
            }
            _ if !query.is_empty() => return None,
            ("GET", "/health") => Self::Health,
            ("POST", "/echo") => Self::Echo,
            ("GET", "/users") => Self::List,
            ("POST", "/users") => Self::Create,
            ("GET", "/external") => Self::External,
            ("GET", "/protected") => Self::Protected,
            ("POST", "/upload") => Self::Upload,
            _ => return None,
        })
    }

    /// Header lines beside the usual ones, each with its end.
    #[must_use]
    pub fn headers(self) -> &'static str {
        match self {
            Self::Protected => {
                "authorization: Bearer a-token-of-the-lab\r\nx-request-id: a-request-of-the-lab\r\n"
            }
            // A POST without a body says so.
            Self::Decrement(_) | Self::LogIn | Self::Bulk(Bulk::Insert(_) | Bulk::Update(_)) => {
                "content-length: 0\r\n"
            }
            _ => "",
        }
    }

    /// Of the body; absent where there is none.
    #[must_use]
    pub fn content_type(self) -> Option<String> {
        match self {
            Self::Echo | Self::Create | Self::Change => Some("application/json".to_owned()),
            Self::Upload => Some(format!("multipart/form-data; boundary={BOUNDARY}")),
            _ => None,
        }
    }

    /// The body of the request of this number among those of its kind, about somebody.
    pub fn write_body(self, number: u64, about: u64, body: &mut String) {
        body.clear();
        // A string takes all that is written to it.
        let _ = match self {
            Self::Echo => write!(
                body,
                r#"{{"message":"{}","timestamp":{},"data":{}}}"#,
                message(number),
                1_704_067_200_000 + number,
                data(number)
            ),
            Self::Create => {
                let (name, email) = created(number);
                write!(body, r#"{{"name":"{name}","email":"{email}"}}"#)
            }
            Self::Change => {
                let name = flow::name(number);
                write!(body, r#"{{"name":"{name}","email":"user{about}@example.com"}}"#)
            }
            Self::Upload => write!(
                body,
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n\
                 Content-Type: {FILE_TYPE}\r\n\r\n{:x<FILE_BYTES$}\r\n--{BOUNDARY}--\r\n",
                file_name(number),
                ""
            ),
            _ => Ok(()),
        };
    }

    /// Judges the body of an answer to the request of this `number`, which took so long. Of a creation it
    /// gives the id. The rest is judged by [`super::Answers`].
    pub(super) fn check(self, number: u64, millis: f64, body: &[u8]) -> Result<Option<u64>, &'static str> {
        match self {
            Self::Health => {
                let health: Health<'_> = read(body, "the body is no health in JSON")?;
                must(health.status == "ok", "the status is not ok")?;
                must(!health.server.is_empty(), "the server has no name")?;
            }
            Self::Echo => {
                let echo: Echo<'_> = read(body, "the body is no echo in JSON")?;
                must(echo.message == message(number), "the message is not the one that was sent")?;
                must(same(echo.data.get(), &data(number)), "the data are not those that were sent")?;
            }
            Self::Create => {
                let user: Created<'_> = read(body, "the body is no user with an id in JSON")?;
                let (name, email) = created(number);
                must(user.name == name && user.email == email, "the user is not the one that was sent")?;
                return Ok(Some(user.id));
            }
            Self::External => {
                let external: External<'_> = read(body, "the body is nothing external in JSON")?;
                let told = external.latency_ms >= EXTERNAL_MS - TOLERANCE_MS;
                must(told, "latency_ms is below 100")?;
                must(millis >= EXTERNAL_MS - TOLERANCE_MS, "the answer came before 100 ms had passed")?;
                must(
                    external.latency_ms <= millis + TOLERANCE_MS,
                    "latency_ms is more than the answer took",
                )?;
                must(!external.source.is_empty(), "the source has no name")?;
                must(external.data.get() != "null", "there are no data")?;
            }
            Self::Protected => {
                let protected: Protected<'_> = read(body, "the body is nothing protected in JSON")?;
                must(protected.message == "Access granted", "the message is not `Access granted`")?;
                must(protected.user.get() != "null", "there is no user")?;
            }
            Self::Upload => {
                let upload: Upload<'_> = read(body, "the body is no upload in JSON")?;
                must(upload.size == FILE_BYTES as u64, "the size is not that of the file")?;
                must(upload.filename == file_name(number), "the filename is not the one that was sent")?;
                must(upload.content_type == FILE_TYPE, "the content_type is not the one that was sent")?;
            }
            // Judged by what else is known.
            _ => {}
        }
        Ok(None)
    }
}

fn message(number: u64) -> String {
    format!("message {number}")
}

fn data(number: u64) -> String {
    format!(r#"{{"items":[1,2,3,4,5],"nested":{{"key":"value {number}","flag":true}}}}"#)
}

fn file_name(number: u64) -> String {
    format!("file-{number}.bin")
}

#[derive(Deserialize)]
struct Health<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    server: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Created<'a> {
    id: u64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    email: Cow<'a, str>,
}

#[derive(Deserialize)]
struct External<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    latency_ms: f64,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Protected<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    user: &'a RawValue,
}

#[derive(Deserialize)]
struct Upload<'a> {
    #[serde(borrow)]
    filename: Cow<'a, str>,
    size: u64,
    #[serde(borrow)]
    content_type: Cow<'a, str>,
}

/// The same document, as it was written or else as it reads.
fn same(got: &str, sent: &str) -> bool {
    let value = |text| serde_json::from_str::<Value>(text).ok();
    got == sent || value(got).is_some_and(|got| Some(got) == value(sent))
}
