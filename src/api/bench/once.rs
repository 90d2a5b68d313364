//! Transactions whose rows bear no id of their caller's, so that nobody can ask what became of one whose
//! answer was lost. It is not tried again, which could do it twice: the caller is told that it is not known.

use crate::store::{NotDone, Pool, Transaction, Unavailable, Undo};

/// Runs `work` as [`Pool::transact`] does.
///
/// # Errors
/// As there; and a 500 where the connection was lost with COMMIT on its way.
pub(super) fn transact_once<T: Send + 'static, E: Send + 'static>(
    pool: &Pool,
    work: impl Fn(&mut Transaction<'_>) -> Result<T, Undo<E>> + Send + 'static,
) -> Result<T, NotDone<E>> {
    let known = pool.transact(|_| Ok(Some(None)), move |transaction| work(transaction).map(Some))?;
    known.ok_or(NotDone::Unavailable(Unavailable::Unknown))
}
