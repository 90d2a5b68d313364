//! Judging where the answer to every creation is known.

use std::collections::{HashMap, HashSet};

use super::findings::{Findings, Sent, rows_by_nick};
use super::{Excluded, Person, Row, Taken};
use crate::lines::Lines;
use crate::oracle::sent::{Creation, id_of, quoted};
use crate::record::Stored;

/// What became of the valid creations of one nick.
#[derive(Default)]
struct Uses {
    /// The ids of the answers 201.
    acknowledged: Vec<Option<u128>>,
    /// No answer, or one that says neither yes nor no.
    unknown: u64,
    /// The last answer 4xx.
    refused: Option<u16>,
}

struct Judge<'j> {
    sent: &'j Sent,
    taken: &'j Taken<'j>,
    payloads: &'j Lines,
    rows: &'j [Row],
    row_by_id: HashMap<u128, usize>,
    rows_by_nick: HashMap<&'j str, Vec<usize>>,
    /// Rows that a 201 has been given for.
    claimed: HashSet<usize>,
    findings: Findings,
}

pub(super) fn judge(
    creations: &[Creation],
    payloads: &Lines,
    rows: &[Row],
    excluded: &Excluded,
    taken: &Taken<'_>,
) -> Stored {
    let sent = Sent::new(creations.iter().map(|creation| creation.payload), payloads, excluded, taken);
    let row_by_id =
        rows.iter().enumerate().filter_map(|(index, row)| Some((id_of(&row.id)?, index))).collect();
    let mut judge = Judge {
        sent: &sent,
        taken,
        payloads,
        rows,
        row_by_id,
        rows_by_nick: rows_by_nick(rows),
        claimed: HashSet::new(),
        findings: Findings::new(creations.len() as u64, rows),
    };
    judge.findings.stored.acknowledged =
        creations.iter().filter(|creation| creation.status == 201).count() as u64;
    judge.check_invalid(creations, excluded);
    judge.check_nicks(creations);
    judge.check_rows(creations);
    judge.findings.stored
}

impl Judge<'_> {
    /// A 201 for what breaks a rule is a promise too, and so is one for a nick that an earlier load has
    /// taken.
    fn check_invalid(&mut self, creations: &[Creation], excluded: &Excluded) {
        for creation in creations.iter().filter(|creation| creation.status == 201) {
            if self.sent.person_at(self.payloads.place(creation.payload)).is_some() {
                continue;
            }
            let nick = super::nick_of(self.payloads.get(creation.payload)).unwrap_or_default();
            if excluded.contains(&nick) || self.claim(creation.id) || self.claim_of_nick(&nick, 1) > 0 {
                continue;
            }
            if self.taken.contains(&nick) {
                self.findings.stored.lost += 1;
                self.findings.stored.acknowledged_twice += 1;
                self.findings.say("twice", || {
                    format!("{} was stored by an earlier load, and was acknowledged again", quoted(&nick))
                });
            } else {
                self.findings.stored.lost += 1;
                self.findings.say("lost", || {
                    format!("{} breaks a rule, was acknowledged and is not stored", quoted(&nick))
                });
            }
        }
    }

    fn check_nicks(&mut self, creations: &[Creation]) {
        let mut by_nick: HashMap<&str, Uses> = HashMap::with_capacity(creations.len());
        for creation in creations {
            let Some(person) = self.sent.person_at(self.payloads.place(creation.payload)) else { continue };
            let uses = by_nick.entry(&person.apelido).or_default();
            match creation.status {
                201 => uses.acknowledged.push(creation.id),
                400..500 => uses.refused = Some(creation.status),
                _ => uses.unknown += 1,
            }
        }
        let maybe = by_nick.values().filter(|uses| uses.acknowledged.is_empty() && uses.unknown > 0).count();
        self.findings.stored.expected_high = self.sent.nicks();
        self.findings.stored.expected_low = self.sent.nicks() - maybe as u64;
        let mut nicks: Vec<(&str, Uses)> = by_nick.into_iter().collect();
        nicks.sort_unstable_by_key(|(nick, _)| *nick);
        for (nick, uses) in nicks {
            self.check_acknowledged(nick, &uses);
            self.check_refused(nick, &uses);
        }
    }

    fn check_acknowledged(&mut self, nick: &str, uses: &Uses) {
        let all = uses.acknowledged.len();
        let by_id = uses.acknowledged.iter().filter(|id| self.claim(**id)).count();
        // Answers that do not say where the person is are taken for those of the rows that are left.
        let without_id = uses.acknowledged.iter().filter(|id| id.is_none()).count();
        let kept = by_id + self.claim_of_nick(nick, without_id);
        let lost = all - kept;
        if lost == 0 {
            return;
        }
        let twice = lost.min(all - 1);
        self.findings.stored.lost += lost as u64;
        self.findings.stored.acknowledged_twice += twice as u64;
        if twice > 0 {
            self.findings.say("twice", || {
                format!("{} was acknowledged {all} times, and {kept} of these are stored", quoted(nick))
            });
        } else {
            let id = uses.acknowledged[0].map_or_else(String::new, |id| format!(" as {}", uuid(id)));
            let there = match self.rows_by_nick.get(nick) {
                Some(rows) => format!("stored as {} only", quoted(&self.rows[rows[0]].id)),
                None => "not stored".to_owned(),
            };
            self.findings.say("lost", || format!("{} was acknowledged{id} and is {there}", quoted(nick)));
        }
    }

    /// Only where nothing else can have taken the nick: whoever was refused may have met a creation that was
    /// under way, and that one was acknowledged, or had no answer, or is stored.
    fn check_refused(&mut self, nick: &str, uses: &Uses) {
        let Some(status) = uses.refused else { return };
        if uses.acknowledged.is_empty() && uses.unknown == 0 && !self.rows_by_nick.contains_key(nick) {
            self.findings.stored.wrongly_refused += 1;
            self.findings.say("refused", || {
                format!("{} was valid and free, and was answered with {status}", quoted(nick))
            });
        }
    }

    fn check_rows(&mut self, creations: &[Creation]) {
        let acknowledged = creations.iter().filter(|creation| creation.status == 201);
        // Sorted and not a map: a server may give one id for several creations.
        let mut places: Vec<(u128, usize)> = acknowledged
            .filter_map(|creation| Some((creation.id?, self.payloads.place(creation.payload))))
            .collect();
        places.sort_unstable();
        for row in self.rows.iter().filter(|row| !self.taken.contains(&row.apelido)) {
            let id = id_of(&row.id);
            let first = id.map_or(places.len(), |id| places.partition_point(|(known, _)| *known < id));
            let of_row = places[first..].iter().take_while(|(known, _)| Some(*known) == id);
            let people: Vec<&Person> =
                of_row.clone().filter_map(|(_, place)| self.sent.person_at(*place)).collect();
            match (of_row.count(), people.as_slice()) {
                (0, _) => self.findings.check_row(row, self.sent, self.payloads),
                (_, []) => self.findings.is_foreign(row, self.sent, self.payloads),
                (_, people) => self.findings.check_known_row(row, people),
            }
        }
        self.findings.count_duplicates(&self.rows_by_nick, self.taken);
    }

    /// Whether there is a row of this id that no other 201 was given for.
    fn claim(&mut self, id: Option<u128>) -> bool {
        let row = id.and_then(|id| self.row_by_id.get(&id));
        row.is_some_and(|row| self.claimed.insert(*row))
    }

    /// Up to `most` rows of this nick that no 201 was given for.
    fn claim_of_nick(&mut self, nick: &str, most: usize) -> usize {
        let mut claimed = 0;
        for row in self.rows_by_nick.get(nick).into_iter().flatten() {
            if claimed < most && self.claimed.insert(*row) {
                claimed += 1;
            }
        }
        claimed
    }
}

fn uuid(id: u128) -> String {
    let digits = format!("{id:032x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
