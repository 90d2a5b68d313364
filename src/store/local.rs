//! The address by which the database knows this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};

use postgres::config::Host;

use super::connect::Connector;

/// Nothing is sent to it: any port has the same way.
const ANY_PORT: u16 = 5432;

impl Connector {
    /// The address from which the database is reached, if it is reached over TCP. Blocks: names are resolved.
    #[must_use]
    pub fn local_ip(&self) -> Option<IpAddr> {
        let named = self.config().get_hosts().iter().filter_map(|host| match host {
            Host::Tcp(name) => (name.as_str(), ANY_PORT).to_socket_addrs().ok(),
            Host::Unix(_) => None,
        });
        named.flatten().find_map(towards)
    }
}

/// A socket that sends nothing is bound to where it would send from (udp(7)).
fn towards(place: SocketAddr) -> Option<IpAddr> {
    let any = match place {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(place).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_address_that_the_database_sees() {
        let ip = |url: &str| {
            Connector::new(crate::database_url::parse(url).unwrap_or_else(|why| panic!("{why}"))).local_ip()
        };
        assert_eq!(ip("postgres://127.0.0.1/pouco"), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(ip("host=/run/postgresql,127.0.0.1"), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(ip("host=/run/postgresql"), None);
    }
}
