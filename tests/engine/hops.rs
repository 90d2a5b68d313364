//! Whose word counts where somebody says who the client is: `X-Forwarded-For` and the PROXY protocol.

use std::sync::atomic::Ordering;

use crate::support::client::request_text;
use crate::support::{Connection, Engine, Target, eventually};
use pouco::http::{Limit, Limits, Method, Router, Timeout, TrustedHops};

const HOP: &str = "127.0.0.2";
const CLIENT: &str = "127.0.0.3";
const TEXT: &[u8] = b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 80\r\n";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x02\x0a\0\0\x01\x30\x39\0\x50";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn start(hops: &str, proxy_protocol: bool, limits: Limits) -> Engine {
    let mut router = Router::new();
    router.route(Method::Get, "/who", |request, response| match request.head().client() {
        Some(client) => response.text(client),
        None => response.text("nobody"),
    });
    let hops = TrustedHops::parse(hops).unwrap();
    Engine::start_behind(router, limits, &hops, proxy_protocol)
}

fn who(connection: &mut Connection, fields: &str) -> String {
    connection.send(format!("GET /who HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    connection.answer().text().to_owned()
}

fn failures(engine: &Engine) -> u64 {
    engine.server.metrics().proxy_failures.load(Ordering::Relaxed)
}

#[test]
fn x_forwarded_for_is_the_word_of_trusted_hops_alone() {
    let cases = [
        ("unix", "192.0.2.1", CLIENT, CLIENT),
        ("none", "nobody", CLIENT, CLIENT),
        ("127.0.0.2", "nobody", "192.0.2.1", CLIENT),
        ("unix, 127.0.0.2/31", "192.0.2.1", "192.0.2.1", "192.0.2.1"),
    ];
    for (hops, over_unix, of_hop, of_client) in cases {
        let engine = start(hops, false, Limits::default());
        let [tcp, unix] = [&engine.targets[0], &engine.targets[1]];
        let field = "X-Forwarded-For: 203.0.113.1, 192.0.2.1\r\n";
        let of_hop = if hops == "unix" || hops == "none" { HOP } else { of_hop };
        assert_eq!(who(&mut unix.connect(), field), over_unix, "{hops}");
        assert_eq!(who(&mut tcp.connect_from(HOP), field), of_hop, "{hops}");
        assert_eq!(who(&mut tcp.connect_from(CLIENT), field), of_client, "{hops}");
        assert_eq!(who(&mut tcp.connect_from(HOP), ""), HOP, "{hops}");
    }
}

/// The last line comes last, and hops that are trusted are gone past.
#[test]
fn a_chain_of_hops_leads_to_the_first_that_nobody_vouches_for() {
    let engine = start("unix, 10.0.0.0/8", false, Limits::default());
    let mut hop = engine.targets[1].connect();
    let cases = [
        ("X-Forwarded-For: 192.0.2.1, 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n", "192.0.2.1"),
        ("X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nX-Forwarded-For: 10.0.0.2\r\n", "192.0.2.2"),
        ("X-Forwarded-For: 10.0.0.1\r\nX-Real-IP: 192.0.2.1\r\n", "10.0.0.1"),
        ("X-Real-IP: 192.0.2.1\r\n", "192.0.2.1"),
        ("X-Forwarded-For: made up\r\n", "nobody"),
        ("", "nobody"),
    ];
    for (fields, expected) in cases {
        assert_eq!(who(&mut hop, fields), expected, "{fields}");
    }
}

fn proxied(engine: &Engine) -> [(&'static str, Connection); 2] {
    [("unix", engine.targets[1].connect()), ("tcp", engine.targets[0].connect_from(HOP))]
}

#[test]
fn the_proxy_header_of_a_trusted_hop_names_the_client() {
    let engine = start("unix, 127.0.0.2", true, Limits::default());
    for (header, expected) in [(TEXT, "192.0.2.1"), (BINARY, "192.0.2.2")] {
        for (name, mut connection) in proxied(&engine) {
            connection.send(header);
            assert_eq!(who(&mut connection, ""), expected, "{name}");
            assert_eq!(who(&mut connection, "X-Forwarded-For: 203.0.113.1\r\n"), expected, "its own word");
        }
        for (name, mut connection) in proxied(&engine) {
            connection.send([header, request_text("GET", "/who", "").as_bytes()].concat());
            assert_eq!(connection.answer().text(), expected, "at once, {name}");
        }
        for (name, mut connection) in proxied(&engine) {
            header.iter().for_each(|byte| connection.send([*byte]));
            assert_eq!(who(&mut connection, ""), expected, "byte by byte, {name}");
        }
    }
    // The hop itself, which may pass on what others say.
    for (name, mut connection) in proxied(&engine) {
        connection.send(LOCAL);
        assert_eq!(who(&mut connection, "X-Forwarded-For: 192.0.2.9\r\n"), "192.0.2.9", "{name}");
    }
    assert_eq!(failures(&engine), 0);
}

#[test]
fn nobody_else_may_send_one() {
    let engine = start("unix, 127.0.0.2", true, Limits::default());
    let tcp = &engine.targets[0];
    assert_eq!(who(&mut tcp.connect_from(CLIENT), ""), CLIENT, "who needs none");
    let mut connection = tcp.connect_from(CLIENT);
    connection.send(TEXT);
    assert_eq!(connection.answer().status, 400);
    let mut connection = tcp.connect_from(CLIENT);
    connection.send([BINARY, request_text("GET", "/who", "").as_bytes()].concat());
    assert_eq!(connection.answer().status, 400);
    // And nobody at all where it is off.
    let engine = start("unix, 127.0.0.2", false, Limits::default());
    for (name, mut connection) in proxied(&engine) {
        connection.send(TEXT);
        assert_eq!(connection.answer().status, 400, "{name}");
    }
}

#[test]
fn what_is_no_header_is_cut_and_counted() {
    let engine = start("unix, 127.0.0.2", true, Limits::default());
    let request = request_text("GET", "/who", "");
    let bad: [&[u8]; 4] = [
        request.as_bytes(),
        b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 65536\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        &[b"PROXY UNKNOWN ".as_slice(), &[b'a'; 200]].concat(),
    ];
    let mut count = 0;
    for header in bad {
        for (name, mut connection) in proxied(&engine) {
            let _ = connection.try_send(header);
            assert!(connection.is_closed(), "{name}: {}", header.escape_ascii());
            count += 1;
            assert_eq!(failures(&engine), count);
        }
    }
    eventually("all are gone", || engine.server.metrics().open_connections.load(Ordering::Relaxed) == 0);
}

#[test]
fn a_header_that_does_not_come_is_not_waited_for() {
    let limits = Limits { head_timeout_ms: 500, idle_timeout_ms: 600_000, ..Limits::default() };
    let engine = start("unix, 127.0.0.2", true, limits);
    let mut count = 0;
    for begun in [&b""[..], &TEXT[..20], &BINARY[..14]] {
        for (name, mut connection) in proxied(&engine) {
            connection.send(begun);
            assert!(connection.is_closed(), "{name}");
            count += 1;
        }
        assert_eq!(engine.timeouts(Timeout::Head), count);
    }
}

#[test]
fn a_client_behind_a_hop_has_its_part_and_the_hop_has_no_bound() {
    let limits = Limits { connections_per_address: 2, ..Limits::default() };
    let engine = start("unix, 127.0.0.2", true, limits);
    let connect = |header: &[u8], target: &Target| {
        let mut connection = match target {
            Target::Tcp(_) => target.connect_from(HOP),
            Target::Unix(_) => target.connect(),
        };
        // A part of a second request, so that it is not idle.
        connection.send([header, request_text("GET", "/who", "").as_bytes(), b"G"].concat());
        (connection.answer().status, connection)
    };
    for target in &engine.targets {
        let held = [connect(TEXT, target), connect(TEXT, target)];
        assert_eq!(held.each_ref().map(|(status, _)| *status), [200, 200]);
        let (status, mut refused) = connect(TEXT, target);
        assert_eq!((status, refused.is_closed()), (429, true));
        let others =
            [connect(BINARY, target), connect(LOCAL, target), connect(LOCAL, target), connect(LOCAL, target)];
        assert_eq!(others.each_ref().map(|(status, _)| *status), [200; 4]);
        drop((held, others));
        eventually("all are gone", || engine.server.metrics().open_connections.load(Ordering::Relaxed) == 0);
        assert_eq!(connect(TEXT, target).0, 200);
        eventually("again", || engine.server.metrics().open_connections.load(Ordering::Relaxed) == 0);
    }
    assert_eq!(engine.hits(Limit::ConnectionsPerAddress), 2);
}
