//! A file with a header and one value a line: payloads and search terms. All of it is in memory, at about 200
//! bytes a payload.
//!
//! Lines end with LF or CRLF, the last one perhaps with neither, and a byte order mark may come first, as
//! editors and spreadsheets write them. Everything else belongs to its line. `k6-load.js`, `Lines.scala` and
//! `oracle.py` read alike: all four are held against `stress-test/tests/line_files.json`.

use std::path::Path;

use anyhow::{Context, Result, ensure};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// The lines below the header. Past the last one they begin again, as a generator takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Where each line ends in `bytes`; it begins where the one before ends.
    ends: Vec<usize>,
}

impl Lines {
    /// Reads the file at `path`, whose first line must be `header`.
    ///
    /// # Errors
    /// The file cannot be read, has another header, or no line below it.
    pub fn read(path: &Path, header: &str) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
        let mut lines = text.split(|byte| *byte == b'\n').map(without_return);
        let first = lines.next().unwrap_or_default();
        ensure!(
            first == header.as_bytes(),
            "{}: the first line must be the header `{header}`, and it is `{}`",
            path.display(),
            first[..first.len().min(80)].escape_ascii()
        );
        // The end of the last line begins no further one.
        let body = text.strip_suffix(b"\n").unwrap_or(text);
        let lines: Self = body.split(|byte| *byte == b'\n').skip(1).map(without_return).collect();
        ensure!(lines.count() > 0, "{}: no line below the header", path.display());
        Ok(lines)
    }

    /// How many there are before they begin again.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Tells files apart: FNV-1a of 64 bits over the lines and their ends.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = FNV_OFFSET;
        let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        let mut start = 0;
        for end in &self.ends {
            self.bytes[start..*end].iter().copied().for_each(&mut add);
            add(b'\n');
            start = *end;
        }
        hash
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
    pub fn get(&self, number: u64) -> &[u8] {
        let place = self.place(number);
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[place]]
    }
}

impl<'l> FromIterator<&'l [u8]> for Lines {
    fn from_iter<I: IntoIterator<Item = &'l [u8]>>(lines: I) -> Self {
        let mut all = Self::default();
        for line in lines {
            all.bytes.extend_from_slice(line);
            all.ends.push(all.bytes.len());
        }
        all
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Lines> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Lines::read(file.path(), "payload")
    }

    #[derive(serde::Deserialize)]
    struct Form {
        form: String,
        file: String,
        /// Absent: it is refused.
        lines: Option<Vec<String>>,
    }

    #[test]
    fn a_file_of_any_form_is_read_as_by_the_other_generators() {
        let forms = include_str!("../../stress-test/tests/line_files.json");
        for Form { form, file, lines } in serde_json::from_str::<Vec<Form>>(forms).unwrap() {
            let got = read(&file);
            let got = got.ok().map(|got| (0..got.count() as u64).map(|at| got.get(at).to_vec()).collect());
            let expected: Option<Vec<Vec<u8>>> =
                lines.map(|lines| lines.into_iter().map(String::into_bytes).collect());
            assert_eq!(got, expected, "{form}");
        }
    }

    #[test]
    fn past_the_last_line_they_begin_again() {
        let lines = read("payload\none\n\nthree\n").unwrap();
        let taken: Vec<&[u8]> = (0..5).map(|number| lines.get(number)).collect();
        assert_eq!(taken, [&b"one"[..], b"", b"three", b"one", b""]);
        assert_eq!(lines.get(3_000_000_000_001), b"");
    }

    #[test]
    fn other_lines_have_another_fingerprint() {
        let fingerprint = |text: &str| read(text).unwrap().fingerprint();
        assert_eq!(fingerprint("payload\na\n"), fingerprint("\u{feff}payload\r\na\r\n"));
        // FNV-1a of "a\n".
        assert_eq!(fingerprint("payload\na"), 0x089b_dc07_b544_e7b2);
        let all =
            ["a\nb", "b\na", "ab", "a\n\nb", "a"].map(|text| fingerprint(&format!("payload\n{text}\n")));
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
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
