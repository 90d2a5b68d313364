//! Another replica that this one sends its rows to.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::{SockAddr, Socket, Type};
use uuid::Uuid;

use super::card::{CARD_BYTES, Card, PROOF_BYTES, Side};
use super::frame::{BEAT, Frame};
use super::inbound::Over;
use super::{Hub, Refusal};
use crate::http::Address;
use crate::limits;

const GREETING: Duration = Duration::from_millis(limits::PUSH_GREETING_MS);
const STALL: Duration = Duration::from_millis(limits::PUSH_STALL_MS);
const BEAT_EVERY: Duration = Duration::from_millis(limits::PUSH_BEAT_MS);
const FIRST_RETRY: Duration = Duration::from_millis(limits::PUSH_FIRST_RETRY_MS);
const LAST_RETRY: Duration = Duration::from_millis(limits::PUSH_LAST_RETRY_MS);

pub(super) struct Outbound {
    pub(super) instance: Uuid,
    pub(super) address: String,
    /// When the table, or the other one itself, has told of it last.
    pub(super) told: Instant,
    state: State,
    retry: Duration,
    /// Whether it was logged that it cannot be reached.
    said: bool,
}

enum State {
    Resting {
        until: Instant,
    },
    Connecting {
        socket: Socket,
        since: Instant,
    },
    /// Its card is awaited, then, once ours is shown, its proof.
    Greeting {
        socket: Socket,
        since: Instant,
        bytes: Vec<u8>,
        cards: Option<Box<(Card, Card)>>,
    },
    Open(Open),
}

struct Open {
    socket: Socket,
    queue: VecDeque<(Arc<Frame>, usize)>,
    bytes: usize,
    /// When it has taken something last, or nothing was to be taken.
    progress: Instant,
    /// When something was sent to it last.
    sent: Instant,
}

impl Outbound {
    /// To be connected to at once.
    pub(super) fn new(instance: Uuid, address: String, now: Instant) -> Self {
        let state = State::Resting { until: now };
        Self { instance, address, told: now, state, retry: FIRST_RETRY, said: false }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// What is watched, and whether for room to write.
    pub(super) fn watched(&self) -> Option<(&Socket, bool)> {
        match &self.state {
            State::Resting { .. } => None,
            State::Connecting { socket, .. } => Some((socket, true)),
            State::Greeting { socket, .. } => Some((socket, false)),
            State::Open(open) => Some((&open.socket, !open.queue.is_empty())),
        }
    }

    /// When something is to be done, whatever the socket says.
    pub(super) fn deadline(&self) -> Instant {
        match &self.state {
            State::Resting { until } => *until,
            State::Connecting { since, .. } | State::Greeting { since, .. } => *since + GREETING,
            State::Open(open) if open.queue.is_empty() => open.sent + BEAT_EVERY,
            State::Open(open) => open.progress + STALL,
        }
    }

    /// Does what is due, or what the socket is ready for.
    pub(super) fn turn(&mut self, hub: &Hub, secret: &[u8], is_ready: bool, now: Instant) {
        let is_due = now >= self.deadline();
        let over = match &mut self.state {
            State::Resting { .. } if is_due => self.connect(now).map_err(|_| Over::Closed),
            State::Resting { .. } => Ok(()),
            State::Connecting { .. } | State::Greeting { .. } if is_due => Err(Refusal::Standstill.into()),
            State::Connecting { .. } if is_ready => self.connected(now),
            State::Greeting { .. } if is_ready => self.greet(hub, secret, now),
            State::Connecting { .. } | State::Greeting { .. } => Ok(()),
            State::Open(open) => open.turn(hub, is_ready, is_due, now),
        };
        if let Err(over) = over {
            self.rest(hub, &over, now);
        }
    }

    /// What it takes now; what it does not take waits, within bounds.
    pub(super) fn send(&mut self, hub: &Hub, frame: &Arc<Frame>, now: Instant) {
        let State::Open(open) = &mut self.state else { return };
        if open.bytes + frame.bytes.len() > hub.queue_bytes {
            hub.counts.dropped.fetch_add(frame.rows, Ordering::Relaxed);
            return;
        }
        if open.queue.is_empty() {
            open.progress = now;
        }
        open.bytes += frame.bytes.len();
        open.queue.push_back((frame.clone(), 0));
        if let Err(over) = open.flush(hub, now) {
            self.rest(hub, &over, now);
        }
    }

    /// Later again. What waited here the other one's feed brings.
    fn rest(&mut self, hub: &Hub, over: &Over, now: Instant) {
        if let State::Open(open) = &self.state {
            let lost = open.queue.iter().map(|(frame, _)| frame.rows).sum();
            hub.counts.dropped.fetch_add(lost, Ordering::Relaxed);
            self.retry = FIRST_RETRY;
        }
        if let Over::Refused(refusal) = over {
            hub.counts.refuse(*refusal);
        }
        if !std::mem::replace(&mut self.said, true) {
            let why = match over {
                Over::Closed => "it cannot be reached",
                Over::Refused(refusal) => refusal.name(),
            };
            log::warn!(
                "no rows go to the replica at {}: {why}; it is tried again, and reads them from Postgres",
                self.address
            );
        }
        self.state = State::Resting { until: now + self.retry };
        self.retry = (self.retry * 2).min(LAST_RETRY);
    }

    fn connect(&mut self, now: Instant) -> io::Result<()> {
        let address = match self.address.parse::<Address>() {
            Ok(Address::Unix(path)) => SockAddr::unix(path)?,
            // No name: nobody is asked for it.
            Ok(Address::Tcp(text)) => match text.parse::<SocketAddr>() {
                Ok(address) => address.into(),
                Err(error) => return Err(io::Error::other(error)),
            },
            Err(error) => return Err(io::Error::other(error)),
        };
        let socket = Socket::new(address.domain(), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        if !address.is_unix() {
            socket.set_tcp_nodelay(true)?;
        }
        match socket.connect(&address) {
            Ok(()) => self.state = greeting(socket, now),
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {
                self.state = State::Connecting { socket, since: now };
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn connected(&mut self, now: Instant) -> Result<(), Over> {
        let State::Connecting { socket, .. } = &self.state else { return Ok(()) };
        if !matches!(socket.take_error(), Ok(None)) {
            return Err(Over::Closed);
        }
        if let State::Connecting { socket, .. } =
            std::mem::replace(&mut self.state, State::Resting { until: now })
        {
            self.state = greeting(socket, now);
        }
        Ok(())
    }

    fn greet(&mut self, hub: &Hub, secret: &[u8], now: Instant) -> Result<(), Over> {
        let instance = self.instance;
        let State::Greeting { socket, bytes, cards, .. } = &mut self.state else { return Ok(()) };
        let wanted = if cards.is_none() { CARD_BYTES } else { PROOF_BYTES };
        let mut place = [0; CARD_BYTES];
        match (&*socket).read(&mut place[..wanted - bytes.len()]) {
            Ok(0) => return Err(Over::Closed),
            Ok(read) => bytes.extend_from_slice(&place[..read]),
            Err(error) if is_later(&error) => return Ok(()),
            Err(_) => return Err(Over::Closed),
        }
        if bytes.len() < wanted {
            return Ok(());
        }
        let Some(both) = cards else {
            let own = Card::new(hub.channel, hub.instance, &hub.address).map_err(|_| Over::Closed)?;
            let other = Card::read(bytes, &own)?;
            // An address may be another one's by now.
            if other.instance() != instance {
                return Err(Refusal::Stranger.into());
            }
            let shown = [own.bytes(), &own.prove(&other, Side::Connecting, secret)].concat();
            match (&*socket).write(&shown) {
                Ok(written) if written == shown.len() => {}
                _ => return Err(Over::Closed),
            }
            bytes.clear();
            *cards = Some(Box::new((own, other)));
            return Ok(());
        };
        let (own, other) = &**both;
        if !other.is_proven(own, Side::Accepting, secret, bytes) {
            return Err(Refusal::Stranger.into());
        }
        if let State::Greeting { socket, .. } =
            std::mem::replace(&mut self.state, State::Resting { until: now })
        {
            let (queue, bytes) = (VecDeque::new(), 0);
            self.state = State::Open(Open { socket, queue, bytes, progress: now, sent: now });
            self.retry = FIRST_RETRY;
            self.said = false;
        }
        Ok(())
    }
}

fn greeting(socket: Socket, since: Instant) -> State {
    State::Greeting { socket, since, bytes: Vec::new(), cards: None }
}

impl Open {
    fn turn(&mut self, hub: &Hub, is_ready: bool, is_due: bool, now: Instant) -> Result<(), Over> {
        if is_ready {
            // It has nothing to say: this is its end.
            match (&self.socket).read(&mut [0; 1]) {
                Err(error) if is_later(&error) => {}
                Ok(1) => return Err(Refusal::Rubbish.into()),
                _ => return Err(Over::Closed),
            }
            self.flush(hub, now)?;
        }
        match (is_due, self.queue.is_empty()) {
            (true, true) => {
                let beat = Frame { bytes: BEAT.to_vec(), rows: 0 };
                self.bytes += beat.bytes.len();
                self.progress = now;
                self.queue.push_back((Arc::new(beat), 0));
                self.flush(hub, now)
            }
            (true, false) if now >= self.progress + STALL => Err(Refusal::Standstill.into()),
            _ => Ok(()),
        }
    }

    fn flush(&mut self, hub: &Hub, now: Instant) -> Result<(), Over> {
        while let Some((frame, sent)) = self.queue.front_mut() {
            match (&self.socket).write(&frame.bytes[*sent..]) {
                Ok(0) => return Err(Over::Closed),
                Ok(written) => {
                    *sent += written;
                    (self.progress, self.sent) = (now, now);
                    if *sent < frame.bytes.len() {
                        continue;
                    }
                }
                Err(error) if is_later(&error) => return Ok(()),
                Err(_) => return Err(Over::Closed),
            }
            self.bytes -= frame.bytes.len();
            hub.counts.sent.fetch_add(frame.rows, Ordering::Relaxed);
            self.queue.pop_front();
        }
        Ok(())
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
