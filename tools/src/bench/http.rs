//! A client for benchmarks: one connection that is kept, one request at a time.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
    body_start: usize,
}

impl Connection {
    pub fn open(address: &str) -> Result<Self, Box<dyn Error>> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream, bytes: Vec::new(), body_start: 0 })
    }

    /// Sends a request, and reads its answer to the end: the status.
    pub fn ask(&mut self, request: &str) -> Result<u16, Box<dyn Error>> {
        self.stream.write_all(request.as_bytes())?;
        self.bytes.clear();
        let mut piece = [0; 16 * 1024];
        loop {
            let count = self.stream.read(&mut piece)?;
            if count == 0 {
                return Err("the server has closed".into());
            }
            self.bytes.extend_from_slice(&piece[..count]);
            let Some(end) = self.bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            self.body_start = end + 4;
            let head = String::from_utf8_lossy(&self.bytes[..end]).to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            if self.bytes.len() >= self.body_start + length.ok_or("no length")?.parse::<usize>()? {
                return Ok(head.split(' ').nth(1).ok_or("no status")?.parse()?);
            }
        }
    }

    /// Of the last answer.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body_start..]
    }
}
