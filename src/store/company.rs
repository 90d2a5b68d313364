//! How much company a row may expect in its batch. That is known when clients wait for their answers before
//! they send more: most batches are then of one size, and once as many rows are there nobody else is on the
//! way, so to wait on would be for nothing. Where rows come independently of answers, sizes differ, and no
//! wait is cut short: to cut it at the largest size would make that the largest possible, until later waits
//! were cut at less.

/// Batches that are remembered.
const REMEMBERED: usize = 16;

/// Those of them that must have been as large as the largest.
const ALIKE: usize = REMEMBERED / 2;

/// The sizes of the latest batches.
pub(super) struct Company {
    rows: [usize; REMEMBERED],
    next: usize,
    expected: usize,
}

impl Company {
    /// Nothing is known yet: any number may come.
    pub(super) const fn new() -> Self {
        Self { rows: [usize::MAX; REMEMBERED], next: 0, expected: usize::MAX }
    }

    /// A batch had so many rows.
    pub(super) fn note(&mut self, rows: usize) {
        self.rows[self.next] = rows;
        self.next = (self.next + 1) % REMEMBERED;
        let largest = self.rows.iter().copied().max().unwrap_or(usize::MAX);
        let alike = self.rows.iter().filter(|rows| **rows == largest).count();
        self.expected = if alike >= ALIKE { largest } else { usize::MAX };
    }

    /// Rows of a batch that is worth no more waiting.
    pub(super) const fn expected(&self) -> usize {
        self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_expected_as_most_of_the_latest_batches_had() {
        let mut company = Company::new();
        for _ in 1..REMEMBERED {
            company.note(3);
            assert_eq!(company.expected(), usize::MAX, "one of those before is not known");
        }
        company.note(3);
        assert_eq!(company.expected(), 3);
        company.note(10);
        assert_eq!(company.expected(), usize::MAX, "the largest is the only one of its size");
        for _ in 1..REMEMBERED {
            company.note(2);
            assert_eq!(company.expected(), usize::MAX);
        }
        company.note(2);
        assert_eq!(company.expected(), 2);
    }

    /// Of rows that come by themselves, 2.8 a batch as in the contest, hardly a wait is cut short.
    #[test]
    fn sizes_that_differ_promise_nothing() {
        let (mut random, mut company, mut cut) = (fastrand::Rng::with_seed(1), Company::new(), 0);
        for _ in 0..10_000 {
            // The first one, and who comes in 8 ms of 1,800 microseconds' steps, each with an even chance.
            let came = 1 + (0..8).filter(|_| random.f64() < 0.225).count();
            cut += u32::from(came > company.expected());
            company.note(came.min(company.expected()));
        }
        assert!(cut < 100, "{cut} of 10,000 waits were cut short");
    }
}
