//! A client that tells what it knows of a request's fate: answered, never sent, or unknown.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::{Connection, Target, is_silence};

pub use crate::client::Answer;

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// There was no connection, so nobody has the request.
    NotSent,
    /// The connection broke after the request had begun to leave.
    Broken,
    /// Nothing came for as long as the client has patience: something hangs.
    Hung,
}

/// Keeps its connection for the next request, as nginx does.
pub struct Client {
    target: Target,
    patience: Duration,
    kept: Option<Connection>,
}

impl Client {
    pub fn new(socket: &Path, patience: Duration) -> Self {
        Self { target: Target::Unix(socket.to_owned()), patience, kept: None }
    }

    pub fn get(&mut self, path: &str) -> Result<Answer, NoAnswer> {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: faults\r\n\r\n"))
    }

    pub fn post(&mut self, path: &str, body: &str) -> Result<Answer, NoAnswer> {
        self.ask("POST", path, "", body)
    }

    /// With more header fields, each with its line end.
    pub fn ask(&mut self, method: &str, path: &str, fields: &str, body: &str) -> Result<Answer, NoAnswer> {
        self.request(&request(method, path, fields, body))
    }

    /// As [`Client::ask`], but goes away after so long without having listened.
    pub fn ask_and_leave(
        &self,
        method: &str,
        path: &str,
        fields: &str,
        body: &str,
        stay: Duration,
    ) -> NoAnswer {
        let Ok(mut connection) = self.target.try_connect() else { return NoAnswer::NotSent };
        // Whether all of it went out makes no difference to somebody who does not listen.
        let _ = connection.set_timeout(self.patience);
        let _ = connection.try_send(request(method, path, fields, body));
        std::thread::sleep(stay);
        NoAnswer::Broken
    }

    fn request(&mut self, text: &str) -> Result<Answer, NoAnswer> {
        // As nginx does, an idle connection is looked at before it is used: a server that stops has closed
        // it.
        let mut connection = match self.kept.take().filter(Connection::is_quiet) {
            Some(connection) => connection,
            None => self.target.try_connect().map_err(|_| NoAnswer::NotSent)?,
        };
        let answer = connection.exchange(text, Instant::now() + self.patience);
        let why = |error| if is_silence(&error) { NoAnswer::Hung } else { NoAnswer::Broken };
        let answer = answer.map_err(why)?;
        if !answer.has_option("connection", "close") {
            self.kept = Some(connection);
        }
        Ok(answer)
    }
}

fn request(method: &str, path: &str, fields: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: faults\r\n{fields}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
