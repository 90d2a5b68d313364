//! The search for the largest scale that a contestant takes: which scale to try next, which result to doubt,
//! and when to stop. Nothing is run here.

use anyhow::Result;

use super::PLATEAU_RAMP_SECONDS;
use crate::record::Step;

/// How long a step stays at its scale, after its rise: the only part that is in its figures.
pub const PLATEAU_SECONDS: u32 = 20;
/// How long a step takes: its rise, its plateau, and the wait until the contestant is seen at rest.
pub const STEP_SECONDS: u32 = PLATEAU_RAMP_SECONDS + PLATEAU_SECONDS + 6;
/// A step that would end after this is not begun. Five steps that double, the one that fails, and three
/// between the two fit in, with a restart after each failure: broken steps end early.
pub const SEARCH_SECONDS: u32 = 300;
/// Steps of a search at most, for contestants that fail at once and in vain.
pub const MAX_STEPS: usize = 12;
/// The search ends when the smallest scale that failed is at most so many times the largest that passed.
const CLOSE_ENOUGH: f64 = 1.1;
/// Below this scale nothing is tried.
const SMALLEST_SCALE: f64 = 0.01;
/// A step that breaks within so many seconds, right after one that failed, is repeated before it is believed:
/// it may have met what the other one left. So is the first, however late it breaks: it met a contestant that
/// had answered nothing yet. And so is one in which the generator was a bottleneck: a machine that stands
/// still for a moment is no fault of the contestant's.
const DOUBTFUL_SECONDS: f64 = 2.0;

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The largest scale that was passed; `None` if none was.
    pub scale: Option<f64>,
    /// The limit may be above that scale: nothing failed, or the generator was a bottleneck in the step that
    /// decided.
    pub at_least: bool,
    /// Requests a second at that scale.
    pub requests_per_second: Option<f64>,
    /// The smallest scale that failed; `None` if none did.
    pub failed_scale: Option<f64>,
    /// In the order in which they were tried.
    pub steps: Vec<Step>,
    /// What a reader should know: the generator set the limit, the steps or the time ran out.
    pub reasons: Vec<String>,
}

/// Tries `first`, then twice as much until a step fails (or half until one passes), then between the two,
/// until they are within 10 % of each other, or [`MAX_STEPS`] were tried, or [`SEARCH_SECONDS`] are over.
/// `step` runs one and says how it went; that nothing of a failed step is left when the next begins is its
/// business. `elapsed` says how many seconds the search has taken.
///
/// # Errors
/// Those of `step`.
pub fn find_limit(
    first: f64,
    elapsed: &dyn Fn() -> f64,
    step: &mut dyn FnMut(f64) -> Result<Step>,
) -> Result<Found> {
    let mut found = Found::default();
    let mut scale = first.max(SMALLEST_SCALE);
    let mut repeated = false;
    while found.steps.len() < MAX_STEPS {
        if elapsed() + f64::from(STEP_SECONDS) > f64::from(SEARCH_SECONDS) && !found.steps.is_empty() {
            found.reasons.push(format!(
                "{SEARCH_SECONDS} s were over after {} steps: scale {scale:.2} was not tried",
                found.steps.len()
            ));
            break;
        }
        let result = step(scale)?;
        let doubtful = !repeated && found.doubts(&result);
        found.steps.push(result);
        if doubtful {
            repeated = true;
            continue;
        }
        repeated = false;
        found.take(scale);
        match next(found.scale, found.failed_scale) {
            Some(next) => scale = next,
            None => break,
        }
    }
    explain(&mut found);
    Ok(found)
}

impl Found {
    /// Whether `step`, which is newer than all others, must fail twice to be believed.
    fn doubts(&self, step: &Step) -> bool {
        let met_more_than_its_load = match self.steps.last() {
            None => true,
            Some(former) => !former.passed && step.seconds < DOUBTFUL_SECONDS,
        };
        !step.passed && (met_more_than_its_load || !step.bottleneck.is_empty())
    }

    /// The newest step, at `scale`, is believed.
    fn take(&mut self, scale: f64) {
        let Some(step) = self.steps.last() else { return };
        if step.passed {
            self.scale = Some(scale);
            self.requests_per_second = Some(step.requests_per_second);
        } else {
            self.failed_scale = Some(scale);
        }
    }

    /// The step without which the limit would have been sought higher.
    fn deciding(&self) -> Option<&Step> {
        let failed = self.failed_scale?;
        self.steps.iter().rev().find(|step| !step.passed && step.scale.total_cmp(&failed).is_eq())
    }
}

/// Between the two by ratio, not by difference, so that each step halves what is left of the doubling.
fn next(passed: Option<f64>, failed: Option<f64>) -> Option<f64> {
    match (passed, failed) {
        (Some(passed), None) => Some(passed * 2.0),
        (None, Some(failed)) => Some(failed / 2.0).filter(|&scale| scale >= SMALLEST_SCALE),
        (Some(passed), Some(failed)) => (failed / passed > CLOSE_ENOUGH).then(|| (passed * failed).sqrt()),
        (None, None) => None,
    }
}

fn explain(found: &mut Found) {
    let by_generator = found.deciding().filter(|step| !step.bottleneck.is_empty());
    let by_generator = by_generator.map(|step| (step.scale, step.bottleneck.join("; ")));
    match (found.scale, found.failed_scale) {
        (Some(passed), None) => {
            found.at_least = true;
            found.reasons.push(format!("no step failed: the limit is above scale {passed:.2}"));
        }
        (Some(passed), Some(failed)) if failed / passed > CLOSE_ENOUGH => {
            found.reasons.push(format!(
                "{} steps were not enough: the limit is below scale {failed:.2}",
                found.steps.len()
            ));
        }
        (None, _) => found.reasons.push("no step passed".into()),
        _ => {}
    }
    let Some((failed, why)) = by_generator else { return };
    found.at_least = found.scale.is_some();
    let least = found.scale.map_or(String::new(), |scale| format!(", which is at least scale {scale:.2}"));
    found
        .reasons
        .push(format!("the generator set the limit{least}: at scale {failed:.2} it was a bottleneck: {why}"));
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn step(scale: f64, passed: bool) -> Step {
        Step {
            scale,
            seconds: if passed { 20.0 } else { 4.0 },
            requests_per_second: 1000.0 * scale,
            failed: 0,
            p99_ms: None,
            cpu_seconds: 0.0,
            settled_seconds: None,
            acknowledged_before: 0,
            passed,
            errors: Vec::new(),
            bottleneck: Vec::new(),
        }
    }

    /// The search without a clock, against a server that takes `limit`.
    fn search(limit: f64) -> Found {
        find_limit(1.0, &|| 0.0, &mut |scale| Ok(step(scale, scale <= limit))).unwrap()
    }

    /// How often each scale was tried, as hundredths.
    fn tried(found: &Found) -> Vec<i32> {
        #[allow(clippy::cast_possible_truncation)] // scales of a test
        found.steps.iter().map(|step| (step.scale * 100.0).round() as i32).collect()
    }

    #[test]
    fn finds_any_limit_within_ten_percent_and_a_bounded_number_of_steps() {
        for limit in [0.05, 0.3, 0.99, 1.0, 1.5, 2.0, 3.7, 9.1, 15.9, 16.0, 31.0, 60.0, 255.0] {
            let found = search(limit);
            let scale = found.scale.unwrap();
            assert!(scale <= limit && scale * CLOSE_ENOUGH >= limit, "{scale} for {limit}");
            assert!(found.steps.len() <= MAX_STEPS);
            assert_eq!(found.requests_per_second, Some(1000.0 * scale));
            assert_eq!(found.reasons, Vec::<String>::new());
            assert!(!found.at_least);
        }
    }

    #[test]
    fn doubles_then_goes_between() {
        let tried = tried(&search(5.0));
        assert_eq!(tried[..5], [100, 200, 400, 800, 566]);
        assert!(tried.len() <= 8);
    }

    #[test]
    fn limits_up_to_thirty_are_found_in_five_minutes_with_restarts() {
        for limit in [0.3, 0.99, 1.0, 2.0, 5.0, 8.0, 9.6, 15.9, 16.0, 20.0, 31.0] {
            let now = Cell::new(0.0);
            let found = find_limit(1.0, &|| now.get(), &mut |scale| {
                let step = step(scale, scale <= limit);
                // A rise, the time until it breaks, and a restart; or all of it.
                now.set(now.get() + if step.passed { f64::from(STEP_SECONDS) } else { 4.0 + 4.0 + 15.0 });
                Ok(step)
            });
            let found = found.unwrap();
            assert_eq!(found.reasons, Vec::<String>::new(), "{limit}: {:?}", tried(&found));
            assert!(now.get() <= f64::from(SEARCH_SECONDS), "{limit}: {}", now.get());
        }
    }

    #[test]
    fn no_step_begins_that_would_end_after_the_time() {
        let now = Cell::new(0.0);
        let found = find_limit(1.0, &|| now.get(), &mut |scale| {
            now.set(now.get() + 100.0);
            Ok(step(scale, true))
        });
        let found = found.unwrap();
        assert_eq!(tried(&found), [100, 200, 400]);
        assert_eq!(found.reasons[0], "300 s were over after 3 steps: scale 8.00 was not tried");
        assert!(found.at_least && found.reasons[1].contains("above scale 4.00"), "{:?}", found.reasons);
    }

    #[test]
    fn a_step_that_breaks_at_once_after_a_failure_is_repeated_once() {
        // What takes 3 stumbles once at 2.83, right after it failed at 4.
        let mut stumbled = false;
        let stumbling = find_limit(1.0, &|| 0.0, &mut |scale| {
            let stumbles = (2.5..3.0).contains(&scale) && !std::mem::replace(&mut stumbled, true);
            let mut step = step(scale, scale <= 3.0 && !stumbles);
            step.seconds = if stumbles { 0.06 } else { step.seconds };
            Ok(step)
        });
        let stumbling = stumbling.unwrap();
        assert_eq!(tried(&stumbling)[..5], [100, 200, 400, 283, 283]);
        assert!((stumbling.scale.unwrap() - 2.83).abs() < 0.01, "{:?}", tried(&stumbling));
        // What breaks at once each time is believed the second time; the first failure needs no second.
        let breaking = find_limit(1.0, &|| 0.0, &mut |scale| {
            let mut step = step(scale, scale <= 2.0);
            step.seconds = if step.passed { 20.0 } else { 0.1 };
            Ok(step)
        });
        assert_eq!(tried(&breaking.unwrap()), [100, 200, 400, 283, 283, 238, 238, 218, 218]);
    }

    #[test]
    fn a_first_step_that_fails_is_repeated_once() {
        let mut cold = true;
        let warming = find_limit(1.0, &|| 0.0, &mut |scale| {
            Ok(step(scale, scale <= 1.5 && !std::mem::replace(&mut cold, false)))
        });
        let warming = warming.unwrap();
        assert_eq!(tried(&warming)[..4], [100, 100, 200, 141]);
        assert!((warming.scale.unwrap() - 1.41).abs() < 0.01, "{:?}", tried(&warming));
        assert_eq!(tried(&search(0.6))[..4], [100, 100, 50, 71]);
    }

    #[test]
    fn a_step_that_the_generator_was_too_slow_for_is_repeated_once() {
        let mut stalled = false;
        let search = |always: bool, stalled: &mut bool| {
            let found = find_limit(1.0, &|| 0.0, &mut |scale| {
                let stalls = (2.5..3.0).contains(&scale) && (always || !std::mem::replace(stalled, true));
                let mut step = step(scale, scale <= 3.0 && !stalls);
                if stalls {
                    step.bottleneck.push("requests started late".into());
                }
                Ok(step)
            });
            found.unwrap()
        };
        let once = search(false, &mut stalled);
        assert_eq!(tried(&once)[..5], [100, 200, 400, 283, 283]);
        assert!(!once.at_least && once.scale.is_some_and(|scale| scale > 2.8), "{:?}", tried(&once));
        let always = search(true, &mut stalled);
        assert_eq!(tried(&always), [100, 200, 400, 283, 283, 238, 259, 259]);
        assert!(always.at_least, "{:?}", always.reasons);
    }

    #[test]
    fn says_what_it_did_not_find() {
        let endless = search(1e9);
        assert_eq!((endless.steps.len(), endless.scale), (MAX_STEPS, Some(2048.0)));
        assert!(endless.reasons[0].contains("above scale 2048"), "{:?}", endless.reasons);
        assert!(endless.at_least);
        let nothing = search(0.0);
        assert_eq!((nothing.scale, nothing.requests_per_second), (None, None));
        assert_eq!(nothing.reasons, ["no step passed"]);
        assert!(nothing.steps.len() <= MAX_STEPS && !nothing.at_least);
        assert!(search(1023.0).reasons[0].contains("12 steps were not enough"));
    }

    #[test]
    fn a_limit_that_the_generator_set_is_a_lower_bound() {
        let at = |bottleneck: f64| {
            let found = find_limit(1.0, &|| 0.0, &mut |scale| {
                let mut step = step(scale, scale < 3.0);
                if scale > bottleneck {
                    step.bottleneck.push("a full core".into());
                }
                Ok(step)
            });
            found.unwrap()
        };
        let found = at(3.0);
        assert!(found.at_least);
        let said =
            "the generator set the limit, which is at least scale 2.83: at scale 3.08 it was a bottleneck";
        assert!(found.reasons.iter().any(|reason| reason.contains(said)), "{:?}", found.reasons);
        // A bottleneck far above what decided says nothing about the limit.
        let found = at(3.9);
        assert!(!found.at_least && found.reasons.is_empty(), "{:?}", found.reasons);
    }

    #[test]
    fn a_step_that_cannot_run_ends_the_search() {
        assert!(find_limit(1.0, &|| 0.0, &mut |_| anyhow::bail!("stopped")).is_err());
    }
}
