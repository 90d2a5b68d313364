//! What the lab asks of this contest's oracle.

use anyhow::Result;

use super::words::WORDS;
use super::{Shop, judge};
use crate::oracle::judge::{Evidence, Needs, Oracle};
use crate::oracle::words::Words;
use crate::record::Stored;

/// Stock and orders, in a contest that is a shop.
#[derive(Debug)]
pub struct Inventory;

impl Oracle for Inventory {
    fn name(&self) -> &'static str {
        "inventory"
    }

    fn needs(&self) -> Needs {
        Needs { database: true, seed: false, shop: true }
    }

    fn judge(&self, rows: &str, left: &Evidence) -> Result<Stored> {
        let (before, after) = (Shop::read(left.before.as_bytes())?, Shop::read(rows.as_bytes())?);
        let mut stored = judge(&before, &left.deeds, &after);
        left.looks.judge(&before, &left.deeds, &after, &mut stored);
        Ok(stored)
    }

    fn objection(&self, stored: &Stored) -> Option<String> {
        (!stored.exact()).then(|| format!("stock or orders are wrong: {}", stored.told()))
    }

    fn words(&self) -> &'static Words {
        &WORDS
    }
}
