//! Samples of a JTL, whole or while it grows: JMeter's CSV with names of columns, and the plan's variables
//! behind JMeter's own columns.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::csv::Records;
use crate::drivers::figures::Millis;

/// Read at a time.
const CHUNK_BYTES: usize = 1 << 16;

/// Of JMeter's own columns, those that are read, in the order of [`Sample::new`].
const COLUMNS: [&str; 8] = [
    "timeStamp",
    "elapsed",
    "label",
    "responseCode",
    "responseMessage",
    "threadName",
    "success",
    "failureMessage",
];

/// Variables of the plan that stand behind each sample.
pub(super) const VARIABLES: [&str; 7] =
    ["product", "price", "added", "removed", "order", "ordered", "charged"];

/// Where the columns are.
type Places = ([usize; COLUMNS.len()], [usize; VARIABLES.len()]);

/// One request, as JMeter saw it.
#[derive(Clone, Debug)]
pub(super) struct Sample<'r> {
    /// Its start, in milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) elapsed: Millis,
    pub(super) label: &'r str,
    /// A status, or in words why there was none.
    pub(super) code: &'r str,
    pub(super) message: &'r str,
    pub(super) thread: &'r str,
    /// All assertions held.
    pub(super) success: bool,
    /// Of the first assertion that did not.
    pub(super) failure: &'r str,
    variables: [&'r str; VARIABLES.len()],
}

impl<'r> Sample<'r> {
    fn new(fields: &'r [String], (columns, variables): &Places) -> Option<Self> {
        let [at, elapsed, label, code, message, thread, success, failure] =
            columns.map(|place| fields[place].as_str());
        Some(Self {
            at_ms: at.parse().ok()?,
            elapsed: elapsed.parse().ok()?,
            label,
            code,
            message,
            thread,
            success: match success {
                "true" => true,
                "false" => false,
                _ => return None,
            },
            failure,
            variables: variables.map(|place| fields[place].as_str()),
        })
    }

    /// 0: no answer.
    pub(super) fn status(&self) -> u16 {
        self.code.parse().ok().filter(|status| (100..600).contains(status)).unwrap_or(0)
    }

    /// What a variable of the plan was then; nothing where it is not a number.
    pub(super) fn number(&self, variable: &str) -> Option<i64> {
        self.text(variable).parse().ok()
    }

    pub(super) fn text(&self, variable: &str) -> &'r str {
        let named = VARIABLES.iter().zip(self.variables).find(|(name, _)| **name == variable);
        named.map_or("", |(_, value)| value)
    }
}

/// Reads a file that may not be there yet.
#[derive(Debug)]
pub(super) struct Jtl {
    path: PathBuf,
    file: Option<File>,
    records: Records,
    places: Option<Places>,
    width: usize,
}

impl Jtl {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), file: None, records: Records::new(), places: None, width: 0 }
    }

    /// Gives `take` all samples that are whole by now.
    ///
    /// # Errors
    /// The file cannot be read, is no JTL with all columns, or `take` failed.
    pub(super) fn read(&mut self, take: &mut dyn FnMut(&Sample<'_>) -> Result<()>) -> Result<()> {
        if self.file.is_none() {
            self.file = match File::open(&self.path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                opened => Some(opened.with_context(|| self.path.display().to_string())?),
            };
        }
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Some(file) = &mut self.file {
            let length = file.read(&mut chunk).with_context(|| self.path.display().to_string())?;
            if length == 0 {
                break;
            }
            let (places, width) = (&mut self.places, &mut self.width);
            self.records.push(&chunk[..length], &mut |fields, line| {
                let Some(places) = places else {
                    *width = fields.len();
                    *places = Some(placed(fields)?);
                    return Ok(());
                };
                ensure!(
                    fields.len() == *width,
                    "a broken JTL: line {line} has {} fields, and the first has {width}",
                    fields.len()
                );
                let sample = Sample::new(fields, places)
                    .with_context(|| format!("a broken JTL: line {line} is not a sample"))?;
                take(&sample).with_context(|| format!("a broken JTL: line {line}"))
            })?;
        }
        Ok(())
    }

    /// # Errors
    /// It was cut, or there never was any.
    pub(super) fn end(&self) -> Result<()> {
        self.records.end()?;
        ensure!(self.places.is_some(), "a cut JTL: there is nothing in it");
        Ok(())
    }
}

fn placed(header: &[String]) -> Result<Places> {
    let place = |name: &str| {
        let place = header.iter().position(|known| known == name);
        place.with_context(|| format!("a broken JTL: it has no column {name}"))
    };
    let mut places = ([0; COLUMNS.len()], [0; VARIABLES.len()]);
    for (name, found) in COLUMNS.iter().zip(&mut places.0) {
        *found = place(name)?;
    }
    for (name, found) in VARIABLES.iter().zip(&mut places.1) {
        *found = place(name)?;
    }
    Ok(places)
}
