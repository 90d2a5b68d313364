//! When users arrive: the intended starts of one scenario, one after the other, from its phases alone.
//!
//! The k-th user of a phase comes when the rate, summed up since the phase's beginning, reaches k; so a phase
//! whose rate goes evenly from `from` to `to` has `(from + to) / 2 × seconds × scale` users, rounded down,
//! the first of them at once. A randomized phase has as many, at moments drawn from the seed. What may not
//! enter: what the server does.

use std::time::Duration;

use crate::contest::{Phase, Scenario};

/// Nanoseconds of a number of seconds; below 0 and not finite count as 0.
pub(super) fn nanos(seconds: f64) -> u64 {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Seconds of a number of nanoseconds.
pub(super) fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

/// The users of a phase at a scale. What a product of rates falls short of a whole number by is an error of
/// rounding.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // rates are ≥ 0, and the cast saturates
fn users_in(phase: &Phase, scale: f64) -> u64 {
    (f64::midpoint(phase.from, phase.to) * phase.seconds * scale + 1e-6).floor() as u64
}

/// When `users` users of the phase have come, in seconds from its beginning.
///
/// Solves `from·t + (to − from) / (2·seconds)·t² = users` in the form that needs no case for equal rates.
fn moment(phase: &Phase, scale: f64, users: f64) -> f64 {
    if users <= 0.0 {
        return 0.0;
    }
    let from = phase.from * scale;
    let slope = (phase.to - phase.from) * scale / phase.seconds;
    let root = (from * from + 2.0 * slope * users).max(0.0).sqrt();
    (2.0 * users / (from + root)).min(phase.seconds)
}

/// Users that should come between two moments, in seconds from the load's beginning: the rates' integral.
pub(super) fn asked(phases: &[Phase], scale: f64, from: f64, to: f64) -> f64 {
    let mut begin = 0.0;
    let mut sum = 0.0;
    for phase in phases {
        let (low, high) = ((from - begin).max(0.0), (to - begin).min(phase.seconds));
        if low < high {
            let rate = |at: f64| phase.from + (phase.to - phase.from) * at / phase.seconds;
            sum += f64::midpoint(rate(low), rate(high)) * (high - low) * scale;
        }
        begin += phase.seconds;
    }
    sum
}

/// When each client comes and when it goes, the last first: all are there all the time, or the part of them
/// that the phases say.
fn clients(scenario: &Scenario) -> Vec<(u64, u64)> {
    let all = scenario.clients.unwrap_or(0);
    let end = scenario.phases.iter().map(|phase| phase.seconds).sum();
    let always = scenario.phases.iter().all(|phase| phase.from + phase.to == 0.0);
    let stay = |number: u32| match always {
        true => Some((0.0, end)),
        false => stay(&scenario.phases, (f64::from(number) + 0.5) / f64::from(all)),
    };
    let mut clients: Vec<(u64, u64)> =
        (0..all).filter_map(stay).map(|(from, until)| (nanos(from), nanos(until))).collect();
    clients.sort_unstable_by(|a, b| b.cmp(a));
    clients
}

/// From when until when the part of clients that is there is at least `level`.
fn stay(phases: &[Phase], level: f64) -> Option<(f64, f64)> {
    let (mut begin, mut stay) = (0.0, None);
    for phase in phases {
        let crossing = begin + phase.seconds * (level - phase.from) / (phase.to - phase.from);
        let end = begin + phase.seconds;
        let there = match (phase.from >= level, phase.to >= level) {
            (true, true) => Some((begin, end)),
            (true, false) => Some((begin, crossing)),
            (false, true) => Some((crossing, end)),
            (false, false) => None,
        };
        if let Some((from, until)) = there {
            stay = Some((stay.map_or(from, |(first, _)| first), until));
        }
        begin = end;
    }
    stay
}

/// The intended starts of a scenario, in nanoseconds from the load's beginning.
pub(super) struct Arrivals<'a> {
    phases: std::slice::Iter<'a, Phase>,
    scale: f64,
    random: fastrand::Rng,
    /// The phase that is under way, its beginning, its users, how many of them have come.
    phase: Option<&'a Phase>,
    begin: f64,
    users: u64,
    come: u64,
    /// Of a randomized phase, the last first.
    drawn: Vec<f64>,
    next: Option<u64>,
    /// Until when whoever comes next begins again; 0 where users come and go.
    until: u64,
    /// Who have still to come, the last first, and until when each stays.
    clients: Vec<(u64, u64)>,
}

impl<'a> Arrivals<'a> {
    pub(super) fn new(scenario: &'a Scenario, scale: f64, seed: u64) -> Self {
        let mut arrivals = Self {
            phases: if scenario.clients.is_some() { [].iter() } else { scenario.phases.iter() },
            scale,
            random: fastrand::Rng::with_seed(seed),
            phase: None,
            begin: 0.0,
            users: 0,
            come: 0,
            drawn: Vec::new(),
            next: None,
            until: 0,
            clients: clients(scenario),
        };
        arrivals.advance();
        arrivals
    }

    /// When the next user should come.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    /// Until when the next user begins again, if it is a client.
    pub(super) fn until(&self) -> u64 {
        self.until
    }

    /// The next user has come.
    pub(super) fn advance(&mut self) {
        if let Some((at, until)) = self.clients.pop() {
            (self.next, self.until) = (Some(at), until);
            return;
        }
        while self.come == self.users {
            self.begin += self.phase.map_or(0.0, |phase| phase.seconds);
            self.phase = self.phases.next();
            let Some(phase) = self.phase else {
                self.next = None;
                return;
            };
            self.users = users_in(phase, self.scale);
            self.come = 0;
            self.draw(phase);
        }
        let Some(phase) = self.phase else { return };
        let at = if phase.randomized {
            self.drawn.pop().unwrap_or_default()
        } else {
            moment(phase, self.scale, float(self.come))
        };
        self.come += 1;
        self.next = Some(nanos(self.begin + at));
    }

    fn draw(&mut self, phase: &Phase) {
        self.drawn.clear();
        if phase.randomized {
            let all = float(self.users);
            for _ in 0..self.users {
                self.drawn.push(moment(phase, self.scale, self.random.f64() * all));
            }
            self.drawn.sort_by(|a, b| b.total_cmp(a));
        }
    }
}

/// A count as a number; exact up to 2^53.
#[allow(clippy::cast_precision_loss)] // no count of a load comes near 2^53
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(from: f64, to: f64, seconds: f64, randomized: bool) -> Phase {
        Phase { from, to, seconds, randomized }
    }

    fn scenario(phases: &[Phase], clients: Option<u32>) -> Scenario {
        Scenario { name: String::new(), phases: phases.to_vec(), clients, requests: Vec::new() }
    }

    fn all(phases: &[Phase], scale: f64, seed: u64) -> Vec<f64> {
        let scenario = scenario(phases, None);
        let mut arrivals = Arrivals::new(&scenario, scale, seed);
        let mut times = Vec::new();
        while let Some(at) = arrivals.next() {
            times.push(seconds(at));
            arrivals.advance();
        }
        times
    }

    #[test]
    fn the_contest_has_as_many_users_as_its_rates_say() {
        let phases =
            [phase(2.0, 2.0, 10.0, false), phase(5.0, 5.0, 15.0, true), phase(6.0, 600.0, 180.0, false)];
        assert_eq!(all(&phases, 1.0, 1).len(), 20 + 75 + 54_540);
        assert_eq!(all(&phases, 10.0, 1).len(), 10 * (20 + 75 + 54_540));
        assert_eq!(all(&phases, 0.01, 1).len(), 545);
    }

    #[test]
    fn constant_rates_are_even_and_ramps_follow_their_integral() {
        assert_eq!(all(&[phase(4.0, 4.0, 1.0, false)], 1.0, 1), [0.0, 0.25, 0.5, 0.75]);
        let times = all(&[phase(0.0, 200.0, 10.0, false)], 1.0, 1);
        assert_eq!(times.len(), 1000);
        let before = |end: f64| times.iter().filter(|&&at| at < end).count();
        assert_eq!((before(5.0), before(8.0)), (250, 640));
        let falling = all(&[phase(200.0, 0.0, 10.0, false)], 1.0, 1);
        assert_eq!(falling.iter().filter(|&&at| at < 5.0).count(), 750);
        assert!(falling.is_sorted() && falling.iter().all(|&at| at <= 10.0));
    }

    #[test]
    fn random_phases_come_from_the_seed_and_stay_within_their_time() {
        let phases = [phase(1.0, 1.0, 2.0, false), phase(50.0, 50.0, 4.0, true)];
        let times = all(&phases, 1.0, 7);
        assert_eq!(times, all(&phases, 1.0, 7));
        assert_ne!(times, all(&phases, 1.0, 8));
        assert_eq!(times.len(), 202);
        assert!(times.is_sorted());
        assert!(times[2..].iter().all(|at| (2.0..=6.0).contains(at)));
        let gaps: Vec<f64> = times[2..].windows(2).map(|two| two[1] - two[0]).collect();
        assert!(gaps.iter().any(|gap| (gap - gaps[0]).abs() > 1e-6), "evenly spread");
    }

    #[test]
    fn clients_are_all_there_at_once() {
        let scenario = scenario(&[phase(0.0, 0.0, 5.0, false)], Some(3));
        let mut arrivals = Arrivals::new(&scenario, 1.0, 1);
        for _ in 0..3 {
            assert_eq!(arrivals.next(), Some(0));
            arrivals.advance();
        }
        assert_eq!(arrivals.next(), None);
    }

    #[test]
    fn clients_come_and_go_as_their_part_says() {
        let phases = [(0.0, 0.0, 3.0), (0.0, 1.0, 2.0), (1.0, 1.0, 3.0), (1.0, 0.0, 2.0), (0.0, 0.0, 3.0)];
        let phases = phases.map(|(from, to, seconds)| phase(from, to, seconds, false));
        let scenario = scenario(&phases, Some(2));
        let mut arrivals = Arrivals::new(&scenario, 1.0, 1);
        let mut stays = Vec::new();
        while let Some(at) = arrivals.next() {
            stays.push((seconds(at), seconds(arrivals.until())));
            arrivals.advance();
        }
        // Who comes first goes last.
        assert_eq!(stays, [(3.5, 9.5), (4.5, 8.5)]);
    }

    #[test]
    fn what_is_asked_of_a_second_is_the_integral_of_the_rates() {
        let phases = [phase(2.0, 2.0, 1.5, false), phase(0.0, 10.0, 10.0, false)];
        let close = |left: f64, right: f64| assert!((left - right).abs() < 1e-9, "{left} {right}");
        close(asked(&phases, 1.0, 0.0, 1.0), 2.0);
        close(asked(&phases, 2.0, 1.0, 2.0), 2.0 * (1.0 + 0.125));
        close(asked(&phases, 1.0, 0.0, 100.0), 53.0);
    }
}
