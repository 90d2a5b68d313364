//! The language of what a case sends: text with placeholders in braces.
//!
//! A character below U+0100 is the byte of that number. Requests: `{get}` and `{post}` are heads without
//! their end, `{plain}` a whole GET, `{lost}` one of a path that is not there, `{hidden}` a whole request
//! that must never be answered where it stands inside another one, `{smuggled}` what that asks for,
//! `{websocket}` the fields of a handshake. Bodies: `{json}` is a good one, `{len}` and `{hex}` its length,
//! `{chunked}` the same in chunks; `{cl}` is the number of bytes from `{body}` to `{/body}` or the end.
//! `{a*100}` repeats, `{close-brace}` is one. In time: `{pause 50}` (ms), `{await}` an answer, `{each 5}`
//! sends the rest byte by byte with so many milliseconds between, `{end}` ends our half of the connection.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What is done on a connection.
#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<u8>),
    Pause(u64),
    Await,
    Each(u64),
    End,
}

/// What a hidden request is. An answer to a GET shows on the wire; a POST leaves a row, which shows even
/// where a proxy swallows the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hidden {
    Get,
    Post,
}

/// The server's own names, which the templates are filled with.
#[derive(Clone, Debug)]
pub struct Names {
    pub host: String,
    pub path: String,
    pub post: String,
    /// What a hidden GET asks for; as `path` where the server has nothing of its own for it.
    pub hidden: Option<String>,
    /// Part of every text that this run stores.
    pub run: String,
}

enum Piece {
    Text(Vec<u8>),
    Step(Step),
    Length,
    BodyStarts,
    BodyEnds,
}

const WEBSOCKET: &str =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

static SERIAL: AtomicUsize = AtomicUsize::new(0);

impl Names {
    /// A body that the server has not seen. All have the same length.
    fn json(nickname: &str) -> String {
        format!(r#"{{"apelido":"{nickname}","nome":"Probe","nascimento":"2000-01-02","stack":null}}"#)
    }

    /// Of the row that only the hidden request of this serial number can have stored. At most 32 characters.
    pub fn hidden_nickname(&self, serial: usize) -> String {
        format!("hid{}{serial:06}", self.run)
    }

    fn smuggled(&self) -> &str {
        self.hidden.as_ref().unwrap_or(&self.path)
    }

    fn hidden(&self, kind: Hidden, serial: usize) -> String {
        let Names { host, post, .. } = self;
        match kind {
            Hidden::Get => format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", self.smuggled()),
            Hidden::Post => {
                let body = Self::json(&self.hidden_nickname(serial));
                let fields = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
                format!("POST {post} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n\r\n{body}")
            }
        }
    }

    /// The steps of a template, and the serial number in whatever it stores.
    pub fn fill(&self, template: &str, hidden: Hidden) -> Result<(Vec<Step>, usize), String> {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut pieces = Vec::new();
        let mut rest = template;
        while let Some(start) = rest.find('{') {
            let end = start
                + rest[start..].find('}').ok_or_else(|| format!("no end of a brace in {template:?}"))?;
            pieces.push(Piece::Text(bytes(&rest[..start])));
            pieces.push(self.piece(&rest[start + 1..end], hidden, serial)?);
            rest = &rest[end + 1..];
        }
        pieces.push(Piece::Text(bytes(rest)));
        Ok((steps(pieces), serial))
    }

    fn piece(&self, name: &str, hidden: Hidden, serial: usize) -> Result<Piece, String> {
        let Names { host, path, post, .. } = self;
        let json = Self::json(&format!("pro{}{serial:06}", self.run));
        let concealed = self.hidden(hidden, serial);
        let text = match name {
            "host" => host.clone(),
            "path" => path.clone(),
            "postpath" => post.clone(),
            "get" => format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n"),
            "plain" => format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            "lost" => format!("GET /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
            "post" => format!("POST {post} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"),
            "json" => json,
            "len" => json.len().to_string(),
            "hex" => format!("{:x}", json.len()),
            "chunked" => format!("{:x}\r\n{json}\r\n0\r\n\r\n", json.len()),
            "hidden" => concealed,
            "smuggled" => self.smuggled().to_owned(),
            "websocket" => WEBSOCKET.to_owned(),
            "close-brace" => "}".to_owned(),
            "hidden.hex" => format!("{:x}", concealed.len()),
            "all" => (0..=255_u8).map(char::from).collect(),
            "cl" => return Ok(Piece::Length),
            "body" => return Ok(Piece::BodyStarts),
            "/body" => return Ok(Piece::BodyEnds),
            "await" => return Ok(Piece::Step(Step::Await)),
            "end" => return Ok(Piece::Step(Step::End)),
            _ => return timed_or_repeated(name).ok_or_else(|| format!("no placeholder {{{name}}}")),
        };
        Ok(Piece::Text(bytes(&text)))
    }
}

fn timed_or_repeated(name: &str) -> Option<Piece> {
    if let Some(ms) = name.strip_prefix("pause ") {
        return ms.parse().ok().map(|ms| Piece::Step(Step::Pause(ms)));
    }
    if let Some(ms) = name.strip_prefix("each ") {
        return ms.parse().ok().map(|ms| Piece::Step(Step::Each(ms)));
    }
    let (text, times) = name.rsplit_once('*')?;
    Some(Piece::Text(bytes(&text.repeat(times.parse().ok()?))))
}

/// A character below U+0100 is one byte, so that a table can hold any byte; others are UTF-8.
fn bytes(text: &str) -> Vec<u8> {
    let mut all = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(u32::from(character)) {
            Ok(byte) => all.push(byte),
            Err(_) => all.extend(character.to_string().bytes()),
        }
    }
    all
}

fn steps(pieces: Vec<Piece>) -> Vec<Step> {
    let length = body_length(&pieces).to_string();
    let mut steps = Vec::new();
    for piece in pieces {
        let text = match piece {
            Piece::Text(text) => text,
            Piece::Length => length.clone().into_bytes(),
            Piece::BodyStarts | Piece::BodyEnds => continue,
            Piece::Step(step) => {
                steps.push(step);
                continue;
            }
        };
        match steps.last_mut() {
            Some(Step::Send(sent)) => sent.extend(text),
            _ => steps.push(Step::Send(text)),
        }
    }
    steps.retain(|step| !matches!(step, Step::Send(text) if text.is_empty()));
    steps
}

fn body_length(pieces: &[Piece]) -> usize {
    let mut inside = false;
    let mut length = 0;
    for piece in pieces {
        match piece {
            Piece::BodyStarts => inside = true,
            Piece::BodyEnds => inside = false,
            Piece::Text(text) if inside => length += text.len(),
            _ => {}
        }
    }
    length
}
