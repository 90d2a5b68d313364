//! Another replica that sends its rows here.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use socket2::Socket;
use uuid::Uuid;

use super::card::{CARD_BYTES, Card, PROOF_BYTES, Side};
use super::{Hub, Receive, Refusal, frame};
use crate::limits;

const GREETING: Duration = Duration::from_millis(limits::PUSH_GREETING_MS);
const STALL: Duration = Duration::from_millis(limits::PUSH_STALL_MS);
const SILENCE: Duration = Duration::from_millis(limits::PUSH_SILENCE_MS);

/// So often in a row one is read that always has more, before the others have their turn.
const READS: usize = 4;

/// Why a connection is over.
pub(super) enum Over {
    /// The other side has closed it, or the network has.
    Closed,
    Refused(Refusal),
}

impl From<Refusal> for Over {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

pub(super) struct Inbound {
    pub(super) socket: Socket,
    /// What has come and is not whole.
    bytes: Vec<u8>,
    state: State,
    /// When something came last.
    heard: Instant,
    /// Since when `bytes` waits for its rest.
    partial: Option<Instant>,
}

enum State {
    /// Our own card was sent.
    Greeting(Box<Card>, Instant),
    /// Another replica sends.
    Open(Uuid),
}

/// What a turn has brought.
#[derive(Default)]
pub(super) struct TurnOutcome {
    /// The replica that has just greeted, and its address.
    pub(super) greeted: Option<(Uuid, String)>,
}

impl Inbound {
    /// Greets a replica that has connected.
    pub(super) fn greet(socket: Socket, hub: &Hub, now: Instant) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let card = Card::new(hub.channel, hub.instance, &hub.address).map_err(io::Error::other)?;
        write_all(&socket, card.bytes())?;
        Ok(Self {
            socket,
            bytes: Vec::new(),
            state: State::Greeting(Box::new(card), now),
            heard: now,
            partial: None,
        })
    }

    /// The sending replica; `None` during the greeting.
    pub(super) fn instance(&self) -> Option<Uuid> {
        match self.state {
            State::Greeting(..) => None,
            State::Open(instance) => Some(instance),
        }
    }

    /// When it is over unless something comes.
    pub(super) fn deadline(&self) -> Instant {
        match self.state {
            State::Greeting(_, since) => since + GREETING,
            State::Open(_) => {
                let silent = self.heard + SILENCE;
                self.partial.map_or(silent, |since| silent.min(since + STALL))
            }
        }
    }

    /// Takes what has come.
    pub(super) fn turn(
        &mut self,
        hub: &Hub,
        secret: &[u8],
        receiver: &mut dyn Receive,
        scratch: &mut [u8],
        now: Instant,
    ) -> Result<TurnOutcome, Over> {
        let mut turn = TurnOutcome::default();
        for _ in 0..READS {
            let read = match (&self.socket).read(scratch) {
                Ok(0) => return Err(Over::Closed),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(Over::Closed),
            };
            self.heard = now;
            self.bytes.extend_from_slice(&scratch[..read]);
            if let State::Greeting(own, _) = &self.state {
                if self.bytes.len() < CARD_BYTES + PROOF_BYTES {
                    continue;
                }
                let (greeting, rest) = self.bytes.split_at(CARD_BYTES + PROOF_BYTES);
                let (card, proof) = greeting.split_at(CARD_BYTES);
                let card = Card::read(card, own)?;
                let is_itself = card.instance() == hub.instance;
                if is_itself || !card.is_proven(own, Side::Connecting, secret, proof) {
                    return Err(Refusal::Stranger.into());
                }
                write_all(&self.socket, &own.prove(&card, Side::Accepting, secret))
                    .map_err(|_| Over::Closed)?;
                turn.greeted = Some((card.instance(), card.address().unwrap_or_default().to_owned()));
                self.bytes = rest.to_vec();
                self.state = State::Open(card.instance());
            }
            self.take_frames(hub, receiver, now)?;
            if read < scratch.len() {
                break;
            }
        }
        Ok(turn)
    }

    fn take_frames(&mut self, hub: &Hub, receiver: &mut dyn Receive, now: Instant) -> Result<(), Over> {
        let mut taken = 0;
        while let Some((body, length)) = frame::first(&self.bytes[taken..]).map_err(|_| Refusal::Rubbish)? {
            if !body.is_empty() {
                take_rows(body, hub, receiver)?;
            }
            taken += length;
        }
        self.bytes.drain(..taken);
        self.partial = match self.bytes.is_empty() {
            true => None,
            false if taken > 0 => Some(now),
            false => self.partial.or(Some(now)),
        };
        // A large frame is rare.
        self.bytes.shrink_to(limits::BUFFER_BYTES);
        Ok(())
    }
}

fn take_rows(body: &[u8], hub: &Hub, receiver: &mut dyn Receive) -> Result<(), Refusal> {
    let (origin, rows) = frame::read(body).ok_or(Refusal::Rubbish)?;
    // In this order: what begins now is not of a history that is over by then.
    receiver.begin();
    let is_ours = hub.connector.origin().is_some_and(|(_, present)| present == origin);
    let mut count = 0;
    for row in rows {
        let row = row.map_err(|_| Refusal::Rubbish)?;
        if is_ours {
            receiver.row(row).map_err(|_| Refusal::Rubbish)?;
        }
        count += 1;
    }
    let counter = if is_ours { &hub.counts.received } else { &hub.counts.foreign };
    counter.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
    Ok(())
}

/// For what is short and the first that is sent: a socket that has no room for it has no reader.
fn write_all(mut socket: &Socket, bytes: &[u8]) -> io::Result<()> {
    match socket.write(bytes)? {
        written if written == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}
