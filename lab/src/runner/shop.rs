//! A contest that is a shop: opened before the meters run, and asked for what it has stored after a kill.

mod ask;

use std::sync::Arc;

use anyhow::Result;

pub(super) use self::ask::{Sought, ask};
use super::data;
use crate::contest::Contest;
use crate::contestant::Contestant;
use crate::shop::{self, Open};
use crate::stack::Stack;

/// A shop that is open, and what is stored then.
pub(super) struct Before {
    pub(super) open: Arc<Open>,
    pub(super) rows: String,
}

/// Opens it; nothing where the contest is none.
///
/// # Errors
/// The contestant does not answer as the contest asks, or its rows cannot be read.
pub(super) fn open(contest: &Contest, contestant: &Contestant, stack: &dyn Stack) -> Result<Option<Before>> {
    let Some(opening) = contest.load.shop else { return Ok(None) };
    let open = Arc::new(shop::open(contest.address(), opening)?);
    Ok(Some(Before { open, rows: data::rows(stack, contestant)? }))
}
