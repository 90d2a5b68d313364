//! The contestants of the lab's own test: a thread a connection, a statement a creation, and, where it is told to, lies.
//!
//! It is a test by form alone, so that the test's program can start itself as a server. It is ignored, and ends by a signal.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use postgres::{Client, NoTls};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

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

/// What a request asks for, and its body.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    body: Vec<u8>,
}

#[test]
#[ignore = "a server that the contest starts, and no test"]
fn serve() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let mut database = Client::connect(&variable("POUCO_LAB_TEST_DATABASE"), NoTls).unwrap();
    database.batch_execute(SCHEMA).unwrap();
    let stored = database.query("SELECT id::text FROM tiny", &[]).unwrap();
    let tiny = Arc::new(Tiny {
        database: Mutex::new(database),
        lies: variable("TINY_LIES") == "yes",
        created: AtomicU64::new(0),
        forgets: std::env::var("TINY_FORGETS").unwrap_or_default(),
        forgotten: stored.iter().map(|row| row.get(0)).collect(),
    });
    if let Ok(path) = std::env::var("TINY_SOCKET") {
        // What a process that was killed has left.
        let _ = std::fs::remove_file(&path);
        let socket = UnixListener::bind(path).unwrap();
        let tiny = Arc::clone(&tiny);
        thread::spawn(move || socket.incoming().flatten().for_each(|stream| tiny.spawn(stream)));
    }
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    let port: u16 = variable("POUCO_LAB_PORT").parse().unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
    socket.listen(1024).unwrap();
    for stream in TcpListener::from(socket).incoming().flatten() {
        tiny.spawn(stream);
    }
}

impl Tiny {
    /// A client that goes away ends its own thread only.
    fn spawn(self: &Arc<Self>, stream: impl Read + Write + Send + 'static) {
        let tiny = Arc::clone(self);
        thread::spawn(move || tiny.connection(stream));
    }

    fn connection(&self, mut stream: impl Read + Write) -> io::Result<()> {
        let mut buffer = Vec::new();
        while let Some(request) = read(&mut stream, &mut buffer)? {
            let (status, location, body) = self.answer(&request);
            let location = location.map(|it| format!("location: {it}\r\n")).unwrap_or_default();
            let head = format!("HTTP/1.1 {status} x\r\n{location}content-length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> (u16, Option<String>, String) {
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/pessoas") => match self.create(&request.body) {
                Ok(id) => (201, Some(format!("/pessoas/{id}")), String::new()),
                Err(status) => (status, None, String::new()),
            },
            ("GET", "/pessoas") => (400, None, String::new()),
            ("GET", "/contagem-pessoas") => {
                (200, None, self.column("SELECT count(*)::text FROM tiny").unwrap_or_default())
            }
            ("GET", path) => match path.split_once("?t=") {
                Some((_, term)) => (200, None, self.search(term)),
                None => match path.strip_prefix("/pessoas/").and_then(|id| self.person(id)) {
                    Some(person) => (200, None, person),
                    None => (404, None, String::new()),
                },
            },
            _ => (405, None, String::new()),
        }
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

/// One request, or none where the client has closed. What comes after it stays in the buffer.
pub(crate) fn read(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let mut piece = [0; 4096];
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Request::new(&mut headers);
        let status = parsed.parse(buffer).map_err(io::Error::other)?;
        if let httparse::Status::Complete(head) = status {
            let length = parsed.headers.iter().find(|it| it.name.eq_ignore_ascii_case("content-length"));
            let length = length.map_or(0, |it| String::from_utf8_lossy(it.value).parse().unwrap_or(0));
            if buffer.len() >= head + length {
                let request = Request {
                    method: parsed.method.unwrap_or_default().to_owned(),
                    path: parsed.path.unwrap_or_default().to_owned(),
                    body: buffer[head..head + length].to_vec(),
                };
                buffer.drain(..head + length);
                return Ok(Some(request));
            }
        }
        let n = stream.read(&mut piece)?;
        if n == 0 {
            return Ok(None);
        }
        buffer.extend_from_slice(&piece[..n]);
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
