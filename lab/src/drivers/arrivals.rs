//! When users should arrive: a contest's phases times a scale, and in another length where one is asked for.
//!
//! The rule for another length is that of the Gatling simulation, so that all tools send the same: the
//! contest is cut wherever a phase of any scenario begins or ends; each piece but the last becomes its share
//! in whole seconds, rounded, and at least one; the last takes what remains. Rates stay.

use anyhow::{Result, ensure};

use crate::contest::{Contest, Phase};

/// Multiples of a contest's rates that tools are asked for.
pub const SCALES: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

/// Boundaries of phases that are nearer than this are one.
const SAME_MOMENT_SECONDS: f64 = 1e-6;

/// The arrivals of all scenarios.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// In the contest's order.
    pub scenarios: Vec<ScenarioArrivals>,
}

/// The arrivals of one scenario.
#[derive(Clone, Debug)]
pub struct ScenarioArrivals {
    /// The scenario's.
    pub name: String,
    /// With the rates and lengths that must be.
    pub phases: Vec<Phase>,
}

impl Arrivals {
    /// The contest's arrivals times `scale`, in `seconds` if given.
    ///
    /// # Errors
    /// `scale` is not in [`SCALES`], or `seconds` are fewer than the contest has different stretches.
    pub fn new(contest: &Contest, scale: f64, seconds: Option<u32>) -> Result<Self> {
        ensure!(
            SCALES.contains(&scale),
            "scale {scale}: from {} to {} is allowed",
            SCALES.start(),
            SCALES.end()
        );
        let pieces = pieces(contest, seconds)?;
        let scenarios = contest.load.scenarios.iter().map(|scenario| {
            let mut begin = 0.0;
            let phases = scenario.phases.iter().map(|phase| {
                let end = begin + phase.seconds;
                let seconds =
                    pieces.iter().filter(|piece| piece.within(begin, end)).map(|piece| piece.seconds).sum();
                begin = end;
                Phase {
                    from: phase.from * scale,
                    to: phase.to * scale,
                    seconds,
                    randomized: phase.randomized,
                }
            });
            ScenarioArrivals { name: scenario.name.clone(), phases: phases.collect() }
        });
        Ok(Self { scenarios: scenarios.collect() })
    }

    /// Users that should start in the first `seconds`.
    #[must_use]
    pub fn users_until(&self, seconds: f64) -> f64 {
        self.scenarios.iter().map(|scenario| scenario.users_until(seconds)).sum()
    }

    /// Users that should start in this second, counted from 0.
    #[must_use]
    pub fn users_in(&self, second: u32) -> f64 {
        self.users_until(f64::from(second) + 1.0) - self.users_until(f64::from(second))
    }

    /// All users.
    #[must_use]
    pub fn users(&self) -> u64 {
        self.scenarios.iter().map(ScenarioArrivals::users).sum()
    }

    /// How long users arrive.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.scenarios.iter().map(ScenarioArrivals::seconds).fold(0.0, f64::max)
    }
}

impl ScenarioArrivals {
    /// All its users.
    #[must_use]
    pub fn users(&self) -> u64 {
        whole(self.users_until(self.seconds()))
    }

    /// How long its users arrive.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.phases.iter().map(|phase| phase.seconds).sum()
    }

    /// Its highest rate, in users a second.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.phases.iter().map(|phase| phase.from.max(phase.to)).fold(0.0, f64::max)
    }

    /// Whether somebody comes at the very beginning, as tools place the users of a phase: evenly, from its
    /// first moment on.
    #[must_use]
    pub fn begins_with_a_user(&self) -> bool {
        self.phases.first().is_some_and(|phase| whole(self.users_until(phase.seconds)) > 0)
    }

    fn users_until(&self, seconds: f64) -> f64 {
        let mut users = 0.0;
        let mut left = seconds.max(0.0);
        for phase in &self.phases {
            let length = left.min(phase.seconds);
            let rate_then = phase.from + (phase.to - phase.from) * length / phase.seconds;
            users += (phase.from + rate_then) / 2.0 * length;
            left -= length;
        }
        users
    }
}

/// A stretch of the contest in which no scenario changes its phase.
struct Piece {
    begin: f64,
    end: f64,
    /// How long it must be.
    seconds: f64,
}

impl Piece {
    fn within(&self, begin: f64, end: f64) -> bool {
        self.begin > begin - SAME_MOMENT_SECONDS && self.end < end + SAME_MOMENT_SECONDS
    }
}

fn pieces(contest: &Contest, seconds: Option<u32>) -> Result<Vec<Piece>> {
    let mut moments = vec![0.0];
    for scenario in &contest.load.scenarios {
        let mut moment = 0.0;
        for phase in &scenario.phases {
            moment += phase.seconds;
            moments.push(moment);
        }
    }
    moments.sort_by(f64::total_cmp);
    moments.dedup_by(|later, earlier| *later - *earlier < SAME_MOMENT_SECONDS);
    let mut pieces: Vec<Piece> = moments
        .windows(2)
        .map(|pair| Piece { begin: pair[0], end: pair[1], seconds: pair[1] - pair[0] })
        .collect();
    let Some(wanted) = seconds else { return Ok(pieces) };
    let Some((last, others)) = pieces.split_last_mut() else { return Ok(pieces) };
    let factor = f64::from(wanted) / last.end;
    for piece in &mut *others {
        piece.seconds = (piece.seconds * factor).round().max(1.0);
    }
    last.seconds = f64::from(wanted) - others.iter().map(|piece| piece.seconds).sum::<f64>();
    ensure!(
        last.seconds >= 1.0,
        "{wanted} seconds are too few for {}: each of its {} stretches needs one",
        contest.name,
        others.len() + 1
    );
    Ok(pieces)
}

/// Rounded to a whole number that is not negative.
pub(super) fn whole(number: f64) -> u64 {
    // `as` saturates, and no number of users here comes near the end of the range.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rounded = number.round() as u64;
    rounded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people() -> Contest {
        let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Contest::load(&top, "people").unwrap()
    }

    fn by_scenario(arrivals: &Arrivals) -> Vec<u64> {
        arrivals.scenarios.iter().map(ScenarioArrivals::users).collect()
    }

    #[test]
    fn a_full_run_has_the_contests_users() {
        let arrivals = Arrivals::new(&people(), 1.0, None).unwrap();
        assert_eq!(by_scenario(&arrivals), [54_635, 9_590, 4_190]);
        assert_eq!(arrivals.users(), 54_635 + 9_590 + 4_190);
        assert!((arrivals.seconds() - 205.0).abs() < 1e-9);
        assert!((arrivals.scenarios[0].peak() - 600.0).abs() < 1e-9);
    }

    #[test]
    fn scale_multiplies_users_and_leaves_the_length() {
        let arrivals = Arrivals::new(&people(), 2.0, None).unwrap();
        assert_eq!(by_scenario(&arrivals), [109_270, 19_180, 8_380]);
        assert!((arrivals.seconds() - 205.0).abs() < 1e-9);
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1001.0] {
            let message = Arrivals::new(&people(), scale, None).unwrap_err().to_string();
            assert!(message.contains("0.01 to 1000"), "{message}");
        }
    }

    #[test]
    fn another_length_is_the_simulations() {
        // Gatling's own log of a form of 30 s has 8,192 ± 1, 1,437 and 627 users.
        let arrivals = Arrivals::new(&people(), 1.0, Some(30)).unwrap();
        assert_eq!(by_scenario(&arrivals), [8_193, 1_437, 627]);
        let lengths = |scenario: usize| {
            arrivals.scenarios[scenario].phases.iter().map(|phase| phase.seconds).collect::<Vec<_>>()
        };
        assert_eq!(lengths(0), [1.0, 2.0, 27.0]);
        assert_eq!(lengths(1), [3.0, 27.0]);
        // Of 15 s remain 1.76, which are two and not one.
        assert_eq!(by_scenario(&Arrivals::new(&people(), 1.0, Some(24)).unwrap()), [6_375, 1_119, 489]);
        // 5 is the simulation's least; a quarter of a second becomes a whole one.
        assert_eq!(by_scenario(&Arrivals::new(&people(), 1.0, Some(5)).unwrap()), [916, 163, 73]);
        assert!(Arrivals::new(&people(), 1.0, Some(2)).unwrap_err().to_string().contains("too few"));
    }

    #[test]
    fn seconds_sum_to_the_whole() {
        let arrivals = Arrivals::new(&people(), 1.5, Some(47)).unwrap();
        let sum: f64 = (0..47).map(|second| arrivals.users_in(second)).sum();
        assert!((sum - arrivals.users_until(1000.0)).abs() < 1e-6);
        assert!((arrivals.users_in(0) - 1.5 * 6.0).abs() < 1e-9, "2 of each scenario");
        assert!(arrivals.users_in(47).abs() < 1e-9, "nobody comes after the end");
    }
}
