//! What the answers of a load say together: a list must have all rows of the data, and all users whose
//! creation had been acknowledged when it was asked for.
//!
//! **Cost.** A list of 1,000 rows costs the generator half a millisecond to read. One that is, byte by byte,
//! the last one that was found right is right too, while nothing was created; so in a load that only reads
//! each list is compared whole, and hardly any is read. Where a load creates, each list differs: of all of
//! them the rows are counted, and of one in [`WHOLE_EVERY`] each row is compared.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;

use super::{ROWS, Task, created, in_utc, number_of, place, seeded};

/// One list in so many is compared row by row where a load creates.
pub(super) const WHOLE_EVERY: u64 = 10;

/// What must be known of a request when its answer comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Among the requests of its kind, from 0.
    pub number: u64,
    /// Creations that had been acknowledged when it was sent.
    acknowledged: usize,
}

/// All that is known of what was asked and answered.
#[derive(Debug, Default)]
pub struct Answers {
    /// Requests by their kind.
    sent: [u64; 7],
    /// Ids of creations, in the order of their acknowledgements.
    acknowledged: Vec<u64>,
    /// The last list that was read and found right, before anything was created.
    right: Vec<u8>,
    lists: u64,
}

impl Answers {
    /// A request is sent.
    pub fn ask(&mut self, task: Task) -> Asked {
        let sent = &mut self.sent[task as usize];
        *sent += 1;
        Asked { number: *sent - 1, acknowledged: self.acknowledged.len() }
    }

    /// Judges an answer with an allowed status, which took so many milliseconds. Of a creation it gives the
    /// id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(
        &mut self,
        task: Task,
        asked: Asked,
        millis: f64,
        body: &[u8],
    ) -> Result<Option<u64>, &'static str> {
        if task == Task::List {
            return self.list(asked, body).map(|()| None);
        }
        let id = task.check(asked.number, millis, body)?;
        self.acknowledged.extend(id);
        Ok(id)
    }

    fn list(&mut self, asked: Asked, body: &[u8]) -> Result<(), &'static str> {
        let created = self.sent[Task::Create as usize];
        self.lists += 1;
        if created == 0 && !body.is_empty() && body == self.right {
            return Ok(());
        }
        // A name or an address has no brace.
        let rows = body.iter().filter(|byte| **byte == b'{').count() as u64;
        let least = ROWS + asked.acknowledged as u64;
        if rows < least {
            return Err("the list has not all rows");
        }
        if rows > ROWS + created {
            return Err("the list has more rows than there are");
        }
        if created > 0 && !self.lists.is_multiple_of(WHOLE_EVERY) {
            return Ok(());
        }
        self.compare(asked, body)?;
        if created == 0 {
            self.right.clear();
            self.right.extend_from_slice(body);
        }
        Ok(())
    }

    /// Row by row.
    fn compare(&self, asked: Asked, body: &[u8]) -> Result<(), &'static str> {
        let rows: Vec<Row<'_>> =
            serde_json::from_slice(body).map_err(|_| "the body is no array of users in JSON")?;
        let mut ids = HashSet::with_capacity(rows.len());
        for row in &rows {
            if !ids.insert(row.id) {
                return Err("a user is twice in the list");
            }
            let is_of_the_data = place(row.id).is_some_and(|place| (place as u64) < ROWS);
            row.check(is_of_the_data, self.sent[Task::Create as usize])?;
        }
        let mut known = (1..=ROWS).chain(self.acknowledged[..asked.acknowledged].iter().copied());
        if known.all(|id| ids.contains(&id)) { Ok(()) } else { Err("the list has not all rows") }
    }
}

#[derive(Deserialize)]
struct Row<'a> {
    id: u64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    email: Cow<'a, str>,
    #[serde(borrow)]
    created_at: Cow<'a, str>,
}

impl Row<'_> {
    fn check(&self, is_of_the_data: bool, sent: u64) -> Result<(), &'static str> {
        let at = in_utc(&self.created_at).ok_or("a created_at is no moment with its zone")?;
        if is_of_the_data {
            let row = seeded(self.id);
            let same = self.name == row.name && self.email == row.email && at == row.created_at;
            return if same { Ok(()) } else { Err("a user of the list is not as it is stored") };
        }
        match number_of(&self.email).filter(|number| *number < sent) {
            Some(number) if self.name == created(number).0 => Ok(()),
            Some(_) => Err("a user of the list is not as it was sent"),
            None => Err("the list has a user whom nobody sent"),
        }
    }
}
