//! Records on disk: `record.json`, as a run leaves it, and `record.json.gz`, as it is kept.
//!
//! What may not enter: writing. A run's record is written by [`crate::runner`] alone, and packed with
//! `gzip -9n` by hand.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::bufread::MultiGzDecoder;

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
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

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
