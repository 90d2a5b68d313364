//! What caches that several APIs have count, as `/metrics` writes it down.

use crate::cache::expiring;
use crate::metrics::Exposition;

/// Everything that a cache in the process counted.
pub(super) fn expose_expiring(exposition: &mut Exposition, cache: &str, counts: &expiring::Counts) {
    exposition.cache(cache, counts.hits, counts.misses);
    expose_coalesced(exposition, cache, counts.coalesced);
    let labels = [("cache", cache)];
    let help = "Entries that left for want of room.";
    exposition.sample("pouco_cache_evicted_total", help, &labels, counts.evicted);
    let help = "Entries that left because their time was over.";
    exposition.sample("pouco_cache_expired_total", help, &labels, counts.expired);
    exposition.sample("pouco_cache_entries", "Entries now.", &labels, counts.entries);
    exposition.cache_bytes(cache, counts.bytes);
}

/// Look-ups that had the value of another one.
pub(super) fn expose_coalesced(exposition: &mut Exposition, cache: &str, coalesced: u64) {
    let help = "Look-ups that waited while another one computed.";
    exposition.sample("pouco_cache_coalesced_total", help, &[("cache", cache)], coalesced);
}
