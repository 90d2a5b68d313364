//! The thread that has all connections to other replicas.

use std::collections::{BTreeMap, HashSet};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use uuid::Uuid;

use super::inbound::{Inbound, Over, TurnOutcome};
use super::outbound::Outbound;
use super::{Hub, Receive, Refusal, Told};
use crate::http::Listener;
use crate::limits;
use crate::waiting::life;

/// What the table does not tell of any more is still tried for so long.
const FORGET: Duration = Duration::from_millis(limits::PUSH_FORGET_MS);

/// Where nothing else is due it looks so often.
const LOOK: Duration = Duration::from_millis(limits::PUSH_BEAT_MS);

/// A pause where descriptors are short: the next ones are no better at once.
const REST_SHORT: Duration = Duration::from_millis(100);

const SCRATCH_BYTES: usize = 64 * 1024;

pub(super) struct Pushing {
    hub: Arc<Hub>,
    listener: Listener,
    receiver: Box<dyn Receive>,
    told: Option<Told>,
    inbound: Vec<Inbound>,
    outbound: BTreeMap<Uuid, Outbound>,
    scratch: Vec<u8>,
    /// No connection is accepted before.
    accepts_from: Instant,
}

/// Whose descriptor is ready.
#[derive(Clone, Copy)]
enum Ready {
    Bell,
    Timer,
    Listener,
    Inbound(usize),
    Outbound(Uuid),
}

impl Pushing {
    pub(super) fn new(hub: Arc<Hub>, listener: Listener, receiver: Box<dyn Receive>) -> Self {
        Self {
            hub,
            listener,
            receiver,
            told: None,
            inbound: Vec::new(),
            outbound: BTreeMap::new(),
            scratch: vec![0; SCRATCH_BYTES],
            accepts_from: Instant::now(),
        }
    }

    /// Begins without connections, also after a panic.
    pub(super) fn push_until_ended(&mut self) {
        self.inbound.clear();
        self.outbound.clear();
        self.take_told();
        while !self.hub.ended.load(Ordering::Acquire) {
            let ready = self.wait();
            let now = Instant::now();
            self.serve(&ready, now);
            self.end_overdue(now);
            self.note();
        }
        // Who leaves says what there is to say.
        self.send_pending(Instant::now());
    }

    /// Those that are ready; none once something is due.
    fn wait(&self) -> Vec<Ready> {
        let now = Instant::now();
        let accepts = self.told.is_some() && now >= self.accepts_from;
        let mut readies = vec![Ready::Bell, Ready::Timer];
        let mut fds =
            vec![PollFd::new(&self.hub.bell, PollFlags::IN), PollFd::new(&self.hub.timer, PollFlags::IN)];
        if accepts {
            readies.push(Ready::Listener);
            fds.push(PollFd::new(&self.listener.socket, PollFlags::IN));
        }
        for (index, inbound) in self.inbound.iter().enumerate() {
            readies.push(Ready::Inbound(index));
            fds.push(PollFd::new(&inbound.socket, PollFlags::IN));
        }
        for (instance, outbound) in &self.outbound {
            let Some((socket, writes)) = outbound.watched() else { continue };
            readies.push(Ready::Outbound(*instance));
            let events = if writes { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            fds.push(PollFd::new(socket, events));
        }
        let deadlines = self.inbound.iter().map(Inbound::deadline);
        let deadlines = deadlines.chain(self.outbound.values().map(Outbound::deadline));
        let next = deadlines.fold(now + LOOK, Instant::min);
        let timeout = Timespec {
            tv_sec: next.saturating_duration_since(now).as_secs().try_into().unwrap_or(1),
            tv_nsec: next.saturating_duration_since(now).subsec_nanos().into(),
        };
        life::rest();
        let polled = poll(&mut fds, Some(&timeout));
        life::beat();
        match polled {
            Ok(0) | Err(_) => Vec::new(),
            Ok(_) => {
                let is_ready = fds.iter().map(|fd| !fd.revents().is_empty());
                readies.into_iter().zip(is_ready).filter_map(|(ready, it)| it.then_some(ready)).collect()
            }
        }
    }

    fn serve(&mut self, ready: &[Ready], now: Instant) {
        let mut over = Vec::new();
        for one in ready {
            match *one {
                Ready::Bell => {
                    drain(&self.hub.bell);
                    self.take_told();
                }
                Ready::Timer => {
                    drain(&self.hub.timer);
                    self.send_pending(now);
                }
                Ready::Listener => self.accept(now),
                Ready::Inbound(index) => over.extend(self.read(index, now)),
                Ready::Outbound(instance) => self.turn(instance, true, now),
            }
        }
        over.sort_unstable();
        over.dedup();
        // From the end: the others keep their places.
        over.into_iter().rev().for_each(|index| drop(self.inbound.swap_remove(index)));
    }

    /// Which of them are over now.
    fn read(&mut self, index: usize, now: Instant) -> Vec<usize> {
        let Some(told) = &self.told else { return vec![index] };
        let (hub, receiver) = (&self.hub, &mut *self.receiver);
        let turn = self.inbound[index].turn(hub, &told.secret, receiver, &mut self.scratch, now);
        match turn {
            Ok(TurnOutcome { greeted: None }) => Vec::new(),
            Ok(TurnOutcome { greeted: Some((instance, address)) }) => {
                self.greeted(index, instance, address, now)
            }
            Err(over) => {
                if let Over::Refused(refusal) = over {
                    self.hub.counts.refuse(refusal);
                }
                vec![index]
            }
        }
    }

    /// A replica that has come before the table listed it is known from now on. One connection of each is
    /// enough: the one before, which is given back, is dead, and this side does not know it yet.
    fn greeted(&mut self, index: usize, instance: Uuid, address: String, now: Instant) -> Vec<usize> {
        if !address.is_empty() && self.outbound.len() < limits::NEIGHBOURS {
            let known = self.outbound.entry(instance);
            known.or_insert_with(|| Outbound::new(instance, address, now)).told = now;
        }
        let same =
            |(other, inbound): &(usize, &Inbound)| *other != index && inbound.instance() == Some(instance);
        self.inbound.iter().enumerate().filter(same).map(|(other, _)| other).collect()
    }

    fn accept(&mut self, now: Instant) {
        let greeting = self.inbound.iter().filter(|inbound| inbound.instance().is_none()).count();
        for _ in greeting..limits::PUSH_GREETERS {
            match self.listener.socket.accept() {
                Ok((socket, _)) if self.inbound.len() < limits::NEIGHBOURS + limits::PUSH_GREETERS => {
                    // One that is gone already is no matter.
                    self.inbound.extend(Inbound::greet(socket, &self.hub, now).ok());
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => break,
            }
        }
        // As many greet as may, or there are no descriptors.
        self.accepts_from = now + REST_SHORT;
    }

    fn turn(&mut self, instance: Uuid, is_ready: bool, now: Instant) {
        let (Some(told), Some(outbound)) = (&self.told, self.outbound.get_mut(&instance)) else { return };
        outbound.turn(&self.hub, &told.secret, is_ready, now);
    }

    fn end_overdue(&mut self, now: Instant) {
        let (before, hub) = (self.inbound.len(), &self.hub);
        self.inbound.retain(|inbound| now < inbound.deadline());
        for _ in self.inbound.len()..before {
            hub.counts.refuse(Refusal::Standstill);
        }
        let due = self.outbound.iter().filter(|(_, outbound)| now >= outbound.deadline());
        let due: Vec<Uuid> = due.map(|(instance, _)| *instance).collect();
        due.into_iter().for_each(|instance| self.turn(instance, false, now));
    }

    fn send_pending(&mut self, now: Instant) {
        let frames = self.hub.pending.lock().take();
        for frame in frames.into_iter().map(Arc::new) {
            self.outbound.values_mut().for_each(|outbound| outbound.send(&self.hub, &frame, now));
        }
    }

    fn take_told(&mut self) {
        let Some(told) = self.hub.told.lock().clone() else { return };
        let now = Instant::now();
        for other in &told.others {
            let Some(address) = &other.address else { continue };
            match self.outbound.get_mut(&other.instance) {
                Some(known) if known.address == *address => known.told = now,
                _ => {
                    let outbound = Outbound::new(other.instance, address.clone(), now);
                    self.outbound.insert(other.instance, outbound);
                }
            }
        }
        self.outbound.retain(|_, outbound| now.saturating_duration_since(outbound.told) < FORGET);
        self.told = Some(told);
    }

    /// What others want to know.
    fn note(&self) {
        let out = self.outbound.values().filter(|outbound| outbound.is_open()).count();
        let into: HashSet<Uuid> = self.inbound.iter().filter_map(Inbound::instance).collect();
        let others = self.told.as_ref().map_or(&[][..], |told| &told.others);
        let is_whole = !others.is_empty() && others.iter().all(|other| into.contains(&other.instance));
        self.hub.is_wanted.store(out > 0, Ordering::Relaxed);
        self.hub.is_whole.store(is_whole, Ordering::Relaxed);
        self.hub.counts.out.store(out, Ordering::Relaxed);
        self.hub.counts.into.store(into.len(), Ordering::Relaxed);
    }
}

/// The count of a descriptor that has rung; how often is no matter.
fn drain(descriptor: &impl std::os::fd::AsFd) {
    let _ = rustix::io::read(descriptor, &mut [0_u8; 8]);
}
