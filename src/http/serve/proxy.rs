//! The header of the PROXY protocol, versions 1 and 2, by which a hop that does not speak HTTP says who the
//! client is (HAProxy's `proxy-protocol.txt`, sections 2.1 and 2.2).
//!
//! It stands once, before everything else, and only a trusted hop may send it (section 2: a receiver must not
//! guess). What is behind the addresses of version 2 is not looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::limits::PROXY_HEADER_BYTES;

/// How version 1 begins.
const TEXT: &[u8] = b"PROXY ";
/// Bytes of a line of version 1, its end included.
const TEXT_BYTES: usize = 107;
/// How version 2 begins.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes before the addresses of version 2.
const FIXED_BYTES: usize = 16;

// A whole line of version 1, and the longest addresses of version 2: those of Unix sockets.
const _: () = assert!(PROXY_HEADER_BYTES > FIXED_BYTES + 216 && PROXY_HEADER_BYTES > TEXT_BYTES);

/// A header that nobody may send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) bytes: usize,
    /// `None` where the hop speaks for itself (a health check), or names no address of the Internet.
    pub(super) client: Option<SocketAddr>,
}

/// The header at the start of a connection; `None` if more of it is to come.
pub(super) fn parse(come: &[u8]) -> Result<Option<Header>, Malformed> {
    let begins = |with: &[u8]| come.iter().zip(with).all(|(byte, expected)| byte == expected);
    if begins(SIGNATURE) {
        parse_binary(come)
    } else if begins(TEXT) {
        parse_text(come)
    } else {
        Err(Malformed)
    }
}

fn parse_text(come: &[u8]) -> Result<Option<Header>, Malformed> {
    let come = &come[..come.len().min(TEXT_BYTES)];
    let Some(end) = memchr::memchr(b'\n', come) else {
        return if come.len() < TEXT_BYTES { Ok(None) } else { Err(Malformed) };
    };
    let line = come[..end].strip_suffix(b"\r").and_then(|line| line.strip_prefix(TEXT)).ok_or(Malformed)?;
    let client = match line.split_at_checked(5) {
        Some((b"TCP4 ", rest)) => Some(endpoints::<Ipv4Addr>(rest)?),
        Some((b"TCP6 ", rest)) => Some(endpoints::<Ipv6Addr>(rest)?),
        // Whatever follows.
        _ if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") => None,
        _ => return Err(Malformed),
    };
    Ok(Some(Header { bytes: end + 1, client }))
}

/// The first of both ends; the second one must be as well formed.
fn endpoints<A: std::str::FromStr + Into<IpAddr>>(text: &[u8]) -> Result<SocketAddr, Malformed> {
    let mut words = std::str::from_utf8(text).map_err(|_| Malformed)?.split(' ');
    let mut word = || words.next().ok_or(Malformed);
    let (source, destination) = (word()?, word()?);
    let address = |text: &str| text.parse::<A>().map_err(|_| Malformed);
    let source = address(source)?.into();
    address(destination)?;
    let (source_port, destination_port) = (word()?, word()?);
    let source_port = port(source_port)?;
    port(destination_port)?;
    if words.next().is_some() { Err(Malformed) } else { Ok(SocketAddr::new(source, source_port)) }
}

/// Digits without a leading zero.
fn port(text: &str) -> Result<u16, Malformed> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(Malformed)
}

fn parse_binary(come: &[u8]) -> Result<Option<Header>, Malformed> {
    // What is wrong is known as soon as it has come.
    let is_local = match come.get(12) {
        None => return Ok(None),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(Malformed),
    };
    let Some([family, high, low]) = come.get(13..FIXED_BYTES) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let bytes = FIXED_BYTES + length;
    if bytes > PROXY_HEADER_BYTES {
        return Err(Malformed);
    }
    // Of its own connection a hop need not say what family it is.
    let shortest = match (family >> 4, family & 0xf) {
        _ if is_local => 0,
        (0..=3, 3..) | (4.., _) => return Err(Malformed),
        (0, _) | (_, 0) => 0,
        (1, _) => 12,
        (2, _) => 36,
        _ => 216,
    };
    if length < shortest {
        return Err(Malformed);
    }
    let Some(addresses) = come.get(FIXED_BYTES..bytes) else { return Ok(None) };
    let client = match family {
        _ if is_local => None,
        0x11 => client_of::<4>(addresses, 8),
        0x21 => client_of::<16>(addresses, 32),
        _ => None,
    };
    Ok(Some(Header { bytes, client }))
}

/// The first address of a block, and the port that stands behind both addresses.
fn client_of<const BYTES: usize>(addresses: &[u8], port_at: usize) -> Option<SocketAddr>
where
    IpAddr: From<[u8; BYTES]>,
{
    let port = addresses.get(port_at..port_at + 2)?;
    let address: &[u8; BYTES] = addresses.first_chunk()?;
    Some(SocketAddr::new(IpAddr::from(*address), u16::from_be_bytes([port[0], port[1]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, rest].concat()
    }

    const IPV4: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 1, 0x30, 0x39, 0, 80];

    fn ipv6() -> Vec<u8> {
        let address = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
        [&address("2001:db8::1")[..], &address("::1"), &[0x30, 0x39, 0, 80]].concat()
    }

    fn good() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let text = |line: &str| format!("PROXY {line}\r\n").into_bytes();
        let longest = format!("UNKNOWN {}", "f".repeat(TEXT_BYTES - "PROXY UNKNOWN \r\n".len()));
        vec![
            (text("TCP4 192.0.2.1 10.0.0.1 12345 80"), Some("192.0.2.1:12345")),
            (text("TCP6 2001:db8::1 ::1 12345 0"), Some("[2001:db8::1]:12345")),
            (text("UNKNOWN"), None),
            (text("UNKNOWN ffff::1 ffff::2 65535 65535"), None),
            (text(&longest), None),
            (b"PROXY UNKNOWN \xff \r\r\n".to_vec(), None),
            (binary(0x21, 0x11, &IPV4), Some("192.0.2.1:12345")),
            (binary(0x21, 0x11, &[&IPV4[..], b"\x04\x00\x01a"].concat()), Some("192.0.2.1:12345")),
            (binary(0x21, 0x21, &ipv6()), Some("[2001:db8::1]:12345")),
            // Over UDP, of a Unix socket, of nothing in particular.
            (binary(0x21, 0x12, &IPV4), None),
            (binary(0x21, 0x31, &[0; 216]), None),
            (binary(0x21, 0x00, &[]), None),
            (binary(0x21, 0x00, &[1, 2, 3]), None),
            (binary(0x20, 0x00, &[]), None),
            (binary(0x20, 0x11, &IPV4), None),
            (binary(0x20, 0xff, b"what"), None),
        ]
    }

    #[test]
    fn every_header_is_read_wherever_it_is_split() {
        for (header, client) in good() {
            let shown = header.escape_ascii().to_string();
            for end in 0..header.len() {
                assert_eq!(parse(&header[..end]), Ok(None), "{end} bytes of {shown}");
            }
            let whole =
                Ok(Some(Header { bytes: header.len(), client: client.map(|it| it.parse().unwrap()) }));
            for behind in [&b""[..], b"GET / HTTP/1.1\r\n", b"\r\n\r\n", b"\0"] {
                assert_eq!(parse(&[&header[..], behind].concat()), whole, "{shown}");
            }
        }
    }

    #[test]
    fn what_nobody_may_send_is_refused() {
        let lines = [
            "TCP4 192.0.2.1 10.0.0.1 12345",
            "TCP4 192.0.2.1 10.0.0.1 12345 80 ",
            "TCP4  192.0.2.1 10.0.0.1 12345 80",
            "TCP4 192.0.2.1 10.0.0.1 12345 65536",
            "TCP4 192.0.2.1 10.0.0.1 +1 80",
            "TCP4 192.0.2.1 10.0.0.1 01 80",
            "TCP4 192.0.2.1 10.0.0.1  80",
            "TCP4 192.0.2.01 10.0.0.1 1 80",
            "TCP4 2001:db8::1 ::1 1 80",
            "TCP4 192.0.2.1 nobody 1 80",
            "TCP6 192.0.2.1 10.0.0.1 1 80",
            "TCP5 192.0.2.1 10.0.0.1 1 80",
            "TCP4",
            "",
            "unknown",
        ];
        let mut bad: Vec<Vec<u8>> =
            lines.iter().map(|line| format!("PROXY {line}\r\n").into_bytes()).collect();
        bad.extend([
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"P0".to_vec(),
            b"\r\n\r\n\0\r\nQUIT\r".to_vec(),
            b"PROXY UNKNOWN\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 1 80\n".to_vec(),
            b"PROXY UNKNOWN2\r\n".to_vec(),
            b"PROXY TCP4 \xff 10.0.0.1 1 80\r\n".to_vec(),
            // A byte longer than a line may be, and one that has no end so far.
            format!("PROXY UNKNOWN {}\r\n", "f".repeat(TEXT_BYTES - 15)).into_bytes(),
            format!("PROXY UNKNOWN {}", "f".repeat(TEXT_BYTES)).into_bytes(),
            binary(0x11, 0x11, &IPV4),
            binary(0x22, 0x11, &IPV4),
            binary(0x31, 0x11, &IPV4),
            binary(0x21, 0x41, &IPV4),
            binary(0x21, 0x13, &IPV4),
            binary(0x21, 0x03, &IPV4),
            binary(0x21, 0x11, &IPV4[..11]),
            binary(0x21, 0x21, &IPV4),
            binary(0x21, 0x31, &[0; 215]),
            binary(0x21, 0x11, &[0; PROXY_HEADER_BYTES - FIXED_BYTES + 1]),
            binary(0x20, 0x00, &[0; PROXY_HEADER_BYTES]),
        ]);
        for header in bad {
            assert_eq!(parse(&header), Err(Malformed), "{}", header.escape_ascii());
        }
    }

    /// It is known by its first sixteen bytes: nobody waits for more than is taken.
    #[test]
    fn a_header_that_is_too_long_is_refused_before_it_has_come() {
        let long = binary(0x21, 0x11, &[0; PROXY_HEADER_BYTES]);
        assert_eq!(parse(&long[..FIXED_BYTES]), Err(Malformed));
        assert_eq!(parse(&long[..FIXED_BYTES - 1]), Ok(None));
    }
}
