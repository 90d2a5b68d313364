//! Reads a file that a setting names: the whole of it, up to a bound. A leaf.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What is in a file, and whose it is.
///
/// # Errors
/// It cannot be read, is not a file, or is longer.
pub fn read(path: &Path, bytes: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    // A pipe is one that a shell makes of a secret.
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut text = Vec::new();
    file.take(bytes.saturating_add(1)).read_to_end(&mut text)?;
    match text.len() as u64 > bytes {
        true => Err(io::Error::other(format!("it has more than {bytes} bytes"))),
        false => Ok((text, metadata)),
    }
}

/// Whether a file has no more permissions than these.
///
/// # Errors
/// In words.
pub fn check_private(file: &Metadata, allowed: u32) -> Result<(), String> {
    match file.is_file() && file.mode() & 0o777 & !allowed != 0 {
        true => Err(format!("others may read it: its permissions have to be {allowed:o} or less")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap().0, b"12345");
        assert!(read(&path, 4).unwrap_err().to_string().contains("4 bytes"));
        assert!(read(folder.path(), 4).is_err() && read(&folder.path().join("none"), 4).is_err());
    }
}
