//! The lines of a payload file or of a file of search terms.

use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Lines of text in one piece of memory, taken in order, again from the first after the last.
#[derive(Debug, Default)]
pub struct Lines {
    text: String,
    /// Where each line begins and ends.
    places: Vec<(usize, usize)>,
}

impl Lines {
    /// Reads `file`, whose first line must be `header`. Lines stay as they stand, blanks included.
    ///
    /// # Errors
    /// The file cannot be read, is no UTF-8, has another first line, or no line after it.
    pub fn read(file: &Path, header: &str) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        let mut lines = Self::new(text);
        ensure!(
            lines.places.len() > 1 && lines.get(0) == header,
            "{}: the first line must be '{header}' and at least one line must follow",
            file.display()
        );
        lines.places.remove(0);
        Ok(lines)
    }

    /// All lines of `text`.
    #[must_use]
    pub fn new(text: String) -> Self {
        let start = text.as_ptr().addr();
        let place = |line: &str| {
            let from = line.as_ptr().addr() - start;
            (from, from + line.len())
        };
        let places = text.lines().map(place).collect();
        Self { text, places }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The line at `index`, counted from 0; empty where there is none.
    #[must_use]
    pub fn get(&self, index: usize) -> &str {
        self.places.get(index).map_or("", |&(from, to)| &self.text[from..to])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_blanks_and_takes_the_header_away() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "t\n a \n\nç é\n").unwrap();
        let lines = Lines::read(file.path(), "t").unwrap();
        let all: Vec<&str> = (0..lines.len()).map(|index| lines.get(index)).collect();
        assert_eq!(all, [" a ", "", "ç é"]);
        assert_eq!(lines.get(3), "");
    }

    #[test]
    fn another_header_is_refused_and_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "payload\n{}\n").unwrap();
        let error = Lines::read(file.path(), "t").unwrap_err().to_string();
        assert!(error.contains("the first line must be 't'"), "{error}");
        std::fs::write(file.path(), "t\n").unwrap();
        assert!(Lines::read(file.path(), "t").is_err());
    }
}
