//! People that go from replica to replica directly, and how often the feed polls while they do.
//!
//! The feed stays the truth. It polls rarely only while all other replicas push, and goes back to its usual
//! pace as soon as it finds a person who is not pushed within a moment: one that another program has added,
//! or a replica of an older version, or one that a replica had no room to send.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use uuid::Uuid;

use super::directory::Directory;
use super::model::{NAME_BYTES, Person, SHORT_BYTES, STACK_BYTES, STACK_ELEMENTS};
use super::note::note;
use crate::cache::search::Builder;
use crate::limits;
use crate::replicas::push::{Hub, Receive, Rubbish};

/// What is pushed, and how it is written; another one is not understood.
pub(super) const CHANNEL: &str = "people 1";

const GRACE: Duration = Duration::from_millis(limits::FEED_GRACE_MS);
const DOUBT: Duration = Duration::from_millis(limits::FEED_DOUBT_MS);

/// So many people that were not pushed are known by name; one more is as good as one that never will be.
const STRANGERS: usize = 1_024;

/// Appends a person: id, note, and each text behind its length.
pub(super) fn write(out: &mut Vec<u8>, person: &Person) {
    out.extend_from_slice(person.id.as_bytes());
    out.extend_from_slice(&note(person.nascimento, person.stack.is_some()).to_le_bytes());
    for text in person.texts() {
        // A text of a person is far shorter.
        out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
}

/// A person as it was written. The writer has checked the rules; here is only what memory has to be safe
/// from.
struct Pushed<'b> {
    id: Uuid,
    note: u32,
    texts: Vec<&'b str>,
}

fn read(row: &[u8]) -> Option<Pushed<'_>> {
    let (id, rest) = row.split_first_chunk()?;
    let (note, mut rest) = rest.split_first_chunk()?;
    let mut texts = Vec::new();
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk()?;
        let (text, behind) = behind.split_at_checked(u16::from_le_bytes(*length).into())?;
        texts.push(std::str::from_utf8(text).ok()?);
        rest = behind;
    }
    let [apelido, nome, stack @ ..] = &texts[..] else { return None };
    let fits = apelido.len() <= SHORT_BYTES
        && nome.len() <= NAME_BYTES
        && stack.len() <= STACK_ELEMENTS
        && stack.iter().map(|element| element.len()).sum::<usize>() <= STACK_BYTES;
    fits.then(|| Pushed { id: Uuid::from_bytes(*id), note: u32::from_le_bytes(*note), texts })
}

/// Brings into the directory what other replicas push.
pub(super) struct Receiving {
    directory: Arc<Directory>,
    strangers: Arc<Strangers>,
    builder: Builder,
    generation: u64,
}

impl Receiving {
    pub(super) fn new(directory: Arc<Directory>, strangers: Arc<Strangers>) -> Self {
        Self { directory, strangers, builder: Builder::default(), generation: 0 }
    }
}

impl Receive for Receiving {
    fn begin(&mut self) {
        self.generation = self.directory.generation();
    }

    fn row(&mut self, row: &[u8]) -> Result<(), Rubbish> {
        let Pushed { id, note, texts } = read(row).ok_or(Rubbish)?;
        if self.directory.lacks(id) == Some(true) {
            self.directory.follow(&mut self.builder, self.generation, id, note, texts.into_iter());
        }
        self.strangers.pushed(id);
        Ok(())
    }
}

/// Whom the feed has found and nobody has pushed so far.
#[derive(Default)]
pub(super) struct Strangers {
    waiting: Mutex<HashMap<Uuid, Instant>>,
    count: AtomicUsize,
}

impl Strangers {
    /// The feed has found a person who was not known.
    fn found(&self, id: Uuid, now: Instant) {
        let mut waiting = self.waiting.lock();
        if waiting.len() < STRANGERS {
            waiting.insert(id, now);
        }
        self.count.store(waiting.len(), Ordering::Release);
    }

    /// A replica has pushed somebody.
    fn pushed(&self, id: Uuid) {
        if self.count.load(Ordering::Acquire) > 0 {
            let mut waiting = self.waiting.lock();
            waiting.remove(&id);
            self.count.store(waiting.len(), Ordering::Release);
        }
    }

    /// Whether somebody has waited for too long, who then waits no more; so does everybody if there are too
    /// many.
    fn take_overdue(&self, now: Instant) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut waiting = self.waiting.lock();
        let before = waiting.len();
        waiting.retain(|_, since| before < STRANGERS && now.saturating_duration_since(*since) < GRACE);
        self.count.store(waiting.len(), Ordering::Release);
        waiting.len() < before
    }

    fn forget(&self) {
        self.waiting.lock().clear();
        self.count.store(0, Ordering::Release);
    }
}

/// How often the feed polls.
pub(super) struct Pace {
    hub: Option<Arc<Hub>>,
    strangers: Arc<Strangers>,
    pushed: Duration,
    doubt_until: Option<Instant>,
}

impl Pace {
    /// Every `pushed` where it may.
    pub(super) fn new(hub: Option<Arc<Hub>>, strangers: Arc<Strangers>, pushed: Duration) -> Self {
        Self { hub, strangers, pushed, doubt_until: None }
    }

    /// The feed has found a person who was not known.
    pub(super) fn found(&self, id: Uuid) {
        if self.hub.as_ref().is_some_and(|hub| hub.is_whole()) {
            self.strangers.found(id, Instant::now());
        }
    }

    /// How long the feed rests now, if `interval` is what is usual.
    pub(super) fn rest(&mut self, interval: Duration) -> Duration {
        let Some(hub) = &self.hub else { return interval };
        self.paced(hub.is_whole(), interval, Instant::now())
    }

    fn paced(&mut self, is_whole: bool, interval: Duration, now: Instant) -> Duration {
        if !is_whole {
            self.strangers.forget();
            return interval;
        }
        if self.strangers.take_overdue(now) {
            self.doubt_until = Some(now + DOUBT);
        }
        match self.doubt_until {
            Some(until) if now < until => interval,
            _ => interval.max(self.pushed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::people::model;

    fn person(stack: &str) -> Arc<Person> {
        let mut body =
            format!(r#"{{"apelido":"josé","nome":"José\n","nascimento":"1985-09-23","stack":{stack}}}"#)
                .into_bytes();
        model::parse(&mut body, 7).unwrap_or_else(|_| panic!("no person"))
    }

    #[test]
    fn a_person_is_read_as_it_was_written() {
        for stack in ["null", "[]", r#"["C#","","Node"]"#] {
            let person = person(stack);
            let mut row = Vec::new();
            write(&mut row, &person);
            let pushed = read(&row).unwrap();
            assert_eq!((pushed.id, pushed.note & 1 == 1), (person.id, stack != "null"));
            assert!(pushed.texts.iter().copied().eq(person.texts()));
            for end in 0..row.len() {
                // Cut between two texts it is a person with fewer of them.
                let cut = read(&row[..end]);
                assert!(cut.is_none_or(|cut| cut.texts.len() < pushed.texts.len()), "{end}");
            }
        }
    }

    #[test]
    fn what_is_too_long_or_no_text_is_no_person() {
        let row = |texts: &[&[u8]]| {
            let mut row = vec![0; 20];
            for text in texts {
                row.extend_from_slice(&u16::try_from(text.len()).unwrap().to_le_bytes());
                row.extend_from_slice(text);
            }
            row
        };
        assert!(read(&row(&[b"a", b"b"])).is_some());
        assert!(read(&row(&[b"a"])).is_none());
        assert!(read(&row(&[b"a", b"\xff"])).is_none());
        assert!(read(&row(&[&[b'a'; SHORT_BYTES + 1], b"b"])).is_none());
        assert!(read(&row(&[b"a", &[b'b'; NAME_BYTES + 1]])).is_none());
        assert!(read(&row(&vec![&b"a"[..]; 3 + STACK_ELEMENTS])).is_none());
        assert!(read(&row(&[b"a", b"b", &[b'c'; STACK_BYTES + 1]])).is_none());
        assert!(read(b"").is_none());
    }

    #[test]
    fn it_polls_rarely_until_somebody_is_not_pushed() {
        let (usual, rare) = (Duration::from_millis(80), Duration::from_secs(1));
        let strangers = Arc::new(Strangers::default());
        let mut pace = Pace::new(None, strangers.clone(), rare);
        let mut now = Instant::now();
        let [ana, bob] = [1, 2].map(Uuid::from_u128);
        assert_eq!(pace.paced(false, usual, now), usual);
        assert_eq!(pace.paced(true, usual, now), rare);
        // Found by a poll, and pushed a little later.
        strangers.found(ana, now);
        assert_eq!(pace.paced(true, usual, now), rare);
        strangers.pushed(ana);
        now += rare;
        assert_eq!(pace.paced(true, usual, now), rare);
        // Never pushed.
        strangers.found(bob, now);
        now += rare;
        assert_eq!(pace.paced(true, usual, now), usual);
        assert_eq!(pace.paced(true, usual, now + DOUBT - usual), usual);
        assert_eq!(pace.paced(true, usual, now + DOUBT), rare);
        // More than can be told apart.
        (0..STRANGERS + 1).for_each(|number| strangers.found(Uuid::from_u128(number as u128), now));
        assert_eq!(pace.paced(true, usual, now + DOUBT), usual);
        assert_eq!(strangers.count.load(Ordering::Relaxed), 0);
        // A replica that is not heard is no reason to doubt later.
        strangers.found(bob, now);
        assert_eq!(pace.paced(false, usual, now + 2 * DOUBT), usual);
        assert_eq!(pace.paced(true, usual, now + 2 * DOUBT + GRACE), rare);
    }
}
