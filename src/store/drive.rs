//! Polls a statement and the connection that carries it until the answer is there. Nobody else polls them:
//! what waits is the caller, for the socket.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::join3;
use postgres::Error;
use postgres::error::{DbError, Severity};
use tokio_postgres::{AsyncMessage, Client, Connection};

use super::socket::Pipe;
use super::tls::Secured;

/// Sends all three before it waits for the first. What is after a statement that cannot be sent, because its
/// values do not fit, is not sent either: it would commit what was before. The error of the statement counts
/// more than that of what comes after it, which then has done nothing.
pub(super) async fn between<T>(
    client: &Client,
    before: Option<&str>,
    statement: impl Future<Output = Result<T, Error>>,
    after: Option<&str>,
) -> Result<T, Error> {
    let failed = Cell::new(false);
    let statement = async {
        let answer = statement.await;
        failed.set(answer.is_err());
        answer
    };
    let plain = async |sql: Option<&str>| match sql {
        // Polled for the first time right after the statement was.
        Some(sql) if !failed.get() => client.batch_execute(sql).await,
        _ => Ok(()),
    };
    let (before, answer, after) = join3(plain(before), statement, plain(after)).await;
    before?;
    let answer = answer?;
    after.map(|()| answer)
}

/// Whether something that is polled was woken by something else that is polled.
pub(super) struct Woken(Arc<Flag>, pub(super) Waker);

struct Flag(AtomicBool);

impl Woken {
    pub(super) fn new() -> Self {
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        Self(flag.clone(), Waker::from(flag))
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Logs what Postgres tells besides its answers; `true` if it warns.
fn note(notice: &DbError) -> bool {
    let warns = notice.parsed_severity() == Some(Severity::Warning);
    let level = if warns { log::Level::Warn } else { log::Level::Debug };
    log::log!(level, "Postgres says: {}: {}", notice.severity(), notice.message());
    warns
}

/// Runs `statement` over `connection` until its answer is whole; `wait` waits for the socket.
pub(super) fn run<T>(
    connection: &mut Connection<Pipe, Secured>,
    woken: &Woken,
    warned: &mut bool,
    statement: impl Future<Output = Result<T, Error>>,
    mut wait: impl FnMut(),
) -> Result<T, Error> {
    let mut statement = pin!(statement);
    let context = &mut Context::from_waker(&woken.1);
    loop {
        if let Poll::Ready(answer) = statement.as_mut().poll(context) {
            return answer;
        }
        // What the statement has just said to the connection is heard now; what the connection says to it, in
        // another round. Of many messages only the first one wakes: a notice behind it must not undo that.
        woken.0.0.store(false, Ordering::Relaxed);
        loop {
            match Pin::new(&mut *connection).poll_message(context) {
                Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => {
                    *warned |= note(&notice);
                    continue;
                }
                Poll::Ready(Some(Ok(_))) => continue,
                Poll::Ready(Some(Err(error))) => return Err(error),
                // In order it ends only after its client, whom the statement holds; the statement knows what
                // that means.
                Poll::Ready(None) => break,
                Poll::Pending => {}
            }
            if woken.0.0.load(Ordering::Relaxed) {
                break;
            }
            wait();
        }
    }
}
