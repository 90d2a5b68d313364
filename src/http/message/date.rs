//! The text of the `Date` field, written a few times a second by one and copied by all.
//!
//! An answer then pays a few relaxed loads in place of a system call and a calendar computation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;

/// Length of an IMF-fixdate (RFC 9110 section 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
const DATE_BYTES: usize = 29;
const DATE_WORDS: usize = DATE_BYTES.div_ceil(8);

pub(crate) struct Date {
    /// Odd while the text is being written; readers retry.
    sequence: AtomicU64,
    /// Of the writer.
    writing: Mutex<()>,
    words: [AtomicU64; DATE_WORDS],
}

impl Date {
    pub(crate) fn now() -> Self {
        let date = Self {
            sequence: AtomicU64::new(0),
            writing: Mutex::new(()),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        date.refresh();
        date
    }

    /// Brings the text up to now.
    pub(crate) fn refresh(&self) {
        let _alone = self.writing.lock();
        let text = httpdate::fmt_http_date(SystemTime::now());
        let mut bytes = [b' '; DATE_WORDS * 8];
        bytes[..DATE_BYTES].copy_from_slice(&text.as_bytes()[..DATE_BYTES]);
        self.sequence.fetch_add(1, Ordering::AcqRel);
        for (word, chunk) in self.words.iter().zip(bytes.chunks_exact(8)) {
            let mut octets = [0; 8];
            octets.copy_from_slice(chunk);
            word.store(u64::from_ne_bytes(octets), Ordering::Release);
        }
        self.sequence.fetch_add(1, Ordering::AcqRel);
    }

    /// Appends `date: …` with its line end.
    ///
    /// Race window: a refresh may fall between two words; the sequence then differs before and after, and the
    /// copy is made again.
    pub(crate) fn write_field(&self, out: &mut Vec<u8>) {
        let mut bytes = [0; DATE_WORDS * 8];
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            for (word, chunk) in self.words.iter().zip(bytes.chunks_exact_mut(8)) {
                chunk.copy_from_slice(&word.load(Ordering::Acquire).to_ne_bytes());
            }
            if before.is_multiple_of(2) && self.sequence.load(Ordering::Acquire) == before {
                break;
            }
            std::hint::spin_loop();
        }
        let mut line = *b"date: ---, -- --- ---- --:--:-- ---\r\n";
        line[6..6 + DATE_BYTES].copy_from_slice(&bytes[..DATE_BYTES]);
        out.extend_from_slice(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::Date;

    #[test]
    fn the_date_is_an_imf_fixdate() {
        let mut out = Vec::new();
        Date::now().write_field(&mut out);
        let text = String::from_utf8(out).unwrap();
        let date = text.strip_prefix("date: ").unwrap().strip_suffix("\r\n").unwrap();
        assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
    }
}
