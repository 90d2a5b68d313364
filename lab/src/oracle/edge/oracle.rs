//! What the lab asks of this contest's oracle.

use std::time::SystemTime;

use anyhow::{Context, Result};

use super::Page;
use crate::figures::Metric;
use crate::oracle::answers::Check;
use crate::oracle::judge::{Needs, Oracle};
use crate::oracle::words::{self, ANSWERS, Words};

/// The answers alone, where nothing is stored.
#[derive(Debug)]
pub struct Edge;

impl Oracle for Edge {
    fn name(&self) -> &'static str {
        "edge"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judges_answers(&self) -> bool {
        true
    }

    fn check(&self, path: &str) -> Result<Option<Check>> {
        let page = Page::at(path).context("path: /static-text and /time are pages that can be judged")?;
        Ok(Some(Box::new(move |it| match it.status {
            200 => page.judge(it.body, it.cache, SystemTime::now()).map(Some),
            _ => Ok(None),
        })))
    }

    fn words(&self) -> &'static Words {
        &WORDS
    }
}

/// A cache before the API may answer nearly all requests, and what the API does with its CPU says nothing.
const WORDS: Words =
    Words { ranking: |creation| words::measured(&[Metric::RequestsPerCpu], creation), ..ANSWERS };
