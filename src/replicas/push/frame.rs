//! What goes from replica to replica: frames with rows in them.
//!
//! A frame is its length and its body; an empty one says that its sender is there. A body begins with the
//! history of the database that its rows are committed in. Of a row nothing is known here but its length.

use crate::limits;
use crate::store::Origin;

const LENGTH_BYTES: usize = size_of::<u32>();
const ORIGIN_BYTES: usize = size_of::<i64>() + size_of::<i32>();

/// A frame without rows.
pub(super) const BEAT: [u8; LENGTH_BYTES] = [0; LENGTH_BYTES];

/// Frames in the making: rows that wait for company.
#[derive(Default)]
pub(super) struct Pending {
    origin: Option<Origin>,
    done: Vec<Frame>,
    /// Without its length.
    open: Vec<u8>,
    open_rows: u64,
    bytes: usize,
}

/// One that is complete.
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: u64,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.done.is_empty() && self.open_rows == 0
    }

    /// Adds a row that was committed in this history. How many rows have no room: this one, or those of
    /// another history, which are not worth sending any more.
    pub(super) fn add(&mut self, origin: Origin, most_bytes: usize, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let mut dropped = 0;
        if self.origin != Some(origin) {
            dropped = self.take().iter().map(|frame| frame.rows).sum();
            self.origin = Some(origin);
        }
        if self.bytes >= most_bytes {
            return dropped + 1;
        }
        if self.open.len() >= limits::PUSH_FRAME_BYTES / 2 {
            self.finish();
        }
        if self.open.is_empty() {
            self.open.extend_from_slice(&BEAT);
            self.open.extend_from_slice(&origin.system.to_le_bytes());
            self.open.extend_from_slice(&origin.timeline.to_le_bytes());
        }
        let begin = self.open.len();
        self.open.extend_from_slice(&BEAT);
        write(&mut self.open);
        let row = self.open.len() - begin - LENGTH_BYTES;
        match u32::try_from(row) {
            Ok(length) if self.open.len() <= LENGTH_BYTES + limits::PUSH_FRAME_BYTES => {
                self.open[begin..][..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
                self.open_rows += 1;
                self.bytes += row;
            }
            _ => {
                self.open.truncate(begin);
                dropped += 1;
            }
        }
        dropped
    }

    fn finish(&mut self) {
        let (mut bytes, rows) = (std::mem::take(&mut self.open), std::mem::take(&mut self.open_rows));
        if rows > 0 {
            let length = u32::try_from(bytes.len() - LENGTH_BYTES).unwrap_or(0);
            bytes[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
            self.done.push(Frame { bytes, rows });
        }
    }

    /// All of them, complete.
    pub(super) fn take(&mut self) -> Vec<Frame> {
        self.finish();
        self.bytes = 0;
        std::mem::take(&mut self.done)
    }
}

/// The body of the first frame in `bytes`, and how long the frame is; `None` as long as it is not whole.
///
/// # Errors
/// It is longer than any may be.
pub(super) fn first(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, TooLong> {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > limits::PUSH_FRAME_BYTES {
        return Err(TooLong);
    }
    Ok(rest.get(..length).map(|body| (body, LENGTH_BYTES + length)))
}

/// No frame has so many bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// The history and the rows of a body; `None` if it is none.
pub(super) fn read(body: &[u8]) -> Option<(Origin, Rows<'_>)> {
    let (system, rest) = body.split_first_chunk()?;
    let (timeline, rows) = rest.split_first_chunk()?;
    let origin = Origin { system: i64::from_le_bytes(*system), timeline: i32::from_le_bytes(*timeline) };
    Some((origin, Rows(rows)))
}

/// Row after row; an error where one is longer than what is left.
pub(super) struct Rows<'b>(&'b [u8]);

impl<'b> Iterator for Rows<'b> {
    type Item = Result<&'b [u8], TooLong>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let taken = self.0.split_first_chunk().and_then(|(length, rest)| {
            rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
        });
        let Some((row, rest)) = taken else {
            self.0 = &[];
            return Some(Err(TooLong));
        };
        self.0 = rest;
        Some(Ok(row))
    }
}

const _: () = assert!(limits::PUSH_FRAME_BYTES > 4 * (ORIGIN_BYTES + limits::BODY_BYTES / 2));

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Origin = Origin { system: 7, timeline: 1 };

    fn rows_of(frames: &[Frame]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for frame in frames {
            let (body, length) = first(&frame.bytes).unwrap().unwrap();
            assert_eq!(length, frame.bytes.len());
            let (origin, rows) = read(body).unwrap();
            assert_eq!(origin, HERE);
            let rows: Vec<_> = rows.map(|row| row.unwrap().to_vec()).collect();
            assert_eq!(rows.len() as u64, frame.rows);
            found.extend(rows);
        }
        found
    }

    #[test]
    fn rows_come_out_as_they_went_in() {
        let mut pending = Pending::default();
        let given: Vec<Vec<u8>> =
            (0..300_u16).map(|n| vec![n.to_le_bytes()[0]; usize::from(n) * 7]).collect();
        for row in &given {
            assert_eq!(pending.add(HERE, usize::MAX, |out| out.extend_from_slice(row)), 0);
        }
        let frames = pending.take();
        assert!(frames.len() > 1 && pending.is_empty());
        assert_eq!(rows_of(&frames), given);
        assert!(pending.take().is_empty());
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let mut pending = Pending::default();
        let row = |out: &mut Vec<u8>| out.extend_from_slice(&[1; 100]);
        assert_eq!((0..5).map(|_| pending.add(HERE, 250, row)).collect::<Vec<_>>(), [0, 0, 0, 1, 1]);
        let long = |out: &mut Vec<u8>| out.resize(out.len() + limits::PUSH_FRAME_BYTES, 1);
        assert_eq!(pending.add(HERE, usize::MAX, long), 1);
        let elsewhere = Origin { timeline: 2, ..HERE };
        assert_eq!(pending.add(elsewhere, 250, row), 3, "those of the history before");
        assert_eq!(pending.take().iter().map(|frame| frame.rows).sum::<u64>(), 1);
    }

    #[test]
    fn rubbish_is_no_frame() {
        assert_eq!(first(&[]), Ok(None));
        assert_eq!(first(&[1, 0, 0]), Ok(None));
        assert_eq!(first(&[2, 0, 0, 0, 9]), Ok(None));
        assert_eq!(first(&[2, 0, 0, 0, 9, 8, 7]), Ok(Some((&[9, 8][..], 6))));
        assert_eq!(first(b"GET / HTTP/1.1\r\n"), Err(TooLong));
        assert!(read(&[0; ORIGIN_BYTES - 1]).is_none());
        let body = [[0; ORIGIN_BYTES].as_slice(), &[5, 0, 0, 0, 1]].concat();
        let (_, mut rows) = read(&body).unwrap();
        assert_eq!((rows.next(), rows.next()), (Some(Err(TooLong)), None));
    }
}
