//! Each person acknowledged in the load of a kill, and stored, must also be found after the restart: by id
//! and by search, through each replica, which must count all rows too. A server may have stored everybody and
//! know nobody; rows alone do not show that.
//!
//! Where a contestant names no addresses of its replicas, the contest's address is asked over several new
//! connections: the balancer chooses which replica answers, and one that is blind shows in a part of the
//! answers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use serde::Deserialize;

use super::{kill, settle};
use crate::contest::Contest;
use crate::http::{Answer, Connection, Request};
use crate::load::percent_encode;
use crate::oracle::{MAX_FOUND, Row, id_of};
use crate::record::Asked;
use crate::stack::{Replica, Stack};

/// An index may be filled again after the first answers. People who are missing after this time are asked for
/// once more, and then counted.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// Between two rounds of questions about those that are missing.
pub(super) const POLL: Duration = Duration::from_millis(200);
/// No question is sent after this time, however slow the answers are.
pub(super) const GIVE_UP: Duration = Duration::from_secs(120);
/// To the contest's address, so that a balancer shares them out.
const CONNECTIONS: usize = 4;
pub(super) const MAX_EXAMPLES: usize = 3;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// People that were not found somewhere.
    pub(super) invisible: u64,
    pub(super) asked: Vec<Asked>,
    pub(super) examples: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// Asks every replica for every one of `people`, and for the number of all `rows`.
///
/// # Errors
/// A replica does not serve, the engine cannot be asked where they are, or `stop` was set.
pub(super) fn ask(
    contest: &Contest,
    stack: &dyn Stack,
    people: &[&Row],
    rows: u64,
    stop: &AtomicBool,
) -> Result<Seen> {
    let mut seen = Seen::default();
    let doors = doors(contest, stack.replicas()?, &mut seen.warnings, stop)?;
    let people = people.iter().map(|row| Person::new(contest, row)).collect::<Result<Vec<_>>>()?;
    let questions = Questions { people: &people, count_path: contest.count_path.as_deref(), rows, stop };
    let found = at_each(&doors, &|door| questions.of(door), stop)?;
    let mut invisible = BTreeSet::new();
    for (door, found) in doors.iter().zip(found) {
        invisible.extend(found.missing.keys().copied());
        seen.tell(door, &found, &questions);
        seen.asked.push(found.asked(door, rows));
    }
    seen.invisible = invisible.len() as u64;
    Ok(seen)
}

impl Seen {
    fn tell(&mut self, door: &Door, found: &Found, questions: &Questions<'_>) {
        let who = door.name();
        for (index, missing) in found.missing.iter().take(MAX_EXAMPLES) {
            let nick = &questions.people[*index].row.apelido;
            let what = match (missing.by_id, missing.in_search) {
                (true, true) => "not answered by id and not found by search",
                (true, false) => "not answered by id",
                _ => "not found by search",
            };
            self.examples
                .push(format!("`{}` is stored after the kill, and {what}: {who}", nick.escape_debug()));
        }
        if let Some(counted) = found.counted.filter(|counted| *counted != questions.rows) {
            self.examples.push(format!(
                "after the kill {counted} people are counted, of {} rows: {who}",
                questions.rows
            ));
        }
        let all = questions.people.len();
        if found.people < all {
            let seconds = GIVE_UP.as_secs();
            self.warnings.push(format!(
                "within {seconds} s only {} of {all} people could be asked for: {who}",
                found.people
            ));
        }
    }
}

/// Where questions are asked.
pub(super) struct Door {
    /// Absent: the balancer's.
    pub(super) replica: Option<String>,
    address: String,
    pub(super) connections: usize,
}

impl Door {
    pub(super) fn client(&self) -> Client<'_> {
        Client { address: &self.address, connection: None }
    }

    pub(super) fn name(&self) -> &str {
        self.replica.as_deref().unwrap_or("through the balancer")
    }
}

/// What is found at each of them, all at the same time.
///
/// # Errors
/// A thread panicked, or `stop` was set.
pub(super) fn at_each<F: Send>(
    doors: &[Door],
    ask: &(dyn Fn(&Door) -> F + Sync),
    stop: &AtomicBool,
) -> Result<Vec<F>> {
    let found = thread::scope(|scope| {
        let all: Vec<_> = doors.iter().map(|door| scope.spawn(|| ask(door))).collect();
        let joined = all.into_iter().map(|one| one.join().map_err(|_| anyhow!("who asked has panicked")));
        joined.collect::<Result<_>>()
    })?;
    ensure!(!stop.load(Ordering::Relaxed), "interrupted");
    Ok(found)
}

/// The replicas' own addresses once they serve, or the contest's.
pub(super) fn doors(
    contest: &Contest,
    replicas: Vec<Replica>,
    warnings: &mut Vec<String>,
    stop: &AtomicBool,
) -> Result<Vec<Door>> {
    let balancer = || Door { replica: None, address: contest.address().to_owned(), connections: CONNECTIONS };
    for Replica { service, address } in &replicas {
        let denied = |error: anyhow::Error| {
            error
                .downcast_ref()
                .is_some_and(|error: &std::io::Error| error.kind() == ErrorKind::PermissionDenied)
        };
        if Connection::open(address).err().is_some_and(denied) {
            warnings.push(format!(
                "{service}: its own address may not be used by this user, so the balancer was asked"
            ));
            return Ok(vec![balancer()]);
        }
        settle::serves(address, contest.ready_path(), 1, stop)?;
    }
    if replicas.is_empty() {
        return Ok(vec![balancer()]);
    }
    let own = |Replica { service, address }| Door { replica: Some(service), address, connections: 1 };
    Ok(replicas.into_iter().map(own).collect())
}

/// Somebody who must be found, and how to ask.
struct Person<'r> {
    row: &'r Row,
    by_id: String,
    /// By nick, and by name where more people match the nick than a search answers; none where the contest
    /// has no search.
    searches: Vec<String>,
}

impl<'r> Person<'r> {
    fn new(contest: &Contest, row: &'r Row) -> Result<Self> {
        let by_id = format!("{}/{}", kill::creating(contest)?.requests[0].path, row.id);
        let requests = contest.requests();
        let search = requests.map(|request| request.path.as_str()).find(|path| path.contains("{term}"));
        let terms = [&row.apelido, &row.nome].into_iter().filter(|term| !term.is_empty());
        let searches = search
            .into_iter()
            .flat_map(|path| terms.clone().map(|term| path.replace("{term}", &encoded(term))));
        Ok(Self { row, by_id, searches: searches.collect() })
    }

    fn missing(&self, client: &mut Client<'_>) -> Missing {
        Missing { by_id: !self.is_answered(client), in_search: !self.is_found(client) }
    }

    fn is_answered(&self, client: &mut Client<'_>) -> bool {
        let answer = client.get(&self.by_id, None).filter(|answer| answer.status == 200);
        let row = answer.and_then(|answer| serde_json::from_slice::<Row>(&answer.body).ok());
        row.is_some_and(|row| {
            id_of(&row.id) == id_of(&self.row.id) && Row { id: self.row.id.clone(), ..row } == *self.row
        })
    }

    /// A person who may be beyond the end of every answer is not called missing.
    fn is_found(&self, client: &mut Client<'_>) -> bool {
        #[derive(Deserialize)]
        struct One {
            id: String,
        }
        for search in &self.searches {
            let answer = client.get(search, None).filter(|answer| answer.status == 200);
            let Some(all) = answer.and_then(|answer| serde_json::from_slice::<Vec<One>>(&answer.body).ok())
            else {
                return false;
            };
            if all.iter().any(|one| id_of(&one.id) == id_of(&self.row.id)) {
                return true;
            }
            if all.len() < MAX_FOUND {
                return false;
            }
        }
        true
    }
}

fn encoded(term: &str) -> String {
    let mut text = Vec::new();
    percent_encode(&mut text, term.as_bytes());
    String::from_utf8_lossy(&text).into_owned()
}

/// How somebody was not found.
#[derive(Clone, Copy, Debug, Default)]
struct Missing {
    by_id: bool,
    in_search: bool,
}

/// What is asked at each door.
struct Questions<'q> {
    people: &'q [Person<'q>],
    count_path: Option<&'q str>,
    rows: u64,
    stop: &'q AtomicBool,
}

/// What a door answered.
#[derive(Default)]
struct Found {
    people: usize,
    missing: BTreeMap<usize, Missing>,
    counted: Option<u64>,
    after: Duration,
}

impl Found {
    fn asked(&self, door: &Door, rows: u64) -> Asked {
        let missing = |what: fn(&Missing) -> bool| self.missing.values().filter(|it| what(it)).count() as u64;
        Asked {
            replica: door.replica.clone(),
            people: self.people as u64,
            missing_by_id: missing(|it| it.by_id),
            missing_in_search: missing(|it| it.in_search),
            rows,
            counted: self.counted,
            wrong_stocks: None,
            seconds: self.after.as_secs_f64(),
        }
    }
}

impl Questions<'_> {
    /// In rounds: all, then those that were missing, until nobody is or the time is over. The last round
    /// begins after that.
    fn of(&self, door: &Door) -> Found {
        let began = Instant::now();
        let mut found = Found::default();
        let mut pending: Vec<usize> = (0..self.people.len()).collect();
        loop {
            let last = began.elapsed() >= LIMIT;
            let round = self.round(door, &pending, began + GIVE_UP);
            found.people = found.people.max(round.len());
            for (index, missing) in round {
                if missing.by_id || missing.in_search {
                    found.missing.insert(index, missing);
                } else {
                    found.missing.remove(&index);
                }
            }
            found.counted = self.count_path.and_then(|path| self.counted(door, path));
            found.after = began.elapsed();
            let counts = self.count_path.is_none() || found.counted == Some(self.rows);
            if (found.missing.is_empty() && counts) || last || self.stop.load(Ordering::Relaxed) {
                return found;
            }
            pending = found.missing.keys().copied().collect();
            thread::sleep(POLL);
        }
    }

    /// The people who were asked for, each with what was missing over at least one connection.
    fn round(&self, door: &Door, pending: &[usize], until: Instant) -> BTreeMap<usize, Missing> {
        let over = |backwards: bool| {
            let mut client = door.client();
            let mut order = pending.to_vec();
            // A balancer that takes replicas in turn would otherwise give each question to the same one over
            // every connection.
            if backwards {
                order.reverse();
            }
            let goes_on = |_: &usize| Instant::now() < until && !self.stop.load(Ordering::Relaxed);
            let asked = order.into_iter().take_while(goes_on);
            asked.map(|index| (index, self.people[index].missing(&mut client))).collect::<Vec<_>>()
        };
        let over = &over;
        let answers = thread::scope(|scope| {
            let all: Vec<_> =
                (0..door.connections).map(|number| scope.spawn(move || over(number % 2 == 1))).collect();
            all.into_iter().flat_map(|one| one.join().unwrap_or_default()).collect::<Vec<_>>()
        });
        let mut round: BTreeMap<usize, Missing> = BTreeMap::new();
        for (index, missing) in answers {
            let of_all = round.entry(index).or_default();
            of_all.by_id |= missing.by_id;
            of_all.in_search |= missing.in_search;
        }
        round
    }

    /// What it counts; over several connections a wrong number before the right one.
    fn counted(&self, door: &Door, path: &str) -> Option<u64> {
        let count = |_| {
            let answer = door.client().get(path, None)?;
            std::str::from_utf8(&answer.body).ok()?.trim().parse::<u64>().ok()
        };
        let counts: Vec<Option<u64>> = (0..door.connections).map(count).collect();
        counts.iter().copied().find(|count| *count != Some(self.rows)).unwrap_or(Some(self.rows))
    }
}

/// A kept connection.
pub(super) struct Client<'a> {
    address: &'a str,
    connection: Option<Connection>,
}

impl Client<'_> {
    /// Nothing where there is no whole answer. A server may have closed since the last one, so it is asked
    /// twice.
    pub(super) fn get(&mut self, path: &str, token: Option<&str>) -> Option<Answer> {
        let bearer = |token| ("authorization".to_owned(), format!("Bearer {token}"));
        let headers: Vec<(String, String)> = token.map(bearer).into_iter().collect();
        let kept = self.connection.take();
        for connection in
            kept.map(Ok).into_iter().chain(std::iter::once_with(|| Connection::open(self.address)))
        {
            let mut connection = connection.ok()?;
            if let Ok(answer) =
                connection.ask(&Request { method: "GET", path, headers: &headers, body: None })
            {
                self.connection = Some(connection);
                return Some(answer);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::path::Path;

    use super::*;

    const ID: &str = "00000000-0000-4000-8000-00000000000a";

    /// What a server that answers by `answer` is found to have of one person, `wrong, A` being the nick.
    fn found(answer: impl Fn(&str, usize) -> String + Sync) -> Found {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let contest = Contest::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("contests/people")).unwrap();
        let row = person();
        let people = [Person::new(&contest, &row).unwrap()];
        let stop = AtomicBool::new(false);
        let questions =
            Questions { people: &people, count_path: contest.count_path.as_deref(), rows: 1, stop: &stop };
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for (number, stream) in listener.incoming().enumerate() {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    // One answer a connection, which no client may take for the end of its questions.
                    let mut stream = stream.unwrap();
                    let mut request = [0; 1024];
                    let count = stream.read(&mut request).unwrap();
                    let text = String::from_utf8_lossy(&request[..count]).into_owned();
                    let body = answer(text.split(' ').nth(1).unwrap_or_default(), number);
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                    let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
                }
            });
            let door = Door { replica: None, address: address.clone(), connections: 1 };
            let found = questions.of(&door);
            done.store(true, Ordering::Relaxed);
            drop(std::net::TcpStream::connect(&address));
            found
        })
    }

    fn person() -> Row {
        Row {
            id: ID.to_owned(),
            apelido: "wrong, A".to_owned(),
            nome: "ç".to_owned(),
            nascimento: "2000-01-01".to_owned(),
            stack: None,
        }
    }

    fn body(nome: &str) -> String {
        format!(
            r#"{{"id":"{ID}","apelido":"wrong, A","nome":"{nome}","nascimento":"2000-01-01","stack":null}}"#
        )
    }

    fn right(path: &str) -> String {
        match path {
            "/contagem-pessoas" => "1".to_owned(),
            "/pessoas?t=wrong%2C%20A" => format!("[{}]", body("ç")),
            path if path == format!("/pessoas/{ID}") => body("ç"),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn who_is_found_late_is_found() {
        let late = found(|path, number| if number < 6 { "[]".to_owned() } else { right(path) });
        assert_eq!((late.people, late.missing.len(), late.counted), (1, 0, Some(1)));
        assert!(late.after >= POLL, "{:?}", late.after);
    }

    #[test]
    fn who_may_be_beyond_the_end_of_a_search_is_asked_for_by_name_too() {
        let other = r#"{"id":"00000000-0000-4000-8000-00000000000b"}"#;
        let full = format!("[{}]", vec![other; MAX_FOUND].join(","));
        let by_name = found(|path, _| match path {
            "/pessoas?t=%C3%A7" => format!("[{other},{}]", body("ç")),
            path if path.contains("?t=") => full.clone(),
            path => right(path),
        });
        assert!(by_name.missing.is_empty());
        let nowhere = found(|path, _| if path.contains("?t=") { full.clone() } else { right(path) });
        assert!(nowhere.missing.is_empty(), "nobody can tell");
    }

    #[test]
    fn another_person_a_short_search_and_a_wrong_count_are_seen_when_the_wait_is_over() {
        let wrong = found(|path, _| match path {
            "/contagem-pessoas" => "2".to_owned(),
            path if path.contains("?t=") => "[]".to_owned(),
            _ => body("c"),
        });
        let asked = wrong.asked(&Door { replica: None, address: String::new(), connections: 1 }, 1);
        assert_eq!((asked.people, asked.missing_by_id, asked.missing_in_search), (1, 1, 1));
        assert_eq!((asked.rows, asked.counted), (1, Some(2)));
        assert!(wrong.after >= LIMIT, "{:?}", wrong.after);
    }
}
