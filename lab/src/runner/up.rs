//! A contestant that is started and left running, within the contest's budget and with its data: for a look
//! with curl.

use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};

use super::{Entrant, data, proof, settle};
use crate::contest::Contest;
use crate::stack;
use crate::view::View;

/// Starts it on an empty volume, and leaves it. Whatever goes wrong takes it down.
///
/// # Errors
/// It cannot be built or started, does not serve, or cannot be left; or `stop` was set.
pub fn up(
    contest: &Contest,
    entrant: &Entrant,
    build: bool,
    stop: &AtomicBool,
    view: &mut View,
) -> Result<()> {
    let contestant = &entrant.contestant;
    contestant.may_enter(contest)?;
    view.heading(&entrant.id());
    let mut stack = stack::open(contest, contestant, &entrant.mode)?;
    if build {
        view.step("building its images");
        stack.build().context("its images could not be built")?;
    }
    view.step("starting it on an empty volume");
    stack.up()?;
    settle::ready(contest, stop)?;
    data::sow(contest, contestant, stack.as_ref(), stop)?;
    proof::limit_connections(stack.as_ref(), contestant, &contest.budget)?;
    stack.leave()
}
