//! The address of a client: that of its socket, or what a trusted hop says of it.
//!
//! A Unix socket is the balancer's hop, since its file's permission decides who may connect. Over TCP a field
//! of the head is anybody's word, unless the peer is one of the configured proxies. A proxy puts whom it has
//! seen at the end of `X-Forwarded-For`; what stands before that its client may have made up.

use std::net::IpAddr;

use crate::http::{Remote, RequestHead};

/// Proxies that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TrustedHops(Vec<IpAddr>);

impl TrustedHops {
    /// Comma-separated addresses.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let addresses = text.split(',').map(|one| one.trim().parse().ok());
        addresses.map(|address| address.map(|it: IpAddr| it.to_canonical())).collect::<Option<_>>().map(Self)
    }

    /// Who sent a request; `None` where nobody says so.
    pub(super) fn client(&self, head: &RequestHead<'_>) -> Option<IpAddr> {
        match head.remote() {
            Remote::Unix => forwarded(head),
            Remote::Tcp(peer) => {
                let peer = peer.ip().to_canonical();
                let told = if self.0.contains(&peer) { forwarded(head) } else { None };
                told.or(Some(peer))
            }
            Remote::Unknown => None,
        }
    }
}

fn forwarded(head: &RequestHead<'_>) -> Option<IpAddr> {
    let lines = head.header_lines("x-forwarded-for").last();
    last_address(lines.or_else(|| head.header_lines("x-real-ip").last())?)
}

fn last_address(list: &[u8]) -> Option<IpAddr> {
    let last = std::str::from_utf8(list).ok()?.rsplit(',').next()?.trim();
    last.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_is_the_one_that_the_hop_has_seen() {
        let address = |text: &str| last_address(text.as_bytes()).map(|address| address.to_string());
        let cases = [
            ("192.0.2.1", Some("192.0.2.1")),
            ("10.0.0.1, 192.0.2.1", Some("192.0.2.1")),
            ("made up,2001:db8::1 ", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1,", None),
            ("192.0.2.1, unknown", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(address(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn hops_are_addresses() {
        let hops = TrustedHops::parse("10.0.0.1, ::1").map(|hops| hops.0.len());
        assert_eq!(hops, Some(2));
        for text in ["", "10.0.0.1,", "10.0.0.0/8", "nginx"] {
            assert_eq!(TrustedHops::parse(text), None, "{text}");
        }
    }
}
