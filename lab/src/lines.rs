//! A file with a header and one value a line: payloads and search terms. All of it is in memory, at about 200 bytes a payload.

use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The lines below the header. Past the last one they begin again, as a generator takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    text: String,
    /// Where each line ends in `text`; it begins where the one before ends.
    ends: Vec<usize>,
}

impl Lines {
    /// Reads the file at `path`, whose first line must be `header`.
    ///
    /// # Errors
    /// The file cannot be read, is no UTF-8, has another header, or no line below it.
    pub fn read(path: &Path, header: &str) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        let first = text.lines().next().unwrap_or_default();
        ensure!(
            first == header,
            "{}: the first line must be the header `{header}`, and it is `{}`",
            path.display(),
            first.chars().take(80).collect::<String>().escape_debug()
        );
        let lines: Self = text.lines().skip(1).collect();
        ensure!(lines.count() > 0, "{}: no line below the header", path.display());
        Ok(lines)
    }

    /// How many there are before they begin again.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Where the line of this number (from 0) is among the [`Lines::count`].
    ///
    /// # Panics
    /// There are no lines.
    #[must_use]
    pub fn place(&self, number: u64) -> usize {
        assert!(!self.ends.is_empty(), "no lines to take from");
        // Below the count, which is a usize.
        usize::try_from(number % self.ends.len() as u64).unwrap_or_default()
    }

    /// The line of this number, from 0.
    ///
    /// # Panics
    /// There are no lines.
    #[must_use]
    pub fn text(&self, number: u64) -> &str {
        let place = self.place(number);
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[place]]
    }

    /// Its bytes.
    ///
    /// # Panics
    /// There are no lines.
    #[must_use]
    pub fn get(&self, number: u64) -> &[u8] {
        self.text(number).as_bytes()
    }
}

impl<'l> FromIterator<&'l str> for Lines {
    fn from_iter<I: IntoIterator<Item = &'l str>>(lines: I) -> Self {
        let mut all = Self::default();
        for line in lines {
            all.text.push_str(line);
            all.ends.push(all.text.len());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Lines> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Lines::read(file.path(), "payload")
    }

    #[test]
    fn lines_are_those_below_the_header_and_begin_again() {
        for text in ["payload\none\n\nthree\n", "payload\r\none\r\n\r\nthree\r\n", "payload\none\n\nthree"] {
            let lines = read(text).unwrap();
            assert_eq!(lines.count(), 3, "{text:?}");
            let taken: Vec<&[u8]> = (0..5).map(|number| lines.get(number)).collect();
            assert_eq!(taken, [&b"one"[..], b"", b"three", b"one", b""], "{text:?}");
            assert_eq!(lines.get(3_000_000_000_001), b"", "{text:?}");
        }
    }

    #[test]
    fn a_file_without_the_header_or_without_lines_is_refused() {
        for (text, said) in [
            ("", "header `payload`"),
            ("term\none\n", "it is `term`"),
            ("payload\n", "no line"),
            ("payload", "no line"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(said), "{text:?}: {error}");
        }
        assert!(Lines::read(Path::new("/nowhere/at/all"), "payload").is_err());
    }
}
