//! The kill of a shop: orders, deliveries and removals, SIGKILL to everything in the midst of them, and then
//! the same questions as after any load, of what was stored before and of what was acknowledged; and each
//! acknowledged order, and the stock, as every replica answers them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};

use super::shop::{self, Sought};
use super::watch::Watch;
use super::{Entrant, Settings, data, kill, settle};
use crate::contest::{Contest, Kill};
use crate::load;
use crate::oracle::Evidence;
use crate::oracle::inventory::{Answer, Deed, Shop};
use crate::record::Killed;
use crate::shop::Open;
use crate::stack::Stack;
use crate::view::View;

/// Runs it, in a shop of its own. The sentences beside the outcome are what a reader should know of it.
///
/// # Errors
/// As for [`super::kill::run`].
pub(super) fn run(
    settings: &Settings,
    entrant: &Entrant,
    stack: &mut dyn Stack,
    stop: &AtomicBool,
    view: &mut View,
) -> Result<(Killed, Vec<String>)> {
    let contestant = &entrant.contestant;
    let kill = settings.contest.kill.as_ref().context("the contest has no [kill]")?;
    view.step(&format!("{:.0} changes/s, and SIGKILL to everything in the midst of them", kill.rate));
    let contest = changes_only(&settings.contest, kill);
    let before = shop::open(&contest, contestant, stack)?.context("[kill] has no shop")?;
    let mut plan = load::Plan::new(&contest, 1.0, Arc::default(), Arc::default())?;
    plan.shop = Some(Arc::clone(&before.open));
    let watch = Watch::start(stack, contestant)?;
    let mut seen = Ok(Default::default());
    let (outcome, unavailable) =
        kill::in_the_midst(&contest, kill, &plan, stack, stop, || seen = watch.stop())?;
    let (looks, warning) = seen?;
    let mut warnings = outcome.warnings;
    warnings.extend(warning);
    warnings.extend(settle::rows_stay(stack, &contestant.rows()?.rows, stop)?.map(str::to_owned));

    let rows = data::rows(stack, contestant)?;
    let after = Shop::read(rows.as_bytes())?;
    let left = Evidence { before: before.rows, deeds: outcome.deeds, looks, ..Evidence::default() };
    let stored = data::judge(&contest, &rows, &left)?;
    warnings.extend(kill::proves_nothing(&stored));
    let orders = acknowledged(&left.deeds, &after, &before.open);
    view.step(&format!("each of {} acknowledged orders is asked for, and the stock", orders.len()));
    let seen = shop::ask(&contest, stack, &orders, &after, stop)?;
    Ok(kill::told(stored, unavailable, seen, warnings))
}

/// What the kill says is sent, in its proportions, over a connection each.
fn changes_only(contest: &Contest, kill: &Kill) -> Contest {
    let mut contest = contest.clone();
    let rate = |scenario: &crate::contest::Scenario| scenario.phases.last().map_or(0.0, |phase| phase.to);
    let all: f64 = kill.scenarios.iter().map(rate).sum();
    contest.load.scenarios = kill.scenarios.clone();
    for scenario in &mut contest.load.scenarios {
        scenario.phases = vec![kill::steady(rate(scenario) / all * kill.rate, kill.seconds)];
    }
    contest.load.shop = kill.shop;
    contest.load.kept_connections = None;
    contest.load.timeout_seconds = kill::TIMEOUT_SECONDS;
    contest
}

/// Orders that somebody was told of, as they are stored.
fn acknowledged<'a>(deeds: &[Deed], after: &'a Shop, open: &'a Open) -> Vec<Sought<'a>> {
    let sought = |deed: &Deed| {
        let Deed::Order { customer, answer: Answer::Yes(Some(id)), .. } = deed else { return None };
        let order = after.orders.get(id)?.first()?;
        let customer = open.customers.iter().find(|known| known.id == *customer)?;
        Some(Sought { id: *id, order, token: &customer.token })
    };
    deeds.iter().filter_map(sought).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_kill_of_the_contest_sends_what_changes_a_shop_whatever_the_load() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contests/inventory");
        let contest = Contest::read(&folder).unwrap().with_load(Some("flash-sale")).unwrap();
        let kill = contest.kill.clone().unwrap();
        let changes = changes_only(&contest, &kill);
        let rates: Vec<f64> = changes.load.scenarios.iter().map(|it| it.phases[0].to).collect();
        assert!((rates.iter().sum::<f64>() - kill.rate).abs() < 1e-9, "{rates:?}");
        let bodies: Vec<_> =
            changes.load.scenarios.iter().map(|it| it.requests[0].body.as_deref().unwrap()).collect();
        assert_eq!(bodies, ["basket", "restock", "removal"]);
        assert!(changes.load.shop.unwrap().products > 10 && changes.seconds() == kill.seconds);
        assert!(changes.load.scenarios.iter().all(|it| it.clients.is_none()));
    }
}
