//! Records of a JTL in JMeter's CSV, whole or while it grows: fields between commas, a field with a comma, a
//! quote or a line break in quotes, and a quote in it twice.

use anyhow::{Result, bail, ensure};

/// A sample as long as this is none of JMeter's.
pub(super) const MAX_RECORD_BYTES: usize = 1 << 20;

/// Many more than JMeter has columns.
const MAX_FIELDS: usize = 100;

/// Takes bytes in pieces of any length, and gives records.
#[derive(Debug)]
pub(super) struct Records {
    fields: Vec<String>,
    field: Vec<u8>,
    within: Within,
    /// Of the record that has begun.
    bytes: usize,
    /// From 1.
    line: u64,
    /// The one on which the record that has begun does so.
    begun: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// Before the first byte of a field.
    Nothing,
    Plain,
    Quoted,
    /// Behind a quote in a quoted field: the first of two, or the closing one.
    Closed,
}

impl Records {
    pub(super) fn new() -> Self {
        Self { fields: Vec::new(), field: Vec::new(), within: Within::Nothing, bytes: 0, line: 1, begun: 1 }
    }

    /// Gives `take` each record whose end has come, with the number of the line on which it begins.
    ///
    /// # Errors
    /// What has come is no such CSV, or `take` failed.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(&[String], u64) -> Result<()>,
    ) -> Result<()> {
        for &byte in bytes {
            self.bytes += 1;
            ensure!(
                self.bytes <= MAX_RECORD_BYTES,
                "a broken JTL: line {}: a sample of more than {MAX_RECORD_BYTES} bytes",
                self.begun
            );
            match (self.within, byte) {
                (Within::Quoted, b'"') => self.within = Within::Closed,
                (Within::Quoted, _) => {
                    self.line += u64::from(byte == b'\n');
                    self.field.push(byte);
                }
                (Within::Closed, b'"') => {
                    self.within = Within::Quoted;
                    self.field.push(byte);
                }
                (Within::Nothing, b'"') => self.within = Within::Quoted,
                (_, b',') => self.end_field()?,
                (_, b'\n') => {
                    self.end_field()?;
                    take(&self.fields, self.begun)?;
                    self.line += 1;
                    (self.bytes, self.begun) = (0, self.line);
                    self.fields.clear();
                }
                (Within::Closed, b'\r') => {}
                (Within::Closed, _) => bail!("a broken JTL: line {}: text after a closing quote", self.line),
                (_, b'"') => bail!("a broken JTL: line {}: a quote in the middle of a field", self.line),
                _ => {
                    self.within = Within::Plain;
                    self.field.push(byte);
                }
            }
        }
        Ok(())
    }

    /// # Errors
    /// The last record has no end.
    pub(super) fn end(&self) -> Result<()> {
        ensure!(self.bytes == 0, "a cut JTL: it ends in the middle of line {}", self.begun);
        Ok(())
    }

    fn end_field(&mut self) -> Result<()> {
        ensure!(self.fields.len() < MAX_FIELDS, "a broken JTL: line {}: too many fields", self.line);
        if self.within == Within::Plain && self.field.last() == Some(&b'\r') {
            self.field.pop();
        }
        self.fields.push(String::from_utf8_lossy(&self.field).into_owned());
        self.field.clear();
        self.within = Within::Nothing;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, piece: usize) -> Result<Vec<(u64, Vec<String>)>> {
        let mut records = Records::new();
        let mut all = Vec::new();
        for bytes in text.as_bytes().chunks(piece) {
            records.push(bytes, &mut |fields, line| {
                all.push((line, fields.to_vec()));
                Ok(())
            })?;
        }
        records.end().map(|()| all)
    }

    #[test]
    fn quotes_and_line_breaks_stay_in_their_field_however_the_bytes_come() {
        let text = "a,b,c\n1,\"x, \"\"y\"\"\nz\",\n\"\",é,3\r\n";
        for piece in 1..=text.len() {
            let all = read(text, piece).unwrap();
            let lines: Vec<u64> = all.iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [1, 2, 4], "in pieces of {piece}");
            assert_eq!(all[1].1, ["1", "x, \"y\"\nz", ""]);
            assert_eq!(all[2].1, ["", "é", "3"]);
        }
    }

    #[test]
    fn what_is_cut_or_broken_is_refused_with_its_line() {
        for (text, said) in [
            ("a\nb,c", "a cut JTL: it ends in the middle of line 2"),
            ("a\n\"b\nc,d\n", "a cut JTL: it ends in the middle of line 2"),
            ("a\nb\"c\n", "a broken JTL: line 2: a quote in the middle of a field"),
            ("a\n\"b\"c\n", "a broken JTL: line 2: text after a closing quote"),
        ] {
            assert_eq!(read(text, 3).unwrap_err().to_string(), said, "{text:?}");
        }
        let endless = "x".repeat(MAX_RECORD_BYTES + 1);
        assert!(read(&endless, 4_096).unwrap_err().to_string().contains("more than 1048576 bytes"));
        let wide = ",".repeat(MAX_FIELDS + 1);
        assert!(read(&wide, 4_096).unwrap_err().to_string().contains("too many fields"));
    }
}
