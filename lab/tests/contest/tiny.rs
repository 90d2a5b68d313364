//! The contestants of the lab's own test: a statement a creation, and, where they are told to, lies.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use postgres::{Client, NoTls};
use serde_json::{Value, json};

use crate::listen::{self, Reply, Request, variable};

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS tiny (id uuid PRIMARY KEY, apelido text UNIQUE NOT NULL, nome text NOT NULL,
    nascimento date NOT NULL, stack text[])";

const PERSON: &str =
    "json_build_object('id', id, 'apelido', apelido, 'nome', nome, 'nascimento', nascimento, 'stack', stack)
    ::text";

struct Tiny {
    database: Mutex<Client>,
    lies: bool,
    created: AtomicU64,
    /// `search` or `id`: how those are not found who were stored when this process was started.
    forgets: String,
    forgotten: HashSet<String>,
}

#[test]
#[ignore = "a server that the contest starts, and no test"]
fn serve() {
    let mut database = Client::connect(&variable("POUCO_LAB_TEST_DATABASE"), NoTls).unwrap();
    database.batch_execute(SCHEMA).unwrap();
    let stored = database.query("SELECT id::text FROM tiny", &[]).unwrap();
    let tiny = Tiny {
        database: Mutex::new(database),
        lies: variable("TINY_LIES") == "yes",
        created: AtomicU64::new(0),
        forgets: std::env::var("TINY_FORGETS").unwrap_or_default(),
        forgotten: stored.iter().map(|row| row.get(0)).collect(),
    };
    listen::serve(move |request| tiny.answer(request));
}

impl Tiny {
    fn answer(&self, request: &Request) -> Reply {
        let (status, body) = match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/pessoas") => match self.create(&request.body) {
                Ok(id) => return (201, format!("location: /pessoas/{id}\r\n"), String::new()),
                Err(status) => (status, String::new()),
            },
            ("GET", "/pessoas") => (400, String::new()),
            ("GET", "/contagem-pessoas") => {
                (200, self.column("SELECT count(*)::text FROM tiny").unwrap_or_default())
            }
            ("GET", path) => match path.split_once("?t=") {
                Some((_, term)) => (200, self.search(term)),
                None => match path.strip_prefix("/pessoas/").and_then(|id| self.person(id)) {
                    Some(person) => (200, person),
                    None => (404, String::new()),
                },
            },
            _ => (405, String::new()),
        };
        (status, String::new(), body)
    }

    fn create(&self, body: &[u8]) -> Result<String, u16> {
        let person: Value = serde_json::from_slice(body).map_err(|_| 400_u16)?;
        let id = id();
        // The lie: there is nobody behind this answer.
        if self.lies && self.created.fetch_add(1, Ordering::Relaxed) % 10 == 9 {
            return Ok(id);
        }
        // Everything as JSON text: Postgres knows what a date is, and refuses the others.
        let statement = "INSERT INTO tiny SELECT $1::text::uuid, apelido, nome, nascimento, stack
            FROM json_to_record($2::text::json) AS it (apelido text, nome text, nascimento date, stack text[])
            ON CONFLICT DO NOTHING";
        let inserted = self.database.lock().unwrap().execute(statement, &[&id, &person.to_string()]);
        if inserted.map_err(|_| 422_u16)? == 1 { Ok(id) } else { Err(422) }
    }

    fn person(&self, id: &str) -> Option<String> {
        if self.forgets == "id" && self.forgotten.contains(id) {
            return None;
        }
        let row = format!("SELECT {PERSON} FROM tiny WHERE id::text = $1");
        let row = self.database.lock().unwrap().query_opt(&row, &[&id]).ok()??;
        row.try_get(0).ok()
    }

    fn search(&self, term: &str) -> String {
        let rows = format!(
            "SELECT {PERSON}, id::text FROM tiny
            WHERE concat_ws(' ', apelido, nome, array_to_string(stack, ' ')) ILIKE '%' || $1 || '%' LIMIT 50"
        );
        let found = self.database.lock().unwrap().query(&rows, &[&decoded(term)]).unwrap_or_default();
        let known = |id: &str| self.forgets != "search" || !self.forgotten.contains(id);
        let found = found.iter().filter(|row| known(row.get(1))).map(|row| row.get(0));
        format!("[{}]", found.collect::<Vec<String>>().join(","))
    }

    fn column(&self, statement: &str) -> Option<String> {
        self.database.lock().unwrap().query_one(statement, &[]).ok()?.try_get(0).ok()
    }
}

/// Each `%XX` as its byte.
fn decoded(term: &str) -> String {
    let mut pieces = term.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at(piece.len().min(2));
        bytes.push(u8::from_str_radix(digits, 16).unwrap_or(b'%'));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A random id of version 4.
fn id() -> String {
    let id = format!("{:032x}", fastrand::u128(..));
    format!("{}-{}-4{}-8{}-{}", &id[..8], &id[8..12], &id[13..16], &id[17..20], &id[20..])
}

/// So that a reader sees at once what a person looks like here.
#[test]
fn ids_have_the_usual_form() {
    let id = id();
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(json!(lengths), json!([8, 4, 4, 4, 12]), "{id}");
}
