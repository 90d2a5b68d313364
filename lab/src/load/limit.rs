//! The search for the largest scale that a contestant takes: which scale to try next, and when to stop. Nothing is run here.

use anyhow::Result;

use crate::record::Step;

/// How long a step may take, in seconds, with its rise and its end.
pub const STEP_SECONDS: u32 = 30;
/// Steps of a search at most: five minutes.
pub const MAX_STEPS: usize = 10;
/// The search ends when the smallest scale that failed is at most so many times the largest that passed.
const CLOSE_ENOUGH: f64 = 1.1;
/// Below this scale nothing is tried.
const SMALLEST_SCALE: f64 = 0.01;

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The largest scale that was passed; `None` if none was.
    pub scale: Option<f64>,
    /// Requests a second at that scale.
    pub requests_per_second: Option<f64>,
    /// The smallest scale that failed; `None` if none did.
    pub failed_scale: Option<f64>,
    /// In the order in which they were tried.
    pub steps: Vec<Step>,
    /// What a reader should know: the generator set the limit, the steps ran out.
    pub reasons: Vec<String>,
}

/// Tries `first`, then twice as much until a step fails (or half until one passes), then between the two, until they are
/// within 10 % of each other or [`MAX_STEPS`] were tried. `step` runs one and says how it went; letting the queues of the
/// former step drain is its business.
///
/// # Errors
/// Those of `step`.
pub fn find_limit(first: f64, step: &mut dyn FnMut(f64) -> Result<Step>) -> Result<Found> {
    let mut found = Found::default();
    let mut scale = first.max(SMALLEST_SCALE);
    while found.steps.len() < MAX_STEPS {
        let result = step(scale)?;
        if result.passed {
            found.scale = Some(scale);
            found.requests_per_second = Some(result.requests_per_second);
        } else {
            found.failed_scale = Some(scale);
        }
        found.steps.push(result);
        match next(found.scale, found.failed_scale) {
            Some(next) => scale = next,
            None => break,
        }
    }
    explain(&mut found);
    Ok(found)
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
    let (passed, failed) = (found.scale, found.failed_scale);
    match (passed, failed) {
        (Some(passed), None) => {
            found.reasons.push(format!("no step failed: the limit is above scale {passed:.2}"));
        }
        (Some(passed), Some(failed)) if failed / passed > CLOSE_ENOUGH => {
            found
                .reasons
                .push(format!("{MAX_STEPS} steps were not enough: the limit is below scale {failed:.2}"));
        }
        (None, _) => found.reasons.push("no step passed".into()),
        _ => {}
    }
    let by_generator = found.steps.iter().find(|step| !step.passed && !step.bottleneck.is_empty());
    if let Some(step) = by_generator {
        let (scale, why) = (step.scale, step.bottleneck.join("; "));
        found.reasons.push(format!("at scale {scale:.2} the generator was a bottleneck: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(scale: f64, passed: bool) -> Step {
        Step {
            scale,
            seconds: 30.0,
            requests_per_second: 1000.0 * scale,
            failed: 0,
            p99_ms: None,
            cpu_seconds: 0.0,
            passed,
            errors: Vec::new(),
            bottleneck: Vec::new(),
        }
    }

    /// The search against a server that takes `limit`.
    fn search(limit: f64) -> Found {
        find_limit(1.0, &mut |scale| Ok(step(scale, scale <= limit))).unwrap()
    }

    #[test]
    fn finds_any_limit_within_ten_percent_and_ten_steps() {
        for limit in [0.05, 0.3, 0.99, 1.0, 1.5, 2.0, 3.7, 9.1, 15.9, 16.0, 31.0, 60.0] {
            let found = search(limit);
            let scale = found.scale.unwrap();
            assert!(scale <= limit && scale * CLOSE_ENOUGH >= limit, "{scale} for {limit}");
            assert!(found.steps.len() <= MAX_STEPS);
            assert_eq!(found.requests_per_second, Some(1000.0 * scale));
            assert_eq!(found.reasons, Vec::<String>::new());
        }
    }

    #[test]
    fn doubles_then_goes_between() {
        let scales: Vec<f64> = search(5.0).steps.iter().map(|step| step.scale).collect();
        assert_eq!(scales[..4], [1.0, 2.0, 4.0, 8.0]);
        assert!((scales[4] - 32f64.sqrt()).abs() < 1e-9);
        assert!(scales.len() <= 8);
    }

    #[test]
    fn says_what_it_did_not_find() {
        let endless = search(1e9);
        assert_eq!((endless.steps.len(), endless.scale), (MAX_STEPS, Some(512.0)));
        assert!(endless.reasons[0].contains("above scale 512"), "{:?}", endless.reasons);
        let nothing = search(0.0);
        assert_eq!((nothing.scale, nothing.requests_per_second), (None, None));
        assert_eq!(nothing.reasons, ["no step passed"]);
        assert!(nothing.steps.len() <= MAX_STEPS);
        assert!(search(255.0).reasons[0].contains("not enough"));
    }

    #[test]
    fn a_limit_of_the_generator_is_said() {
        let found = find_limit(1.0, &mut |scale| {
            let mut step = step(scale, scale < 3.0);
            if scale > 3.0 {
                step.bottleneck.push("a full core".into());
            }
            Ok(step)
        });
        let found = found.unwrap();
        assert!(
            found
                .reasons
                .iter()
                .any(|reason| reason.contains("scale 4.00 the generator was a bottleneck: a full core"))
        );
    }

    #[test]
    fn a_step_that_cannot_run_ends_the_search() {
        assert!(find_limit(1.0, &mut |_| anyhow::bail!("stopped")).is_err());
    }
}
