//! The fuzz targets' kept inputs, each whole, cut off, and changed a little at random from a fixed seed;
//! without a fuzzer. What libFuzzer finds (`fuzz/run.sh`, every night) becomes such an input.
//!
//! The doors into the parsers are in debug builds.
#![cfg(debug_assertions)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::thread;

#[allow(unreachable_pub)]
mod checks;

/// What each target is given of one input, beside its beginnings.
struct Amount {
    changed: u32,
    /// A beginning of every length; otherwise it is whole or changed.
    beginnings: bool,
}

const OF_A_PARSER: Amount = Amount { changed: 300, beginnings: true };
/// A check is eight system calls and more.
const OF_THE_ENGINE: Amount = Amount { changed: 10, beginnings: false };

#[test]
fn request_head() {
    go_through("request_head", checks::request_head::check, &OF_A_PARSER);
}

#[test]
fn chunked() {
    go_through("chunked", checks::chunked::check, &OF_A_PARSER);
}

#[test]
fn query() {
    go_through("query", checks::query::check, &OF_A_PARSER);
}

#[test]
fn stream() {
    go_through("stream", checks::stream::check, &OF_THE_ENGINE);
}

fn go_through(target: &str, check: fn(&[u8]), amount: &Amount) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut kept: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    kept.sort();
    assert!(kept.len() >= 20, "only {} inputs are kept", kept.len());

    let mut random = fastrand::Rng::with_seed(1);
    for (name, input) in &kept {
        let checked = |bytes: &[u8]| {
            let _shown = ShownOnFailure(name, bytes);
            check(bytes);
        };
        checked(input);
        for end in (0..input.len()).filter(|_| amount.beginnings) {
            checked(&input[..end]);
        }
        for _ in 0..amount.changed {
            let other = &kept[random.usize(..kept.len())].1;
            checked(&changed(input, other, &mut random));
        }
    }

    let finds = |(_, input): &&(String, Vec<u8>)| catch_unwind(|| checks::planted(|| check(input))).is_err();
    let found = kept.iter().filter(finds).count();
    assert!(found > 0, "no input finds the fault that is planted in {target}");
    assert!(found < kept.len(), "the fault that is planted in {target} is no rare one");
}

struct ShownOnFailure<'b>(&'b str, &'b [u8]);

impl Drop for ShownOnFailure<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("made of {}: {}", self.0, self.1.escape_ascii());
        }
    }
}

/// `input` with one to four small changes; `other` lends a part.
fn changed(input: &[u8], other: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..random.u32(1..=4) {
        let at = random.usize(..=bytes.len());
        let end = (at + random.usize(..=8)).min(bytes.len());
        match random.u32(..5) {
            0 => bytes.insert(at, random.u8(..)),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.extend_from_within(at..end),
            3 if at < bytes.len() => bytes[at] ^= 1 << random.u32(..8),
            _ => {
                let from = random.usize(..=other.len());
                let to = (from + random.usize(..=32)).min(other.len());
                drop(bytes.splice(at..end, other[from..to].iter().copied()));
            }
        }
    }
    bytes
}
