//! What both kinds of judging share: payloads by nick, rows against payloads, and examples in words.

use std::collections::HashMap;

use super::{Excluded, Person, Row, Taken, nick_of, valid_person};
use crate::lines::Lines;
use crate::oracle::sent::{Kinds, quoted};
use crate::record::Stored;

/// A line of the payload file.
enum Line {
    NotSent,
    /// Breaks a rule, or its nick is left out of account, or taken since an earlier load.
    Invalid,
    Valid(Person),
}

/// The payloads that were sent. A place is a line of the file; a line that was sent twice is one place.
pub(super) struct Sent {
    lines: Vec<Line>,
    by_nick: HashMap<String, Vec<usize>>,
}

impl Sent {
    pub(super) fn new(
        numbers: impl Iterator<Item = u64>,
        payloads: &Lines,
        excluded: &Excluded,
        taken: &Taken<'_>,
    ) -> Self {
        let is_free =
            |person: &Person| !excluded.contains(&person.apelido) && !taken.contains(&person.apelido);
        let mut sent = Self { lines: Vec::new(), by_nick: HashMap::new() };
        sent.lines.resize_with(payloads.count(), || Line::NotSent);
        for number in numbers {
            let place = payloads.place(number);
            if !matches!(sent.lines[place], Line::NotSent) {
                continue;
            }
            let person = valid_person(payloads.get(number));
            sent.lines[place] = match person.filter(is_free) {
                None => Line::Invalid,
                Some(person) => {
                    sent.by_nick.entry(person.apelido.clone()).or_default().push(place);
                    Line::Valid(person)
                }
            };
        }
        sent
    }

    /// How many people must be stored if every creation was received.
    pub(super) fn nicks(&self) -> u64 {
        self.by_nick.len() as u64
    }

    pub(super) fn person_at(&self, place: usize) -> Option<&Person> {
        match self.lines.get(place) {
            Some(Line::Valid(person)) => Some(person),
            _ => None,
        }
    }

    /// All that were sent with this nick and are valid.
    pub(super) fn people_of(&self, nick: &str) -> impl Iterator<Item = &Person> {
        self.by_nick.get(nick).into_iter().flatten().filter_map(|place| self.person_at(*place))
    }

    /// In no order.
    pub(super) fn all_nicks(&self) -> impl Iterator<Item = &str> {
        self.by_nick.keys().map(String::as_str)
    }

    /// Whether a payload with this nick was sent that breaks a rule.
    fn broken_payload_of(&self, nick: &str, payloads: &Lines) -> bool {
        let invalid = self.lines.iter().zip(0..).filter(|(line, _)| matches!(line, Line::Invalid));
        invalid.into_iter().any(|(_, number)| nick_of(payloads.get(number)).as_deref() == Some(nick))
    }
}

/// A record in the making.
pub(super) struct Findings {
    pub(super) stored: Stored,
    by_kind: Kinds,
}

impl Findings {
    pub(super) fn new(sent: u64, rows: &[Row]) -> Self {
        let stored = Stored { sent, rows: rows.len() as u64, ..Stored::default() };
        Self { stored, by_kind: Kinds::default() }
    }

    /// Keeps a sentence as an example, if there is room for more of its kind.
    pub(super) fn say(&mut self, kind: &'static str, sentence: impl FnOnce() -> String) {
        self.by_kind.say(&mut self.stored.examples, kind, sentence);
    }

    /// More than one row of a nick; that of an earlier load counts as one.
    pub(super) fn count_duplicates(&mut self, rows_by_nick: &HashMap<&str, Vec<usize>>, taken: &Taken<'_>) {
        let times = |nick: &str, rows: &[usize]| rows.len() + usize::from(taken.is_held(nick));
        let mut nicks: Vec<_> = rows_by_nick.iter().filter(|(nick, rows)| times(nick, rows) > 1).collect();
        nicks.sort_unstable();
        for (nick, rows) in nicks {
            let times = times(nick, rows);
            self.stored.duplicated += times as u64 - 1;
            self.say("duplicated", || format!("{} is stored {times} times", quoted(nick)));
        }
    }

    /// A row whose id was given for these people: nearly always for one.
    pub(super) fn check_known_row(&mut self, row: &Row, people: &[&Person]) {
        self.check_against(row, people.iter().copied());
    }

    /// A row of which only the nick says what was sent.
    pub(super) fn check_row(&mut self, row: &Row, sent: &Sent, payloads: &Lines) {
        if sent.people_of(&row.apelido).next().is_none() {
            return self.is_foreign(row, sent, payloads);
        }
        self.check_against(row, sent.people_of(&row.apelido));
    }

    fn check_against<'p>(&mut self, row: &Row, people: impl Iterator<Item = &'p Person>) {
        let mut first = None;
        for person in people {
            match difference(row, person) {
                None => return,
                Some(difference) => {
                    first.get_or_insert((person, difference));
                }
            }
        }
        self.stored.altered += 1;
        if let Some((person, difference)) = first {
            self.say("altered", || format!("{}: {difference}", quoted(&person.apelido)));
        }
    }

    /// A row that should not be.
    pub(super) fn is_foreign(&mut self, row: &Row, sent: &Sent, payloads: &Lines) {
        self.stored.foreign += 1;
        self.say("foreign", || {
            let nick = quoted(&row.apelido);
            match sent.broken_payload_of(&row.apelido, payloads) {
                true => format!("{nick} is stored, and what was sent breaks a rule"),
                false => format!("{nick} is stored, and nobody sent it"),
            }
        });
    }
}

pub(super) fn rows_by_nick(rows: &[Row]) -> HashMap<&str, Vec<usize>> {
    let mut by_nick: HashMap<&str, Vec<usize>> = HashMap::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        by_nick.entry(&row.apelido).or_default().push(index);
    }
    by_nick
}

/// The first field that differs, in words.
fn difference(row: &Row, person: &Person) -> Option<String> {
    let texts = [
        ("apelido", &row.apelido, &person.apelido),
        ("nome", &row.nome, &person.nome),
        ("nascimento", &row.nascimento, &person.nascimento),
    ];
    let text = texts.into_iter().find(|(_, stored, sent)| stored != sent);
    if let Some((field, stored, sent)) = text {
        return Some(format!("{field} was sent as {} and is stored as {}", quoted(sent), quoted(stored)));
    }
    let shown = |stack: &Option<Vec<String>>| match stack {
        None => "null".to_owned(),
        Some(stack) => quoted(&format!("{stack:?}")),
    };
    (row.stack != person.stack)
        .then(|| format!("stack was sent as {} and is stored as {}", shown(&person.stack), shown(&row.stack)))
}
