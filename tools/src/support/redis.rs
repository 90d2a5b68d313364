//! Redis's protocol as far as the shared cache speaks it, and a server that keeps what it is told.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A command: an array of texts with their lengths.
pub fn read_command(stream: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    let count = number(stream, b'*')?;
    (0..count)
        .map(|_| {
            let mut text = vec![0; number(stream, b'$')?];
            stream.read_exact(&mut text).ok()?;
            stream.read_exact(&mut [0; 2]).ok()?;
            Some(text)
        })
        .collect()
}

fn number(stream: &mut impl BufRead, sign: u8) -> Option<usize> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).ok()?;
    let text = line.strip_prefix(&[sign])?.strip_suffix(b"\r\n")?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What is in it; nothing expires.
#[derive(Default)]
struct Keys {
    values: HashMap<Vec<u8>, Vec<u8>>,
    locks: HashMap<Vec<u8>, Vec<u8>>,
    /// It ends every connection that asks something.
    away: bool,
}

/// Listens for as long as the test runs.
pub struct Redis {
    pub port: u16,
    keys: Arc<Mutex<Keys>>,
}

impl Redis {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let keys = Arc::<Mutex<Keys>>::default();
        let shared = keys.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let keys = shared.clone();
                thread::spawn(move || converse(stream.unwrap(), &keys));
            }
        });
        Self { port, keys }
    }

    /// Whether it ends every connection.
    pub fn set_away(&self, away: bool) {
        self.keys.lock().unwrap().away = away;
    }

    /// How many values it has.
    pub fn values(&self) -> usize {
        self.keys.lock().unwrap().values.len()
    }
}

fn converse(stream: TcpStream, keys: &Mutex<Keys>) {
    let mut reader = BufReader::new(stream);
    while let Some(words) = read_command(&mut reader) {
        let answer = {
            let mut keys = keys.lock().unwrap();
            if keys.away {
                return;
            }
            answer(&mut keys, &words)
        };
        if reader.get_mut().write_all(&answer).is_err() {
            return;
        }
    }
}

/// The scripts are known by how they begin.
fn answer(keys: &mut Keys, words: &[Vec<u8>]) -> Vec<u8> {
    let [name, words @ ..] = words else { return b"-ERR nothing\r\n".to_vec() };
    let (script, key, token, value) = match (name.as_slice(), words) {
        (b"PING", _) => return b"+PONG\r\n".to_vec(),
        (b"EVAL", [script, _, key, _, token, rest @ ..]) => (script, key, token, rest.first()),
        _ => return b"-ERR unknown\r\n".to_vec(),
    };
    if script.starts_with(b"return redis.call('DEL'") {
        keys.locks.remove(key);
        keys.values.remove(key);
        return b":1\r\n".to_vec();
    }
    if script.starts_with(b"if redis.call('STRLEN'") {
        if let Some(value) = keys.values.get(key) {
            return [format!("*2\r\n${}\r\n", value.len()).as_bytes(), value, b"\r\n:9000\r\n"].concat();
        }
        let holder = keys.locks.entry(key.clone()).or_insert_with(|| token.clone());
        return if holder == token { b":1\r\n".to_vec() } else { b":0\r\n".to_vec() };
    }
    if keys.locks.get(key) != Some(token) {
        return b":0\r\n".to_vec();
    }
    keys.locks.remove(key);
    if let Some(value) = value {
        keys.values.insert(key.clone(), value.clone());
    }
    b":1\r\n".to_vec()
}
