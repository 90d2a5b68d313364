//! What the store's errors are to a client. The form of all error bodies is [`Rejection`]'s.

use crate::http::{RETRY_AFTER_S, Rejection, Status};
use crate::store::{NotDone, Unavailable};

/// 503, and when to come back; 500 where it may have been done, so that nobody is told to try again.
impl From<Unavailable> for Rejection {
    fn from(reason: Unavailable) -> Self {
        let (status, retry_after_s) = match reason {
            Unavailable::Unknown => (Status::InternalServerError, None),
            _ => (Status::ServiceUnavailable, Some(RETRY_AFTER_S)),
        };
        Self { status, error: reason.to_string().into(), field: None, retry_after_s }
    }
}

/// A transaction that was not committed: the handler's own reason; 409 where a row is there already, 422
/// where Postgres does not take the data (classes 22 and 23 of the SQLSTATEs); otherwise as the store's other
/// errors.
impl<E: Into<Rejection>> From<NotDone<E>> for Rejection {
    fn from(reason: NotDone<E>) -> Self {
        match reason {
            NotDone::Because(reason) => reason.into(),
            NotDone::Refused(refusal) if is_conflict(&refusal.code) => {
                Self::new(Status::Conflict, "it is there already")
            }
            NotDone::Refused(_) => Self::new(Status::UnprocessableContent, "it cannot be stored"),
            NotDone::Unavailable(reason) => reason.into(),
        }
    }
}

/// `unique_violation` and `exclusion_violation`.
fn is_conflict(code: &str) -> bool {
    matches!(code, "23505" | "23P01")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Refusal;

    #[test]
    fn what_postgres_refuses_is_the_callers_fault() {
        let refused = |code: &str| {
            let refusal = Refusal { code: code.to_owned(), constraint: None };
            Rejection::from(NotDone::<Rejection>::Refused(refusal)).status
        };
        assert_eq!(["23505", "23P01"].map(refused), [Status::Conflict; 2]);
        assert_eq!(["23514", "23503", "22003"].map(refused), [Status::UnprocessableContent; 3]);
        let own = Rejection::new(Status::Forbidden, "no");
        assert_eq!(Rejection::from(NotDone::Because(own.clone())), own);
        let away: Rejection = NotDone::<Rejection>::Unavailable(Unavailable::Deadline).into();
        assert_eq!((away.status, away.retry_after_s), (Status::ServiceUnavailable, Some(RETRY_AFTER_S)));
    }
}
