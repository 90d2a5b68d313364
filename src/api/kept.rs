//! What caches that several APIs have count, as `/metrics` shows it.

use crate::cache::expiring;
use crate::metrics::Exposition;

/// Everything that a cache in the process counted.
pub(super) fn expose_expiring(exposition: &mut Exposition, cache: &str, counts: &expiring::Counts) {
    expose_lookups(exposition, cache, counts.hits, counts.misses);
    expose_coalesced(exposition, cache, counts.coalesced);
    let labels = [("cache", cache)];
    let help = "Entries that left for want of room.";
    exposition.sample("pouco_cache_evicted_total", help, &labels, counts.evicted);
    let help = "Entries that left because their time was over.";
    exposition.sample("pouco_cache_expired_total", help, &labels, counts.expired);
    exposition.sample("pouco_cache_entries", "Entries now.", &labels, counts.entries);
    expose_bytes(exposition, cache, counts.bytes);
}

/// What was asked of something in memory.
pub(super) fn expose_lookups(exposition: &mut Exposition, cache: &str, hits: u64, misses: u64) {
    let labels = [("cache", cache)];
    exposition.sample("pouco_cache_hits_total", "Lookups answered from memory.", &labels, hits);
    exposition.sample("pouco_cache_misses_total", "Lookups not answered from memory.", &labels, misses);
}

/// What a bounded cache holds.
pub(super) fn expose_bytes(exposition: &mut Exposition, cache: &str, bytes: u64) {
    exposition.sample("pouco_cache_bytes", "Bytes of cached entries.", &[("cache", cache)], bytes);
}

/// Lookups that had the value of another one.
pub(super) fn expose_coalesced(exposition: &mut Exposition, cache: &str, coalesced: u64) {
    let help = "Lookups that waited while another one computed.";
    exposition.sample("pouco_cache_coalesced_total", help, &[("cache", cache)], coalesced);
}
