//! A contest that is a shop: opened before the meters run, and its rows before and after the load compared
//! with what was acknowledged, and what was seen of its stock in between.

mod ask;

use std::sync::Arc;

use anyhow::{Context, Result};

pub(super) use self::ask::{Sought, ask};
use crate::contest::Contest;
use crate::contestant::Contestant;
use crate::oracle::inventory::{self, Deed, Looks, Shop};
use crate::record::Stored;
use crate::shop::{self, Open};
use crate::stack::Stack;

/// A shop that is open, and what is stored then.
pub(super) struct Before {
    pub(super) open: Arc<Open>,
    pub(super) rows: Shop,
}

/// Opens it; nothing where the contest is none.
///
/// # Errors
/// The contestant does not answer as the contest asks, or its rows cannot be read.
pub(super) fn open(contest: &Contest, contestant: &Contestant, stack: &dyn Stack) -> Result<Option<Before>> {
    let Some(opening) = contest.load.shop else { return Ok(None) };
    let open = Arc::new(shop::open(contest.address(), opening)?);
    Ok(Some(Before { open, rows: rows(stack, contestant)? }))
}

/// What is stored now.
///
/// # Errors
/// The database cannot be asked, or gives what is no row.
pub(super) fn rows(stack: &dyn Stack, contestant: &Contestant) -> Result<Shop> {
    Shop::read(stack.rows(&contestant.rows()?.rows)?.as_bytes()).context("the contestant's rows")
}

/// What is stored now, against what was and what was acknowledged since, and what was seen in between; and
/// the rows themselves.
///
/// # Errors
/// As for [`rows`].
pub(super) fn judge(
    before: &Before,
    deeds: &[Deed],
    looks: &Looks,
    stack: &dyn Stack,
    contestant: &Contestant,
) -> Result<(Stored, Shop)> {
    let after = rows(stack, contestant)?;
    let mut stored = inventory::judge(&before.rows, deeds, &after);
    looks.judge(&before.rows, deeds, &after, &mut stored);
    Ok((stored, after))
}
