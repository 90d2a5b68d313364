//! The way out of a connection: slices of the output, what the output holds of the account, and the turns of
//! other connections between the slices.
//!
//! An output that has grown is in the account of all outputs ([`BufferPool`]) from the end of its answer on,
//! before anything waits. It leaves the account as it leaves the process: where the client is slow, what is
//! still to be sent moves into a smaller piece of memory whenever half of it has gone, so that each byte
//! moves once on average.
//!
//! [`BufferPool`]: crate::http::message::buffer::BufferPool

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::Wire;
use super::pace::{Missed, Pace};
use crate::http::message::status::Status;
use crate::http::message::writer::{Broken, Sink};
use crate::http::route::metrics::{Limit, Timeout};
use crate::limits;

/// Bytes given to the kernel with one call: it copies them before it returns.
const SLICE_BYTES: usize = 64 * 1024;

/// Bytes whose copying is a unit of work: a turn ends after 512 KiB of them, some 100 µs.
const BYTES_OF_WORK: usize = 4 * 1024;

/// Looks at a client that takes nothing, within one write timeout. A full socket tells of room when a third
/// of it is free, and takes a few bytes before: those that a client's kernel took at the beginning would
/// count as its progress at the very end, and double the timeout.
const LOOKS_PER_WRITE_TIMEOUT: u64 = 4;

/// The part of the account that is left to answers of requests that may have changed something.
const SPARED_PART: usize = 8;

/// The most by which the least rate rises while the account is full; the grace is so many times shorter.
const MOST_HASTE: u64 = 8;

impl Wire<'_> {
    /// Writes all of `bytes`, as [`Wire::write_out`] does.
    pub(super) fn write_all(&self, bytes: &[u8]) -> Result<(), Broken> {
        let sent = self.write_some(bytes)?;
        if sent == bytes.len() {
            return Ok(());
        }
        self.write_rest(&mut bytes.to_vec(), sent, &mut self.answer_pace(u64::MAX))
    }

    /// Writes the output, which is empty then and no larger than at first. Where the client is slow it waits,
    /// up to the write timeout without any progress, and for as long as the least rate is kept.
    pub(crate) fn write_out(&self, output: &mut Vec<u8>) -> Result<(), Broken> {
        // The usual answer leaves with one call, and its bytes are no work that is counted. What stands
        // against that is met again by the calls that follow.
        let small = output.len() < BYTES_OF_WORK;
        let sent = if small { send(&self.socket, output, SendFlags::NOSIGNAL).unwrap_or(0) } else { 0 };
        if sent < output.len() {
            self.write_from(output, sent)?;
        }
        output.clear();
        self.let_go(output);
        Ok(())
    }

    #[inline(never)] // no part of the usual answer's stack
    fn write_from(&self, output: &mut Vec<u8>, sent: usize) -> Result<(), Broken> {
        let sent = sent + self.write_some(&output[sent..])?;
        if sent < output.len() {
            self.write_rest(output, sent, &mut self.answer_pace(u64::MAX))?;
        }
        Ok(())
    }

    fn answer_pace(&self, ends_ms: u64) -> Pace {
        let limits = &self.shared.limits;
        Pace::new(limits.min_bytes_per_s, limits.rate_grace_ms, limits.write_timeout_ms, ends_ms)
    }

    #[inline(never)] // no part of the usual answer's stack
    fn write_rest(&self, output: &mut Vec<u8>, mut sent: usize, pace: &mut Pace) -> Result<(), Broken> {
        pace.moved(sent);
        let mut deadline_ms = None;
        while sent < output.len() {
            sent = self.shed(output, sent);
            self.wait_for_room(&mut deadline_ms, pace)?;
            let count = self.write_some(&output[sent..])?;
            if count > 0 {
                sent += count;
                pace.moved(count);
                deadline_ms = None;
            }
        }
        Ok(())
    }

    /// Waits for the client, without any progress up to the deadline, which the first wait sets. A part of
    /// that later may the last progress be seen.
    fn wait_for_room(&self, deadline_ms: &mut Option<u64>, pace: &mut Pace) -> Result<(), Broken> {
        let limit_ms = self.shared.limits.write_timeout_ms;
        let now_ms = self.shared.clock.now_ms();
        let deadline = *deadline_ms.get_or_insert(now_ms.saturating_add(limit_ms));
        let missed = pace.missed(now_ms);
        if now_ms < deadline && missed.is_none() {
            let look_ms = now_ms + (limit_ms / LOOKS_PER_WRITE_TIMEOUT).max(1);
            let haste = self.haste();
            self.wait(deadline.min(look_ms).min(pace.until_ms(now_ms, haste)));
            pace.waited((self.shared.clock.now_ms() - now_ms).saturating_mul(haste));
            return Ok(());
        }
        match missed.filter(|_| now_ms < deadline) {
            Some(missed) => self.cut(missed),
            None => self.shared.metrics.timed_out(Timeout::Write),
        }
        // What the kernel still has for the client would stay there until the client takes it.
        self.reset_on_close();
        Err(Broken::Late)
    }

    /// How many times the least rate is asked of a client that holds a part of the account: the less of it is
    /// left to the others, the more. Otherwise a client that reads slowly on purpose could keep it for as
    /// long as it likes.
    fn haste(&self) -> u64 {
        if self.held.get() == self.shared.limits.buffer_bytes {
            return 1;
        }
        let account = &self.shared.buffers.outputs;
        let left = account.limit().saturating_sub(account.taken()).max(1);
        (account.limit() as u64 / left as u64).clamp(1, MOST_HASTE)
    }

    fn cut(&self, missed: Missed) {
        self.shared.metrics.hit(match missed {
            Missed::Rate => Limit::AnswerRate,
            Missed::End => Limit::AnswerTime,
        });
    }

    /// Writes what the socket takes now. If that is not all of `bytes`, its next room will be told.
    fn write_some(&self, bytes: &[u8]) -> Result<usize, Broken> {
        let mut sent = 0;
        while sent < bytes.len() {
            let slice = &bytes[sent..bytes.len().min(sent + SLICE_BYTES)];
            match send(&self.socket, slice, SendFlags::NOSIGNAL) {
                Ok(0) => return Err(Broken::Gone),
                Ok(count) => {
                    sent += count;
                    self.moved(count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.expect_room()?;
                    break;
                }
                Err(_) => return Err(Broken::Gone),
            }
        }
        Ok(sent)
    }

    /// So many bytes have gone; after many of them the other connections have their turn.
    fn moved(&self, count: usize) {
        self.note_work(u32::try_from(count / BYTES_OF_WORK).unwrap_or(limits::WORK_IN_A_ROW));
        self.be_fair();
    }

    /// Gives back the memory of what has been sent, if that is worth it, and says how much of the output is
    /// sent after that.
    fn shed(&self, output: &mut Vec<u8>, sent: usize) -> usize {
        let least = self.shared.limits.buffer_bytes;
        if output.capacity() <= least || sent < output.len() - sent {
            return sent;
        }
        output.drain(..sent);
        output.shrink_to(least);
        self.hold_no_more_than(output.capacity());
        0
    }

    /// The output has left, or never will: it becomes as large as it was at first.
    #[inline]
    pub(crate) fn let_go(&self, output: &mut Vec<u8>) {
        let least = self.shared.limits.buffer_bytes;
        if output.capacity() > least {
            output.clear();
            output.shrink_to(least);
            self.hold_no_more_than(least);
        }
    }

    fn hold_no_more_than(&self, bytes: usize) {
        let bytes = bytes.max(self.shared.limits.buffer_bytes);
        if let Some(less) = self.held.get().checked_sub(bytes) {
            self.held.set(bytes);
            self.shared.buffers.outputs.give(less);
        }
    }

    /// The capacity of the output that is accounted for: its first size, and what was taken from the account.
    pub(crate) fn held(&self) -> usize {
        self.held.get()
    }
}

impl Sink for Wire<'_> {
    fn begin(&self, output: &mut Vec<u8>, has_length: bool) -> Result<(), Broken> {
        self.write_out(output)?;
        let most_ms = if has_length { u64::MAX } else { self.shared.limits.stream_timeout_ms };
        let ends_ms = self.shared.clock.now_ms().saturating_add(most_ms);
        self.stream_pace.set(Some(self.answer_pace(ends_ms)));
        Ok(())
    }

    fn send(&self, output: &mut Vec<u8>) -> Result<(), Broken> {
        self.answering.set(true);
        self.note_work(limits::READ_WORK);
        let mut pace = self.stream_pace.get().unwrap_or_else(|| self.answer_pace(u64::MAX));
        // Also where the client keeps up: it is the answer that does not end.
        if pace.missed(self.shared.clock.now_ms()) == Some(Missed::End) {
            self.cut(Missed::End);
            return Err(Broken::Late);
        }
        let sent = self.write_some(output)?;
        self.write_rest(output, sent, &mut pace)?;
        self.stream_pace.set(Some(pace));
        output.clear();
        self.let_go(output);
        Ok(())
    }

    fn hold(&self, output: &mut Vec<u8>, answer_bytes: usize, spares: bool) -> Result<usize, Status> {
        let (held, least) = (self.held.get(), self.shared.limits.buffer_bytes);
        let account = &self.shared.buffers.outputs;
        let spared = if spares { account.limit() / SPARED_PART } else { 0 };
        let take = |output: &Vec<u8>| {
            let more = output.capacity().saturating_sub(held);
            let taken = account.take(more, spared);
            self.held.set(if taken { held + more } else { held });
            taken
        };
        // The body of an answer to HEAD was made and dropped.
        if output.len() <= held {
            output.shrink_to(held);
        }
        if take(output) {
            return Ok(self.held.get());
        }
        output.shrink_to(held);
        // What stands before a small answer has made the output grow, and leaves at once.
        if take(output) || answer_bytes <= least {
            return Ok(self.held.get());
        }
        self.shared.metrics.hit(Limit::AnswerBytes);
        if answer_bytes > account.limit() {
            log::error!("an answer of {answer_bytes} bytes is more than all answers may hold");
            return Err(Status::InternalServerError);
        }
        Err(if spares { Status::ServiceUnavailable } else { Status::InternalServerError })
    }
}
