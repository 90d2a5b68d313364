//! The address of a client: that of its socket, or what a trusted hop says of it.
//!
//! A Unix socket is the balancer's hop, since its file's permission decides who may connect. Over TCP a field
//! of the head is anybody's word, unless the peer is one of the configured hops. A hop puts whom it has seen
//! at the end of `X-Forwarded-For`; what stands before that its client may have made up, unless that client
//! is a trusted hop too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::request_head::Remote;

/// What counts as one client: an address of IPv4, or the /64 of IPv6 that a client has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(u128);

impl Network {
    /// The network of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(bits(address.into())),
            IpAddr::V6(address) => Self(address.to_bits() & !u128::from(u64::MAX)),
        }
    }
}

/// Peers that are trusted to name the client: in `X-Forwarded-For` and `X-Forwarded-Proto`, and in the header
/// of the PROXY protocol. By default whoever connects over a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedHops {
    unix: bool,
    blocks: Vec<Block>,
}

/// Addresses of one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    first: u128,
    mask: u128,
}

impl Default for TrustedHops {
    fn default() -> Self {
        Self { unix: true, blocks: Vec::new() }
    }
}

impl TrustedHops {
    /// `none`, or comma-separated: `unix`, addresses, and blocks as `10.0.0.0/8`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut hops = Self { unix: false, blocks: Vec::new() };
        if text.trim() != "none" {
            for hop in text.split(',') {
                match hop.trim() {
                    "unix" => hops.unix = true,
                    block => hops.blocks.push(Block::parse(block)?),
                }
            }
        }
        Some(hops)
    }

    pub(in crate::http) fn trusts(&self, remote: Remote) -> bool {
        match remote {
            Remote::Unix => self.unix,
            Remote::Tcp(address) => self.has(address.ip()),
            Remote::Unknown => false,
        }
    }

    fn has(&self, address: IpAddr) -> bool {
        let address = bits(address);
        self.blocks.iter().any(|block| address & block.mask == block.first)
    }

    /// Who sent a request; `None` where nobody says so. `forwarded` is what the hops say, the last one first.
    pub(in crate::http) fn client<'f>(
        &self,
        remote: Remote,
        forwarded: impl Iterator<Item = &'f [u8]>,
    ) -> Option<IpAddr> {
        let mut client = match remote {
            Remote::Tcp(peer) => Some(peer.ip().to_canonical()),
            Remote::Unix | Remote::Unknown => None,
        };
        if self.trusts(remote) {
            for named in forwarded {
                let Some(named) = address(named) else { break };
                client = Some(named);
                if !self.has(named) {
                    break;
                }
            }
        }
        client
    }
}

impl Block {
    /// An address or a prefix of one; bits past the prefix are a slip, and refused.
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address.parse::<IpAddr>().ok()?, Some(length.parse::<u32>().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(most);
        let free = most.checked_sub(length)?;
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        let first = bits(address);
        (first & mask == first).then_some(Self { first, mask })
    }
}

/// All addresses in one space: IPv4 as it is mapped into IPv6 (RFC 4291 section 2.5.5.2).
fn bits(address: IpAddr) -> u128 {
    let mapped = |address: Ipv4Addr| address.to_ipv6_mapped();
    let address: Ipv6Addr = match address {
        IpAddr::V4(address) => mapped(address),
        IpAddr::V6(address) => address,
    };
    address.to_bits()
}

/// An address as proxies write it, some of them with a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let address = text.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(text: &str) -> TrustedHops {
        TrustedHops::parse(text).expect(text)
    }

    fn client(hops: &TrustedHops, remote: Remote, list: &str) -> Option<String> {
        let forwarded = list.as_bytes().rsplit(|byte| *byte == b',');
        hops.client(remote, forwarded).map(|address| address.to_string())
    }

    #[test]
    fn the_last_address_is_the_one_that_the_hop_has_seen() {
        let cases = [
            ("192.0.2.1", Some("192.0.2.1")),
            ("10.0.0.1, 192.0.2.1", Some("192.0.2.1")),
            ("made up,2001:db8::1 ", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:1234", Some("192.0.2.1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("192.0.2.1,", None),
            ("192.0.2.1, unknown", None),
            ("", None),
        ];
        for (list, expected) in cases {
            assert_eq!(client(&TrustedHops::default(), Remote::Unix, list).as_deref(), expected, "{list}");
        }
    }

    #[test]
    fn hops_that_are_trusted_are_gone_past_and_no_further() {
        let tcp = |text: &str| Remote::Tcp(SocketAddr::new(text.parse().unwrap(), 9));
        let trusted = hops("10.0.0.0/8, 2001:db8::/32, unix");
        let cases = [
            (tcp("10.1.2.3"), "203.0.113.9, 192.0.2.1", "192.0.2.1"),
            (tcp("10.1.2.3"), "203.0.113.9, 192.0.2.1, 10.9.9.9, 2001:db8::7", "192.0.2.1"),
            (tcp("::ffff:10.1.2.3"), "192.0.2.1", "192.0.2.1"),
            (tcp("10.1.2.3"), "nobody", "10.1.2.3"),
            (tcp("10.1.2.3"), "nobody, 10.4.4.4", "10.4.4.4"),
            (tcp("11.1.2.3"), "192.0.2.1", "11.1.2.3"),
            (Remote::Unix, "192.0.2.1, 10.0.0.1", "192.0.2.1"),
        ];
        for (remote, list, expected) in cases {
            assert_eq!(client(&trusted, remote, list).as_deref(), Some(expected), "{remote:?} {list}");
        }
        for (hops, remote) in [(hops("none"), Remote::Unix), (trusted, Remote::Unknown)] {
            assert_eq!(client(&hops, remote, "192.0.2.1"), None);
        }
    }

    #[test]
    fn hops_are_addresses_blocks_and_the_unix_socket() {
        assert_eq!(hops("unix"), TrustedHops::default());
        assert_eq!(hops("10.0.0.1, ::1,unix").blocks.len(), 2);
        let all = hops("0.0.0.0/0");
        assert!(all.has("203.0.113.1".parse().unwrap()) && !all.has("2001:db8::1".parse().unwrap()));
        for text in ["", "10.0.0.1,", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1", "nginx", "none,unix"] {
            assert_eq!(TrustedHops::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_client_has_an_address_of_ipv4_or_a_network_of_ipv6() {
        let network = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:0:0:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        // A network of IPv6 and an address of IPv4 are never the same one.
        assert_ne!(network("::1"), network("0.0.0.0"));
    }
}
