//! Settings of the kernel that bound how many connections a load can open.

use std::path::Path;

/// Absent: this kernel does not have it, or it is not readable in here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    /// Ports of outgoing connections: the first and the last.
    pub local_ports: Option<(u32, u32)>,
    /// Whether a port that waits may be used again: 0 never, 1 always, 2 on the loopback.
    pub tcp_tw_reuse: Option<u32>,
    /// Connections that may wait at a time.
    pub tcp_max_tw_buckets: Option<u32>,
    /// The longest queue of a listener.
    pub somaxconn: Option<u32>,
    /// Connections that a published port of a container network can translate at a time.
    pub conntrack_max: Option<u32>,
}

impl Kernel {
    /// Reads them below `sys`, which is `/proc/sys`; `procfs` has none of them.
    #[must_use]
    pub fn read(sys: &Path) -> Self {
        let numbers = |file: &str| -> Vec<u32> {
            let text = std::fs::read_to_string(sys.join(file)).unwrap_or_default();
            text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
        };
        let number = |file: &str| numbers(file).first().copied();
        let ports = numbers("net/ipv4/ip_local_port_range");
        Self {
            local_ports: ports.first().copied().zip(ports.get(1).copied()),
            tcp_tw_reuse: number("net/ipv4/tcp_tw_reuse"),
            tcp_max_tw_buckets: number("net/ipv4/tcp_max_tw_buckets"),
            somaxconn: number("net/core/somaxconn"),
            conntrack_max: number("net/netfilter/nf_conntrack_max"),
        }
    }
}
