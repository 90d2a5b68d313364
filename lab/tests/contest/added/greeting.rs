//! What the contest `greeting` asks of an answer: that it greets.

use anyhow::Result;

use crate::oracle::words::{ANSWERS, Words};
use crate::oracle::{Check, Needs, Oracle, on_200};

/// Each answer is a greeting.
#[derive(Debug)]
pub struct Greeting;

impl Oracle for Greeting {
    fn name(&self) -> &'static str {
        "greeting"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judges_answers(&self) -> bool {
        true
    }

    fn check(&self, _path: &str) -> Result<Option<Check>> {
        let check = on_200(|answer| match answer.body {
            b"hello\n" => Ok(()),
            _ => Err("the answer is no greeting"),
        });
        Ok(Some(check))
    }

    fn words(&self) -> &'static Words {
        &ANSWERS
    }
}
