//! How long an answer or a body may wait for its client: a least rate, and for what has no length an end.

/// The time that a transfer may still spend in waits for its client.
///
/// It begins with a grace. A wait takes from it, and each byte gives some back, as much as it takes at the
/// least rate: so N bytes are waited for no longer than the grace and N / rate. What is given back is
/// bounded: a client that was fast at first cannot be slow for that much longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Bytes a second, which are thousandths of a byte in a millisecond; 0 is not a rate.
    rate: i64,
    /// In thousandths of a byte. Less than none where a wait has lasted longer than it should: its end is
    /// seen some time later, and what has come meanwhile must not make good for that.
    left: i64,
    most: i64,
    ends_ms: u64,
}

/// What a client has missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    Rate,
    End,
}

impl Pace {
    /// A pace of `rate` bytes a second, until `ends_ms`. What it gives back is enough for a pause of
    /// `pause_ms`, which has a timeout of its own.
    pub(crate) fn new(rate: u64, grace_ms: u64, pause_ms: u64, ends_ms: u64) -> Self {
        let bytes = |ms: u64| signed(ms.saturating_mul(rate));
        let rate = signed(rate);
        Self { rate, left: bytes(grace_ms), most: bytes(grace_ms.saturating_add(pause_ms)), ends_ms }
    }

    pub(crate) fn moved(&mut self, bytes: usize) {
        let thousandths = signed((bytes as u64).saturating_mul(1_000));
        self.left = self.left.saturating_add(thousandths).min(self.most);
    }

    pub(crate) fn waited(&mut self, ms: u64) {
        self.left = self.left.saturating_sub(signed(ms).saturating_mul(self.rate));
    }

    /// When a wait must end that begins now and takes `haste` times as much.
    pub(crate) fn until_ms(&self, now_ms: u64, haste: u64) -> u64 {
        let left_ms = match self.rate {
            0 => u64::MAX,
            rate => u64::try_from(self.left / rate).unwrap_or(0),
        };
        now_ms.saturating_add(left_ms / haste.max(1)).min(self.ends_ms)
    }

    /// What was missed, if anything.
    pub(crate) fn missed(&self, now_ms: u64) -> Option<Missed> {
        if now_ms >= self.ends_ms {
            return Some(Missed::End);
        }
        (self.until_ms(now_ms, 1) <= now_ms).then_some(Missed::Rate)
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Missed, Pace};

    /// How long a client that moves `bytes` every `pause_ms` is waited for.
    fn waited_for(mut pace: Pace, bytes: usize, pause_ms: u64) -> Option<u64> {
        (0..1_000_000 / pause_ms).map(|step| step * pause_ms).find(|now_ms| {
            if pace.missed(*now_ms).is_some() {
                return true;
            }
            pace.waited(pause_ms);
            pace.moved(bytes);
            false
        })
    }

    #[test]
    fn who_keeps_the_rate_is_waited_for_and_who_does_not_has_the_grace() {
        let pace = Pace::new(1_000, 10_000, 5_000, u64::MAX);
        assert_eq!(waited_for(pace, 1_000, 1_000), None);
        assert_eq!(waited_for(pace, 1, 1), None, "no byte is lost to rounding");
        assert_eq!(waited_for(pace, 0, 1_000), Some(10_000));
        assert_eq!(waited_for(pace, 500, 1_000), Some(20_000));
        assert_eq!(waited_for(Pace::new(0, 0, 0, u64::MAX), 0, 1_000), None, "no rate");
    }

    #[test]
    fn who_was_fast_has_no_more_than_the_grace_and_a_pause() {
        let mut pace = Pace::new(1_000, 10_000, 5_000, u64::MAX);
        pace.moved(1 << 40);
        assert_eq!(waited_for(pace, 0, 1_000), Some(15_000));
    }

    /// A wait that ends late has cost what it has lasted.
    #[test]
    fn a_late_end_of_a_wait_is_not_forgiven() {
        let mut pace = Pace::new(1_000, 100, 0, u64::MAX);
        pace.waited(250);
        pace.moved(100);
        assert_eq!(pace.missed(250), Some(Missed::Rate));
        pace.moved(100);
        assert_eq!(pace.missed(250), None);
    }

    #[test]
    fn an_end_is_an_end() {
        let pace = Pace::new(1_000, 10_000, 5_000, 7_000);
        assert_eq!((pace.until_ms(1_000, 1), pace.missed(6_999)), (7_000, None));
        assert_eq!(pace.missed(7_000), Some(Missed::End));
        assert_eq!(waited_for(pace, 1 << 20, 1_000), Some(7_000));
    }
}
