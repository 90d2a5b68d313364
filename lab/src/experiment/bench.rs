//! What is measured in addition to an experiment's runs, by a program without a server: it writes a JSON
//! object a line, `{"name": …, "value": …}`, one for each round of each of what it compares.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::command;

/// It may be compiled first.
const LIMIT: Duration = Duration::from_secs(1_800);

/// A program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    /// With the unit of its values.
    pub title: String,
    /// With its arguments, run at the top of the repository.
    pub command: Vec<String>,
}

/// One round of one of what is compared.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Measured {
    #[allow(missing_docs)]
    pub name: String,
    #[allow(missing_docs)]
    pub value: f64,
}

impl Bench {
    /// Runs it.
    ///
    /// # Errors
    /// It cannot be run, fails, or writes something else.
    pub fn run(&self, top: &Path) -> Result<Vec<Measured>> {
        let Some((program, arguments)) = self.command.split_first() else { bail!("bench.command is empty") };
        let mut bench = Command::new(program);
        let said = command::output(bench.args(arguments).current_dir(top), LIMIT)?;
        let parsed = |line| serde_json::from_str(line).with_context(|| format!("{program}: {line:?}"));
        let measured = said.lines().map(parsed).collect::<Result<Vec<Measured>>>()?;
        ensure!(!measured.is_empty(), "{program}: it has written nothing");
        Ok(measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_figure_and_anything_else_is_said() {
        let bench = |line: &str| {
            let command = ["sh", "-c", line].map(str::to_owned).to_vec();
            Bench { title: "µs".to_owned(), command }.run(Path::new("/"))
        };
        let measured = bench(r#"echo '{"name":"by hand","value":1.5}'"#).unwrap();
        assert_eq!(measured, [Measured { name: "by hand".to_owned(), value: 1.5 }]);
        for (line, said) in [("true", "written nothing"), ("echo x", "\"x\""), ("echo no >&2; exit 3", "no")]
        {
            let error = format!("{:#}", bench(line).unwrap_err());
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
