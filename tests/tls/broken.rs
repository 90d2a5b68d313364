//! Servers that are no Postgres, or one whose TLS is broken: the start ends, or waits, and says why.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::server::{Server, refuses};
use crate::support::replica::{command, run};

/// Answers each connection, of which the first bytes were read.
fn answering(answer: impl Fn(&mut TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Whoever is gone already needs no answer.
            if stream.read(&mut [0; 4_096]).is_ok() {
                answer(&mut stream);
            }
        }
    });
    format!("host=localhost hostaddr=127.0.0.1 port={port} user=a dbname=b")
}

/// What is sent may meet a client that has left.
fn send(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
    let _ = stream.read(&mut [0; 4_096]);
}

#[test]
fn what_is_no_tls_is_told() {
    let junk = answering(|stream| send(stream, b"SHTTP/1.1 400 Bad Request\r\n\r\n"));
    refuses(&format!("{junk} sslmode=require"), "is no TLS");
    let web = answering(|stream| send(stream, b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    refuses(&format!("{web} sslmode=require"), "which is no Postgres");
    refuses(&format!("{web} sslmode=require sslnegotiation=direct"), "is no TLS");
    let ends = answering(|stream| stream.write_all(b"S").unwrap());
    refuses(&format!("{ends} sslmode=require"), "sslmode=require");
}

/// Neither the start of the server nor `prefer` waits for ever, or sends in the clear what was to be secret.
#[test]
fn a_start_ends_with_one_line() {
    let ends = answering(|stream| stream.write_all(b"S").unwrap());
    let url = format!("{ends} sslmode=require password=S3cretWord");
    let (code, out, err) = run(command().env("DATABASE_URL", url));
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    let last = err.lines().last().unwrap();
    assert!(last.starts_with("pouco: DATABASE_URL: no TLS with localhost:"), "{err}");
    assert!(!err.contains("S3cret"), "{err}");
    let server = Server::shared();
    let options = format!("sslmode=verify-full sslrootcert={}", server.root.display());
    let url = server.url_as("elsewhere.example", "tls_only", &options);
    let (code, out, err) = run(command().env("DATABASE_URL", url));
    assert_eq!((code, out.as_str(), err.lines().count()), (Some(2), "", 1), "{err}");
    assert!(err.contains("and not for elsewhere.example"), "{err}");
}
