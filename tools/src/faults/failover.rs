//! A standby that takes over, an old primary that comes back, and data that go back in time.

use std::fs;

use super::Failure;
use super::aborts::{Aborts, Commits};
use super::history::{Attempted, History};
use super::stack::Stack;
use super::standby::{self, Mode};

/// People that are acknowledged and then lost with the tail, at least.
const LOST: usize = 40;

const NO_STANDBY: &str = "this stack has no standby";

/// Kills the primary and promotes the standby. A synchronous one has everything that was acknowledged; from
/// an asynchronous one the last WAL is kept, so that it has not.
pub fn fail_over(stack: &Stack, history: &History<impl Attempted>, commits: Commits) -> Result<(), Failure> {
    let (mode, standby) = stack.standby.as_ref().ok_or(NO_STANDBY)?;
    let cut = history.now();
    if *mode == Mode::Asynchronous {
        standby::cut_off(standby)?;
        wait_for_more(history)?;
    }
    let primary = &stack.postgres;
    let aborts = Aborts::start(primary, stack.subject, commits)?;
    primary.hold();
    primary.kill()?;
    drop(aborts);
    let killed = history.now();
    primary.wait_until_down()?;
    standby::promote(standby)?;
    stack.note_promotion();
    if *mode == Mode::Asynchronous {
        history.note_lost_tail(cut, killed);
    }
    Ok(())
}

/// The primary accepts connections, as its kernel does, and says nothing any more.
pub fn fail_over_frozen(stack: &Stack) -> Result<(), Failure> {
    let (Mode::Synchronous, standby) = stack.standby.as_ref().ok_or(NO_STANDBY)? else {
        return Err("a frozen primary has a tail that nobody knows: its standby must be synchronous".into());
    };
    stack.postgres.hold();
    stack.postgres.pause()?;
    standby::promote(standby)?;
    stack.note_promotion();
    Ok(())
}

/// Starts the old primary as what a fence makes of it: it has its old rows, answers, and does not write.
pub fn come_back_fenced(stack: &Stack) -> Result<(), Failure> {
    if !stack.is_promoted() {
        return Err("the standby was not promoted".into());
    }
    standby::fence(&stack.data)?;
    stack.postgres.release();
    stack.postgres.wait_until_ready()
}

/// Stops Postgres, keeps a copy of its data, lets it go on for a while, and puts the copy in their place.
/// Nothing in the folder tells it from the one that was.
pub fn copy_back(stack: &Stack, history: &History<impl Attempted>) -> Result<(), Failure> {
    let postgres = &stack.postgres;
    let copy = stack.data.with_extension("copy");
    postgres.hold();
    postgres.stop_in_order()?;
    postgres.wait_until_down()?;
    standby::copy(&stack.data, &copy, &[])?;
    let copied = history.now();
    postgres.release();
    wait_for_more(history)?;
    postgres.hold();
    postgres.stop_in_order()?;
    postgres.wait_until_down()?;
    let stopped = history.now();
    fs::remove_dir_all(&stack.data)?;
    fs::rename(&copy, &stack.data)?;
    postgres.release();
    postgres.wait_until_ready()?;
    history.note_lost_tail(copied, stopped);
    Ok(())
}

/// Waits until some more people have been acknowledged, which are then lost.
fn wait_for_more<A: Attempted>(history: &History<A>) -> Result<(), Failure> {
    let since = history.now();
    let acknowledged = |attempt: &&A| attempt.began() >= since && attempt.is_done();
    let more = |attempts: &[A]| {
        let recent = attempts.iter().rev().take_while(|attempt| attempt.ended() >= since);
        (recent.filter(acknowledged).count() >= LOST).then_some(())
    };
    history.wait_for(super::run::LATE_RECOVERY, more).ok_or("nobody is created any more".into())
}
