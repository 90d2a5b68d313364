//! What the contest `edge` asks of an answer: nothing is stored there, so its pages are all there is to
//! judge.
//!
//! - **`/static-text`** is [`STATIC_TEXT`], byte by byte.
//! - **`/time`** is a moment in RFC 3339, in UTC with `Z`, and a line end. It is not of the future, and not
//!   older than what may be kept for the longest ([`OLDEST`]). Generator and contestant have one clock: they
//!   run on one machine.
//! - **`X-Cache-Status`** is one of [`WORDS`] in each answer: a page that no cache stands before says
//!   nothing.
//!
//! k6's script has the same rules in its own language, and all numbers and words from here. What may not
//! enter: how answers are fetched, and how long a single contestant keeps a page.

pub mod oracle;

use std::time::{Duration, SystemTime};

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::answers::Right;

/// The body of `/static-text`.
pub const STATIC_TEXT: &str = "A static text\n";

/// The longest that any cache of the contest keeps a page: nginx and Redis do so for a minute.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(60);

/// Moments are shown in whole seconds, and what expires in this instant is still on its way.
pub const TOLERANCE: Duration = Duration::from_secs(2);

/// The largest age of a moment that is shown.
pub const OLDEST: Duration = Duration::from_secs(TIME_TO_LIVE.as_secs() + TOLERANCE.as_secs());

/// What a cache may say of itself: nginx's words.
pub const WORDS: [&str; 7] = ["HIT", "MISS", "EXPIRED", "STALE", "UPDATING", "REVALIDATED", "BYPASS"];

/// A page that is asked for, with an oracle for what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The same for ever.
    StaticText,
    /// When it was made.
    Time,
}

impl Page {
    /// The page at the end of `path`, behind whatever prefix.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        match path.rsplit('/').next() {
            Some("static-text") => Some(Self::StaticText),
            Some("time") => Some(Self::Time),
            _ => None,
        }
    }

    /// Judges an answer with `body` and `X-Cache-Status: cache` that came `now`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(self, body: &[u8], cache: Option<&[u8]>, now: SystemTime) -> Result<Right, &'static str> {
        let cache = cache.ok_or("no X-Cache-Status")?;
        let known = WORDS.into_iter().find(|word| word.as_bytes() == cache);
        let cache = known.ok_or("X-Cache-Status is no word of the contest")?;
        let age = match self {
            Self::StaticText if body == STATIC_TEXT.as_bytes() => None,
            Self::StaticText => return Err("the text is not the contest's"),
            Self::Time => Some(age(body, now)?),
        };
        Ok(Right { cache, age })
    }
}

/// How long before `now` the moment in `body` is.
fn age(body: &[u8], now: SystemTime) -> Result<Duration, &'static str> {
    let moment = || {
        let text = std::str::from_utf8(body).ok()?.strip_suffix('\n')?;
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        (text.ends_with('Z') && moment.offset() == UtcOffset::UTC).then_some(moment)
    };
    let shown = moment().ok_or("the time is no moment in UTC with Z and a line end")?;
    let age = now.duration_since(shown.into()).map_err(|_| "the time is of the future")?;
    if age <= OLDEST { Ok(age) } else { Err("the time is older than anything may be kept") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T12:00:00Z.
    const NOON: u64 = 1_795_262_400;

    fn judged(page: Page, body: &str, cache: Option<&str>) -> Result<Right, &'static str> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOON) + Duration::from_millis(500);
        page.judge(body.as_bytes(), cache.map(str::as_bytes), now)
    }

    #[test]
    fn a_page_is_known_by_the_end_of_its_path() {
        let pages = ["/static-text", "/redis/time", "/", "/times", "/time/x"].map(Page::at);
        assert_eq!(pages, [Some(Page::StaticText), Some(Page::Time), None, None, None]);
    }

    #[test]
    fn a_static_text_is_right_to_the_byte() {
        let right = Right { cache: "STALE", age: None };
        assert_eq!(judged(Page::StaticText, STATIC_TEXT, Some("STALE")), Ok(right));
        for body in ["", "A static text", "A static text\n\n", "a static text\n"] {
            assert_eq!(judged(Page::StaticText, body, Some("HIT")), Err("the text is not the contest's"));
        }
    }

    #[test]
    fn a_time_is_of_the_last_minute() {
        let age = |body| judged(Page::Time, body, Some("HIT")).map(|right| right.age.unwrap().as_millis());
        assert_eq!(age("2026-11-21T12:00:00Z\n"), Ok(500));
        assert_eq!(age("2026-11-21T12:00:00.499Z\n"), Ok(1));
        assert_eq!(age("2026-11-21T11:58:59Z\n"), Ok(61_500));
        assert_eq!(age("2026-11-21T11:58:58Z\n"), Err("the time is older than anything may be kept"));
        assert_eq!(age("2026-11-21T12:00:01Z\n"), Err("the time is of the future"));
        for none in
            ["", "noon\n", "2026-11-21T12:00:00Z", "2026-11-21T12:00:00+00:00\n", "2026-11-21T12:00:00\n"]
        {
            assert_eq!(age(none), Err("the time is no moment in UTC with Z and a line end"), "{none}");
        }
    }

    #[test]
    fn a_cache_says_what_it_did_in_a_word_of_the_contest() {
        for word in WORDS {
            assert_eq!(judged(Page::StaticText, STATIC_TEXT, Some(word)).unwrap().cache, word);
        }
        for word in ["", "hit", "HIT, MISS", "YES"] {
            let error = judged(Page::StaticText, STATIC_TEXT, Some(word)).unwrap_err();
            assert_eq!(error, "X-Cache-Status is no word of the contest", "{word}");
        }
        assert_eq!(judged(Page::Time, "2026-11-21T12:00:00Z\n", None), Err("no X-Cache-Status"));
    }
}
