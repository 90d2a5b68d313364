//! Records on disk: `record.json`, as a run leaves it, and `record.json.gz`, as it is kept.
//!
//! A run's record is written by [`crate::runner`] alone, and packed with `gzip -9n` by hand; but one of a
//! load with variants is taken apart for keeping ([`apart`], [`keep`]).

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::record::Record;

/// What a record is called, first the one that a run goes on writing.
pub const NAMES: [&str; 2] = ["record.json", "record.json.gz"];
/// A record may have this many bytes when it is unpacked; the largest so far has 1.6 MB.
const MAX_BYTES: u64 = 256 << 20;

/// The record that `folder` holds.
#[must_use]
pub fn record_in(folder: &Path) -> Option<PathBuf> {
    NAMES.iter().map(|name| folder.join(name)).find(|file| file.is_file())
}

/// The record at `path`, which is its file or its folder; nothing if there is none.
///
/// # Errors
/// There is one that cannot be read.
pub fn read(path: &Path) -> Result<Option<Record>> {
    let file = if path.is_file() { Some(path.to_path_buf()) } else { record_in(path) };
    let Some(file) = file else { return Ok(None) };
    let open =
        || -> Result<Record> { Ok(serde_json::from_slice(&unpacked(File::open(&file)?, MAX_BYTES)?)?) };
    open().map(Some).with_context(|| file.display().to_string())
}

/// `record`, of a load with variants, in as many records as it has of these, each as if it had been the
/// load's only form, so that two of them can be compared. The first variant of a contestant is `before`, the
/// other one `after`; of several each is `after/VARIANT`. With each stands its folder, below
/// `CONTESTANT/optimization/LOAD`.
#[must_use]
pub fn apart(record: &Record) -> Vec<(PathBuf, Record)> {
    let mut parts = Vec::new();
    let load = record.load_name.as_deref().unwrap_or(&record.contest);
    let own = |id: &str| id.split('@').next().unwrap_or_default().to_owned();
    for entry in &record.contestants {
        let Some(variant) = &entry.variant else { continue };
        let name = own(&entry.id);
        let variants: Vec<&String> = record
            .contestants
            .iter()
            .filter(|it| own(&it.id) == name)
            .filter_map(|it| it.variant.as_ref())
            .collect();
        let folder = Path::new(&name.replace(':', "-")).join("optimization").join(load);
        let folder = match (variants.first() == Some(&variant), variants.len()) {
            (true, _) => folder.join("before"),
            (false, 2) => folder.join("after"),
            (false, _) => folder.join("after").join(variant),
        };
        let mut part = record.clone();
        part.contestants.retain(|it| it.id == entry.id);
        part.attempts.retain(|it| it.contestant == entry.id);
        part.capacities.retain(|it| it.contestant == entry.id);
        part.contestants.iter_mut().for_each(|it| it.id.clone_from(&name));
        part.attempts.iter_mut().for_each(|it| it.contestant.clone_from(&name));
        part.capacities.iter_mut().for_each(|it| it.contestant.clone_from(&name));
        parts.push((folder, part));
    }
    parts
}

/// Writes `record`, packed, into `folder`, which is made. Returns the file.
///
/// # Errors
/// There is a record in it already, or it cannot be written.
pub fn keep(record: &Record, folder: &Path) -> Result<PathBuf> {
    ensure!(record_in(folder).is_none(), "{} holds a record already", folder.display());
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let file = folder.join(NAMES[1]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all((serde_json::to_string_pretty(record)? + "\n").as_bytes())?;
    fs::write(&file, packed.finish()?).with_context(|| file.display().to_string())?;
    Ok(file)
}

/// What is in `source`, unpacked where it begins as gzip's files do, whatever it is called.
fn unpacked(source: impl Read, max_bytes: u64) -> Result<Vec<u8>> {
    let mut source = BufReader::new(source);
    let packed = source.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let mut bytes = Vec::new();
    let mut take =
        |from: &mut dyn Read| -> io::Result<usize> { from.take(max_bytes + 1).read_to_end(&mut bytes) };
    if packed {
        take(&mut MultiGzDecoder::new(source))?
    } else {
        take(&mut source)?
    };
    ensure!(bytes.len() as u64 <= max_bytes, "it has more than {max_bytes} bytes");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut into = GzEncoder::new(Vec::new(), Compression::best());
        into.write_all(text).and_then(|()| into.finish()).expect("memory takes it")
    }

    #[test]
    fn packed_and_plain_are_the_same_and_both_are_bounded() {
        let text = b"{}".repeat(50);
        for source in [text.clone(), packed(&text), [packed(&text[..9]), packed(&text[9..])].concat()] {
            assert_eq!(unpacked(&source[..], 100).expect("within its bound"), text);
            let error = unpacked(&source[..], 99).expect_err("past its bound");
            assert_eq!(error.to_string(), "it has more than 99 bytes");
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let whole = packed(b"{\"schema\": 1}");
        for length in 2..whole.len() {
            assert!(unpacked(&whole[..length], 100).is_err(), "{length} bytes");
        }
    }
}
