use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use super::*;

const TTL: Duration = Duration::from_secs(10);
const ROOMY: Limits = Limits { bytes: 1 << 20, entries: 1_000, ttl: TTL };

type Cache = Expiring<String, Arc<[u8]>, &'static str>;

/// A clock that stands still until it is put forward.
fn clock() -> (Arc<AtomicU64>, impl Fn() -> Instant + Send + Sync + 'static) {
    let (millis, origin) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let read = millis.clone();
    (millis, move || origin + Duration::from_millis(read.load(Ordering::SeqCst)))
}

fn value(bytes: usize) -> Arc<[u8]> {
    vec![7; bytes].into()
}

fn fill(cache: &Cache, key: &str, bytes: usize) -> Source {
    cache.get_or_compute(key, || Ok(value(bytes))).unwrap().source
}

/// Waits for others to come, as a computation would that takes its time.
fn until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody came");
        thread::yield_now();
    }
}

#[test]
fn an_entry_lives_for_its_time_and_says_how_much_is_left() {
    let (millis, now) = clock();
    let cache: Arc<Cache> = Expiring::with_clock(ROOMY, now);
    assert_eq!(fill(&cache, "a", 5), Source::Miss);
    millis.store(2_500, Ordering::SeqCst);
    assert_eq!(fill(&cache, "a", 5), Source::Hit { left: Duration::from_millis(7_500) });
    millis.store(9_999, Ordering::SeqCst);
    assert_eq!(fill(&cache, "a", 5), Source::Hit { left: Duration::from_millis(1) });
    millis.store(10_000, Ordering::SeqCst);
    assert!(cache.get("a").is_none());
    assert_eq!(fill(&cache, "a", 5), Source::Miss);
    let counts = cache.counts();
    assert_eq!((counts.hits, counts.misses, counts.expired, counts.entries), (2, 2, 1, 1));
}

#[test]
fn the_bound_in_entries_holds() {
    let cache: Arc<Cache> = Expiring::new(Limits { entries: 10, ..ROOMY });
    for number in 0..1_000 {
        fill(&cache, &number.to_string(), 1);
        assert!(cache.counts().entries <= 10);
    }
    let counts = cache.counts();
    assert_eq!((counts.entries, counts.misses, counts.evicted), (10, 1_000, 990));
}

#[test]
fn the_bound_in_bytes_holds() {
    let cache: Arc<Cache> = Expiring::new(Limits { bytes: 10_000, ..ROOMY });
    let mut random = fastrand::Rng::with_seed(3);
    for number in 0..1_000 {
        fill(&cache, &number.to_string(), random.usize(0..3_000));
        assert!(cache.counts().bytes <= 10_000, "{:?}", cache.counts());
    }
    assert!(cache.counts().bytes > 5_000, "the bound is also used: {:?}", cache.counts());
    // Served all the same, and not kept.
    assert_eq!(fill(&cache, "large", 20_000), Source::Miss);
    assert_eq!(fill(&cache, "large", 20_000), Source::Miss);
}

#[test]
fn an_entry_weighs_more_than_its_value() {
    let cache: Arc<Cache> = Expiring::new(ROOMY);
    fill(&cache, "key", 100);
    let bytes = cache.counts().bytes;
    assert!((200..400).contains(&bytes), "{bytes} bytes");
}

#[test]
fn what_is_in_use_stays_and_what_is_not_goes() {
    let cache: Arc<Cache> = Expiring::new(Limits { entries: 10, ..ROOMY });
    fill(&cache, "used", 1);
    for number in 0..100 {
        fill(&cache, &number.to_string(), 1);
        assert!(matches!(fill(&cache, "used", 1), Source::Hit { .. }), "after {number}");
    }
    assert!(cache.get("0").is_none());
}

#[test]
fn a_sweep_is_bounded_and_takes_only_what_has_expired() {
    let (millis, now) = clock();
    let cache: Arc<Cache> = Expiring::with_clock(ROOMY, now);
    for number in 0..600 {
        fill(&cache, &number.to_string(), 1);
    }
    millis.store(5_000, Ordering::SeqCst);
    fill(&cache, "young", 1);
    assert_eq!(cache.sweep(), 0);
    millis.store(10_000, Ordering::SeqCst);
    assert_eq!([cache.sweep(), cache.sweep(), cache.sweep(), cache.sweep()], [256, 256, 88, 0]);
    let counts = cache.counts();
    assert_eq!((counts.entries, counts.expired, counts.evicted), (1, 600, 0));
    assert!(cache.get("young").is_some());
}

#[test]
fn the_janitor_sweeps_without_being_asked() {
    let (millis, now) = clock();
    let cache: Arc<Cache> = Expiring::with_clock(ROOMY, now);
    fill(&cache, "a", 1);
    let janitor = crate::waiting::Janitor::start().unwrap();
    janitor.look_after(&cache);
    millis.store(10_000, Ordering::SeqCst);
    until(|| cache.counts().entries == 0);
}

/// Everybody misses the same key; the first to come computes until all others wait.
fn crowd(
    cache: &Arc<Cache>,
    ask: impl Fn() -> Result<Served<Arc<[u8]>>, &'static str> + Send + Sync + 'static,
) {
    const OTHERS: u64 = 499;
    let ask = Arc::new(ask);
    let (results, got) = std::sync::mpsc::channel();
    for number in 0..=OTHERS {
        let (ask, results) = (ask.clone(), results.clone());
        let go = move || results.send(ask()).unwrap();
        // Half of them are coroutines. The first one is a thread: it may wait without stopping the others.
        if number % 2 == 0 {
            thread::Builder::new().stack_size(256 * 1024).spawn(go).unwrap();
        } else {
            may::go!(go);
        }
        if number == 0 {
            until(|| cache.counts().misses == 1);
        }
    }
    drop(results);
    let results: Vec<_> = got.iter().collect();
    assert_eq!(results.len() as u64, OTHERS + 1);
    let counts = cache.counts();
    assert_eq!((counts.misses, counts.coalesced), (1, OTHERS));
    let failed = results.iter().filter(|result| **result == Err("on purpose")).count() as u64;
    let source = |wanted| {
        results.iter().flatten().filter(|served| served.source == wanted && served.value.len() == 9).count()
            as u64
    };
    if failed == 0 {
        assert_eq!((source(Source::Miss), source(Source::Coalesced)), (1, OTHERS));
    } else {
        assert_eq!(failed, OTHERS + 1);
    }
}

#[test]
fn of_500_who_miss_one_computes() {
    crate::waiting::configure_coroutines();
    let cache: Arc<Cache> = Expiring::new(ROOMY);
    let (asked, computed) = (cache.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = computed.clone();
    crowd(&cache, move || {
        asked.get_or_compute("key", || {
            counted.fetch_add(1, Ordering::SeqCst);
            until(|| asked.counts().coalesced == 499);
            Ok(value(9))
        })
    });
    assert_eq!(computed.load(Ordering::SeqCst), 1);
    assert!(matches!(fill(&cache, "key", 1), Source::Hit { .. }));
}

#[test]
fn a_computation_that_fails_fails_for_all_who_wait_and_is_not_kept() {
    crate::waiting::configure_coroutines();
    let cache: Arc<Cache> = Expiring::new(ROOMY);
    let asked = cache.clone();
    crowd(&cache, move || {
        asked.get_or_compute("key", || {
            until(|| asked.counts().coalesced == 499);
            Err("on purpose")
        })
    });
    assert_eq!(cache.counts().entries, 0);
    assert_eq!(fill(&cache, "key", 1), Source::Miss);
}

#[test]
fn if_a_computation_panics_one_of_those_who_wait_computes() {
    let cache: Arc<Cache> = Expiring::new(ROOMY);
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            catch_unwind(AssertUnwindSafe(|| {
                cache.get_or_compute("key", || {
                    until(|| cache.counts().coalesced == 20);
                    panic!("on purpose")
                })
            }))
        });
        until(|| cache.counts().misses == 1);
        let others: Vec<_> = (0..20).map(|_| scope.spawn(|| fill(&cache, "key", 1))).collect();
        assert!(first.join().unwrap().is_err());
        let sources: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
        assert_eq!(sources.iter().filter(|source| **source == Source::Miss).count(), 1, "{sources:?}");
        assert_eq!(sources.iter().filter(|source| **source == Source::Coalesced).count(), 19, "{sources:?}");
    });
}

/// A coroutine that is ended while it computes unwinds like one that panics.
#[test]
fn if_the_coroutine_that_computes_is_ended_another_one_computes() {
    crate::waiting::configure_coroutines();
    let cache: Arc<Cache> = Expiring::new(ROOMY);
    let leading = cache.clone();
    let leader = may::go!(move || {
        leading.get_or_compute("key", || {
            may::coroutine::park();
            Ok(value(1))
        })
    });
    until(|| cache.counts().misses == 1);
    let following = cache.clone();
    let follower = may::go!(move || fill(&following, "key", 1));
    until(|| cache.counts().coalesced == 1);
    // SAFETY: what it holds on its stack is dropped as by a panic, which is what is tested.
    #[allow(unsafe_code)]
    unsafe {
        leader.coroutine().cancel();
    }
    assert!(leader.join().is_err());
    assert_eq!(follower.join().unwrap(), Source::Miss);
}

#[test]
fn keys_do_not_wait_for_each_other() {
    let cache: Arc<Cache> = Expiring::new(ROOMY);
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            cache.get_or_compute("slow", || {
                until(|| cache.get("fast").is_some());
                Ok(value(1))
            })
        });
        until(|| cache.counts().misses == 1);
        assert_eq!(fill(&cache, "fast", 1), Source::Miss);
        assert_eq!(slow.join().unwrap().unwrap().source, Source::Miss);
    });
}

/// Whoever changes it knows that from now on nobody is told what it was.
#[test]
fn what_is_forgotten_while_it_is_computed_is_not_kept() {
    let cache: Arc<Cache> = Expiring::new(ROOMY);
    assert_eq!(fill(&cache, "key", 1), Source::Miss);
    cache.forget("key");
    cache.forget("another");
    assert!(cache.get("key").is_none());
    let changed = AtomicUsize::new(0);
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            cache.get_or_compute("key", || {
                until(|| changed.load(Ordering::SeqCst) == 1);
                Ok(value(1))
            })
        });
        until(|| cache.counts().misses == 2);
        let joined = scope.spawn(|| cache.get_or_compute("key", || Ok(value(2))));
        until(|| cache.counts().coalesced == 1);
        cache.forget("key");
        let anew = joined.join().unwrap().unwrap();
        assert_eq!((anew.value.len(), anew.source), (2, Source::Miss));
        changed.store(1, Ordering::SeqCst);
        assert_eq!(first.join().unwrap().unwrap().value.len(), 1);
    });
    assert_eq!(cache.get("key").unwrap().value.len(), 2);
}
