//! A people API in memory that keeps every rule, but for those that a test tells it to break.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::served::{Asked, Reply, decoded, serve};

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    LengthsInBytes,
    DuplicatesAcknowledged,
    DuplicatesStored,
    CaseMattersInSearches,
    CaseMattersBeyondAscii,
    PercentIsAWildcard,
    UnderscoreIsAWildcard,
    SearchesOverFieldBorders,
    SearchesGiveAll,
    SearchesGiveStrangers,
    EmptyStackBecomesNull,
    StackSorted,
    AnyDate,
    DateWithTime,
    TypesAre422,
    TypesAreConverted,
    NullIsMissingText,
    OneReplicaLacksPeople,
    CountIsStale,
    SearchesAndCountLag,
    CountIsJson,
    DeepFieldsAreErrors,
    DiesOfDeepFields,
    NoTermFindsAll,
    EmptyTermRefused,
    UnknownIdIsEmpty,
    LocationWithHost,
    NoLocation,
    RefusedTakesNick,
    ClosesConnections,
}

/// Longer than all that follows a creation takes without waiting.
const LAG: Duration = Duration::from_millis(1_000);

struct Server {
    fault: Fault,
    people: Mutex<BTreeMap<String, Value>>,
    /// When each was created, in their order.
    since: Mutex<Vec<Instant>>,
    taken: Mutex<Vec<String>>,
    dead: AtomicBool,
}

/// Starts it and says where.
pub(crate) fn start(fault: Fault) -> String {
    let server = Server {
        fault,
        people: Mutex::default(),
        since: Mutex::default(),
        taken: Mutex::default(),
        dead: AtomicBool::new(false),
    };
    serve(move |asked| server.answer(asked))
}

fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply { status, location: None, kind: "application/json", body: body.into(), closes: false }
}

impl Server {
    fn answer(&self, asked: &Asked) -> Option<Reply> {
        if self.dead.load(Ordering::Relaxed) {
            return None;
        }
        if self.fault == Fault::DiesOfDeepFields && asked.body.ends_with(b"]]]}") {
            self.dead.store(true, Ordering::Relaxed);
            return None;
        }
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let reply = match (asked.method.as_str(), path) {
            ("POST", "/pessoas") => self.create(&asked.body).unwrap_or_else(|status| reply(status, "")),
            ("GET", "/pessoas") => self.search(query),
            ("GET", "/contagem-pessoas") => self.count(),
            ("GET", _) if path.starts_with("/pessoas/") => {
                self.lookup(&path["/pessoas/".len()..], asked.connection)
            }
            _ => reply(404, ""),
        };
        Some(Reply { closes: self.fault == Fault::ClosesConnections, ..reply })
    }

    fn people(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Value>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create(&self, body: &[u8]) -> Result<Reply, u16> {
        let body = std::str::from_utf8(body).map_err(|_| 400_u16)?;
        if self.fault == Fault::DeepFieldsAreErrors && body.contains("[[[[") {
            return Err(500);
        }
        // serde_json refuses what is nested too deep: a 400.
        let sent: Value = serde_json::from_str(body).map_err(|_| 400_u16)?;
        let sent = sent.as_object().ok_or(400_u16)?;
        let mut types_wrong = 400;
        if self.fault == Fault::TypesAre422 {
            types_wrong = 422;
        }
        let text = |name: &str, limit: usize| match sent.get(name) {
            None | Some(Value::Null) if self.fault == Fault::NullIsMissingText && name == "nome" => {
                Ok(String::new())
            }
            None | Some(Value::Null) => Err(422),
            Some(Value::Number(number)) if self.fault == Fault::TypesAreConverted => Ok(number.to_string()),
            Some(Value::String(text)) if self.length(text) > limit || text.contains('\0') => Err(422),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(types_wrong),
        };
        let nick = text("apelido", 32);
        if let Ok(nick) = &nick
            && self.taken.lock().unwrap_or_else(PoisonError::into_inner).contains(nick)
        {
            return Err(422);
        }
        let checked = text("nome", 100).and_then(|nome| {
            let date = text("nascimento", usize::MAX)?;
            Ok((nome, self.date(&date).ok_or(422_u16)?, self.stack(sent.get("stack"), types_wrong)?))
        });
        let nick = nick?;
        let (nome, date, stack) = checked.inspect_err(|_| {
            if self.fault == Fault::RefusedTakesNick {
                self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(nick.clone());
            }
        })?;
        let mut people = self.people();
        let id = format!("00000000-0000-4000-8000-{:012x}", people.len() + 1);
        let taken = people.values().any(|person| person["apelido"] == nick.as_str());
        match (taken, self.fault) {
            (false, _) | (_, Fault::DuplicatesStored) => {
                let person =
                    json!({"id": id, "apelido": nick, "nome": nome, "nascimento": date, "stack": stack});
                people.insert(id.clone(), person);
                self.since.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            }
            (_, Fault::DuplicatesAcknowledged) => {}
            _ => return Err(422),
        }
        let host = if self.fault == Fault::LocationWithHost { "http://people.test:9999" } else { "" };
        let location = (self.fault != Fault::NoLocation).then(|| format!("{host}/pessoas/{id}"));
        Ok(Reply { location, ..reply(201, "") })
    }

    fn length(&self, text: &str) -> usize {
        if self.fault == Fault::LengthsInBytes { text.len() } else { text.chars().count() }
    }

    fn date(&self, text: &str) -> Option<String> {
        let payload = json!({"apelido": "a", "nome": "a", "nascimento": text}).to_string();
        let valid = pouco_lab::oracle::valid_person(payload.as_bytes()).is_some();
        match self.fault {
            Fault::AnyDate => Some(text.to_owned()),
            Fault::DateWithTime => valid.then(|| format!("{text}T00:00:00.000Z")),
            _ => valid.then(|| text.to_owned()),
        }
    }

    fn stack(&self, sent: Option<&Value>, types_wrong: u16) -> Result<Value, u16> {
        let elements = match sent {
            None | Some(Value::Null) => return Ok(Value::Null),
            Some(Value::Array(elements)) => elements,
            Some(_) => return Err(types_wrong),
        };
        let mut kept = Vec::new();
        for element in elements {
            match element {
                Value::String(text) if self.length(text) > 32 => return Err(422),
                Value::String(text) => kept.push(text.clone()),
                Value::Number(number) if self.fault == Fault::TypesAreConverted => {
                    kept.push(number.to_string());
                }
                _ => return Err(types_wrong),
            }
        }
        if self.fault == Fault::StackSorted {
            kept.sort();
        }
        if self.fault == Fault::EmptyStackBecomesNull && kept.is_empty() {
            return Ok(Value::Null);
        }
        Ok(json!(kept))
    }

    fn lookup(&self, id: &str, connection: u64) -> Reply {
        if self.fault == Fault::OneReplicaLacksPeople && connection % 2 == 1 {
            return reply(404, "");
        }
        match (self.people().get(id), self.fault) {
            (Some(person), _) => reply(200, person.to_string()),
            (None, Fault::UnknownIdIsEmpty) => reply(200, "null"),
            (None, _) => reply(404, ""),
        }
    }

    fn count(&self) -> Reply {
        let count = if self.fault == Fault::CountIsStale { 0 } else { self.visible() };
        match self.fault {
            Fault::CountIsJson => reply(200, json!({"count": count}).to_string()),
            _ => Reply { kind: "text/plain", ..reply(200, count.to_string()) },
        }
    }

    /// How many people searches and the count know of; ids ascend, so these are the first ones.
    fn visible(&self) -> usize {
        let lag = if self.fault == Fault::SearchesAndCountLag { LAG } else { Duration::ZERO };
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.iter().filter(|since| since.elapsed() >= lag).count()
    }

    fn search(&self, query: &str) -> Reply {
        let Some(term) = query.split('&').find_map(|pair| pair.strip_prefix("t=")) else {
            return if self.fault == Fault::NoTermFindsAll { reply(200, "[]") } else { reply(400, "") };
        };
        let Some(term) = decoded(term) else { return reply(400, "") };
        if term.is_empty() && self.fault == Fault::EmptyTermRefused {
            return reply(400, "");
        }
        let people = self.people();
        let found = people.values().take(self.visible()).filter(|person| self.matches(person, &term));
        let most = if self.fault == Fault::SearchesGiveAll { usize::MAX } else { 50 };
        reply(200, json!(found.take(most).collect::<Vec<_>>()).to_string())
    }

    fn matches(&self, person: &Value, term: &str) -> bool {
        if self.fault == Fault::SearchesGiveStrangers {
            return true;
        }
        let fold = |text: &str| match self.fault {
            Fault::CaseMattersInSearches => text.to_owned(),
            Fault::CaseMattersBeyondAscii => text.to_ascii_lowercase(),
            _ => text.to_lowercase(),
        };
        let stack = person["stack"].as_array().into_iter().flatten();
        let mut texts: Vec<String> = [&person["apelido"], &person["nome"]]
            .into_iter()
            .chain(stack)
            .map(|text| fold(text.as_str().unwrap()))
            .collect();
        if self.fault == Fault::SearchesOverFieldBorders {
            texts = vec![texts.join(" ")];
        }
        let term = fold(term);
        texts.iter().any(|text| match self.fault {
            Fault::PercentIsAWildcard => in_order(text, &term, '%'),
            Fault::UnderscoreIsAWildcard => {
                let (text, term): (Vec<char>, Vec<char>) = (text.chars().collect(), term.chars().collect());
                let same = |(one, other): (&char, &char)| *other == '_' || one == other;
                text.windows(term.len().max(1)).any(|window| window.iter().zip(&term).all(same))
            }
            _ => text.contains(&term),
        })
    }
}

/// Whether the pieces of `term` between wildcards stand in `text` one after the other.
fn in_order(text: &str, term: &str, wildcard: char) -> bool {
    let mut rest = text;
    term.split(wildcard).all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}
