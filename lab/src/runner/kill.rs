//! Fast, and what then? Everything that belongs to the contestant gets a SIGKILL in the midst of creations,
//! and is started again. Whatever was acknowledged before must be there after, from this load and from the
//! one before it, and the API must find it. Of a shop: `kill_shop`.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::{Entrant, Settings, data, settle, visible};
use crate::contest::{Contest, Kill, Phase, Scenario};
use crate::drivers::Creations;
use crate::load;
use crate::oracle::{Evidence, Row, id_of, rows_from_json_lines};
use crate::record::{Killed, Stored};
use crate::stack::Stack;
use crate::view::View;

/// A creation that waits for a server that is away has failed after this.
pub(super) const TIMEOUT_SECONDS: f64 = 10.0;

/// At most this share of the creations: less than the half that comes before the kill leaves, whatever a
/// contestant does after it.
const FEW_ACKNOWLEDGED: f64 = 0.1;

/// Runs it, after a load that has sent so many lines of the payload file; `left` are the rows that it left,
/// and what is not of it. The sentences beside the outcome are what a reader should know of it.
///
/// # Errors
/// The contestant could not be killed, or does not serve again, or its database cannot be asked.
pub fn run(
    settings: &Settings,
    entrant: &Entrant,
    stack: &mut dyn Stack,
    used: u64,
    mut left: Evidence,
    stop: &AtomicBool,
    view: &mut View,
) -> Result<(Killed, Vec<String>)> {
    let kill = settings.contest.kill.as_ref().context("the contest has no [kill]")?;
    view.step(&format!("{:.0} creations/s, and SIGKILL to everything in the midst of them", kill.rate));
    let contest = creations_only(&settings.contest, kill)?;
    let mut plan =
        load::Plan::new(&contest, 1.0, settings.feeds.payloads.clone(), settings.feeds.terms.clone())?;
    plan.payload_offset = used;
    let (outcome, unavailable) = in_the_midst(&contest, kill, &plan, stack, stop, || {})?;
    let mut warnings = outcome.warnings;
    let query = &entrant.contestant.rows()?.rows;
    warnings.extend(settle::rows_stay(stack, query, stop)?.map(str::to_owned));
    let rows = data::rows(stack, &entrant.contestant)?;

    let acknowledged = outcome.creations.iter().filter(|creation| creation.status == 201);
    let acknowledged: HashSet<u128> = acknowledged.filter_map(|creation| creation.id).collect();
    left.creations = Creations::Each(outcome.creations);
    let stored = data::judge(&settings.contest, &rows, &left)?;
    warnings.extend(proves_nothing(&stored));
    let after = rows_from_json_lines(rows.as_bytes()).collect::<Result<Vec<_>>>()?;
    let is_of_the_load = |row: &&Row| id_of(&row.id).is_some_and(|id| acknowledged.contains(&id));
    let people: Vec<&Row> = after.iter().filter(is_of_the_load).collect();
    view.step(&format!("each of {} acknowledged people is asked for", people.len()));
    let seen = visible::ask(&settings.contest, stack, &people, after.len() as u64, stop)?;
    Ok(told(stored, unavailable, seen, warnings))
}

/// What was stored, how long there was no answer, and what was answered then.
pub(super) fn told(
    mut stored: Stored,
    unavailable: Option<Duration>,
    seen: visible::Seen,
    warnings: Vec<String>,
) -> (Killed, Vec<String>) {
    stored.examples.extend(seen.examples);
    let unavailable_seconds = unavailable.map(|time| time.as_secs_f64());
    let killed = Killed { stored, unavailable_seconds, invisible: Some(seen.invisible), asked: seen.asked };
    let warnings = warnings.into_iter().chain(seen.warnings);
    (killed, warnings.map(|warning| format!("at the kill: {warning}")).collect())
}

/// Runs `plan`, and kills and starts everything again in the midst of it, until it serves. Says how long it
/// gave no answer. Right before the kill `before` is called.
pub(super) fn in_the_midst(
    contest: &Contest,
    kill: &Kill,
    plan: &load::Plan,
    stack: &mut dyn Stack,
    stop: &AtomicBool,
    before: impl FnOnce(),
) -> Result<(load::Outcome, Option<Duration>)> {
    let (outcome, unavailable) = thread::scope(|scope| {
        let generator = scope.spawn(|| load::run(plan, stop, &mut |_| {}));
        thread::sleep(Duration::from_secs_f64(kill.seconds / 2.0));
        before();
        stack.kill()?;
        // Beside the restart: an engine that starts containers one after the other returns long after the
        // first answer.
        let watch = scope.spawn(|| settle::first_answer(contest, stop));
        stack.revive()?;
        let unavailable = watch.join().map_err(|_| anyhow!("the watch panicked"))?;
        let outcome = generator.join().map_err(|_| anyhow!("the generator panicked"))??;
        anyhow::Ok((outcome, unavailable))
    })?;
    settle::ready(contest, stop)?;
    Ok((outcome, unavailable))
}

/// Where hardly anything was acknowledged, hardly anything could be lost.
pub(super) fn proves_nothing(stored: &Stored) -> Option<String> {
    let few = stored.acknowledged as f64 <= stored.sent as f64 * FEW_ACKNOWLEDGED;
    few.then(|| {
        format!(
            "only {} of {} creations were acknowledged, so that there was hardly anything to lose",
            stored.acknowledged, stored.sent
        )
    })
}

/// The contest's first scenario that creates, at a steady rate, without what follows a creation.
fn creations_only(contest: &Contest, kill: &Kill) -> Result<Contest> {
    let mut scenario = creating(contest)?.clone();
    scenario.requests.truncate(1);
    scenario.phases = vec![steady(kill.rate, kill.seconds)];
    let mut contest = contest.clone();
    contest.load.scenarios = vec![scenario];
    contest.load.timeout_seconds = TIMEOUT_SECONDS;
    Ok(contest)
}

pub(super) fn steady(rate: f64, seconds: f64) -> Phase {
    Phase { from: rate, to: rate, seconds, randomized: false }
}

/// The first scenario that begins with a creation.
pub(super) fn creating(contest: &Contest) -> Result<&Scenario> {
    let creates = |scenario: &&Scenario| scenario.requests[0].body.is_some();
    contest.load.scenarios.iter().find(creates).context("no scenario of the contest creates")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_in_which_hardly_anything_was_acknowledged_is_told() {
        let told = |acknowledged| {
            proves_nothing(&Stored { sent: 2_000, acknowledged, ..Stored::default() }).is_some()
        };
        assert_eq!([0, 200, 201, 1_600].map(told), [true, true, false, false]);
        assert!(proves_nothing(&Stored::default()).is_some(), "nothing was sent");
    }
}
