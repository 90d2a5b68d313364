//! How much company a row may expect in its batch. That is known when clients wait for their answers before
//! they send more: once as many rows are there as any batch has had lately, nobody else is on the way, and to
//! wait on would be for nothing. Where rows come independently of answers, the largest of many batches is
//! rarely met again, so hardly any wait is cut short.

/// Batches that are remembered. With fewer, a wait that was cut short would too often lower what is expected
/// of the next one.
const REMEMBERED: usize = 16;

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
        self.expected = self.rows.iter().copied().max().unwrap_or(usize::MAX);
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
    fn as_many_are_expected_as_the_largest_of_the_latest_batches_had() {
        let mut company = Company::new();
        for _ in 1..REMEMBERED {
            company.note(3);
            assert_eq!(company.expected(), usize::MAX, "some of those before are not known");
        }
        company.note(10);
        assert_eq!(company.expected(), 10);
        for _ in 1..REMEMBERED {
            company.note(1);
            assert_eq!(company.expected(), 10);
        }
        company.note(1);
        assert_eq!(company.expected(), 1);
    }
}
