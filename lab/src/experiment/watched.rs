//! The generator of an experiment: the one that it is made of, and what is looked at right before a load and
//! right after it, while its contestant runs. So the runner knows nothing of experiments.

use std::cell::RefCell;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Experiment;
use super::wait::{Buckets, WAIT, Wait};
use crate::drivers::{Driver, Job, Outcome, Snapshot};
use crate::http;

/// A generator that looks.
pub struct Watched {
    load: Box<dyn Driver>,
    waits: Vec<Wait>,
    /// The path of what must be equal in all, and what it was.
    body: Option<(String, RefCell<Option<Value>>)>,
}

impl Watched {
    /// `load` with what `experiment` looks at.
    #[must_use]
    pub fn new(experiment: &Experiment, load: Box<dyn Driver>) -> Self {
        let body = experiment.same_bodies.clone().map(|path| (path, RefCell::default()));
        Self { load, waits: experiment.waits.clone(), body }
    }

    /// The document must be that of the first contestant, member by member; a moment may be written in any
    /// way that RFC 3339 has.
    fn check_body(&self, address: &str) -> Result<()> {
        let Some((path, first)) = &self.body else { return Ok(()) };
        let answer = http::get(address, path)?;
        ensure!(answer.status == 200, "{path}: status {}", answer.status);
        let mut document =
            serde_json::from_slice(&answer.body).with_context(|| format!("{path}: no JSON"))?;
        moments(&mut document);
        let mut first = first.borrow_mut();
        let first = first.get_or_insert_with(|| document.clone());
        ensure!(*first == document, "{path}: its body is not the same document as the first contestant's");
        Ok(())
    }

    /// Of whoever tells first; each contestant tells at one place.
    fn told(&self) -> Result<Option<Buckets>> {
        for wait in &self.waits {
            if let Some(told) = wait.told()? {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }
}

impl Driver for Watched {
    fn name(&self) -> &str {
        self.load.name()
    }

    fn version(&self) -> Result<String> {
        self.load.version()
    }

    fn run(&self, job: &Job<'_>, stop: &AtomicBool, progress: &mut dyn FnMut(&Snapshot)) -> Result<Outcome> {
        self.check_body(job.contest.address())?;
        let before = self.told()?.unwrap_or_default();
        let mut outcome = self.load.run(job, stop, progress)?;
        match self.told()? {
            Some(after) => drop(outcome.figures.requests.insert(WAIT.to_owned(), after.since(&before)?)),
            None if self.waits.is_empty() => {}
            None => outcome.notes.push("it does not report its waits for a connection".to_owned()),
        }
        Ok(outcome)
    }

    fn present(&self, folder: &std::path::Path) -> Result<()> {
        self.load.present(folder)
    }
}

/// Each moment as the seconds and nanoseconds since 1970, however it is written.
fn moments(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(moments),
        Value::Object(members) => members.values_mut().for_each(moments),
        Value::String(text) => {
            if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
                *text = moment.unix_timestamp_nanos().to_string();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_equal_however_they_are_written() {
        let document = |text: &str| {
            let mut value = serde_json::from_str(text).unwrap();
            moments(&mut value);
            value
        };
        let one: Value = document(r#"[{"id":1,"name":"Björn","at":"2024-01-01T01:00:07Z"}]"#);
        assert_eq!(one, document(r#"[ {"at":"2024-01-01T02:00:07.000+01:00","name":"Bj\u00f6rn","id":1} ]"#));
        assert_ne!(one, document(r#"[{"id":1,"name":"Björn","at":"2024-01-01T01:00:08Z"}]"#));
        assert_ne!(one, document(r#"[{"id":"1","name":"Björn","at":"2024-01-01T01:00:07Z"}]"#));
    }
}
