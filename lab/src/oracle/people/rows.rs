//! Rows as a contestant's query gives them: one JSON object a line.

use std::io::BufRead;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Beyond any person that the rules allow, in escapes.
const MAX_ROW_BYTES: u64 = 1024 * 1024;

/// A person in the database.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Row {
    /// A UUID.
    pub id: String,
    #[allow(missing_docs)]
    pub apelido: String,
    #[allow(missing_docs)]
    pub nome: String,
    /// `YYYY-MM-DD`.
    pub nascimento: String,
    /// Elements in their order; absent: null.
    pub stack: Option<Vec<String>>,
}

/// Rows from what `psql` or a file gives: a JSON object a line. Empty lines are skipped.
pub fn rows_from_json_lines(reader: impl BufRead) -> impl Iterator<Item = Result<Row>> {
    let mut reader = reader;
    let mut number = 0_u64;
    let mut ended = false;
    std::iter::from_fn(move || {
        while !ended {
            number += 1;
            match next_row(&mut reader) {
                Ok(Next::Row(row)) => return Some(Ok(row)),
                Ok(Next::Empty) => {}
                Ok(Next::End) => ended = true,
                Err(error) => {
                    ended = true;
                    return Some(Err(error.context(format!("line {number} of the rows"))));
                }
            }
        }
        None
    })
}

enum Next {
    Row(Row),
    Empty,
    End,
}

fn next_row(reader: &mut impl BufRead) -> Result<Next> {
    let mut line = Vec::new();
    let read = std::io::Read::take(reader, MAX_ROW_BYTES).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(Next::End);
    }
    ensure!(
        line.len() as u64 != MAX_ROW_BYTES || line.ends_with(b"\n"),
        "a row of {MAX_ROW_BYTES} bytes or more"
    );
    if line.trim_ascii().is_empty() {
        return Ok(Next::Empty);
    }
    let row = serde_json::from_slice(&line).with_context(|| {
        format!(
            "no row with id, apelido, nome, nascimento, stack: {}",
            line[..line.len().min(200)].escape_ascii()
        )
    })?;
    Ok(Next::Row(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line() {
        let text = "\n{\"id\":\"1\",\"apelido\":\"a\\nb\",\"nome\":\"é\",\"nascimento\":\"2000-01-01\",\"stack\":null}\r\n\
                    {\"stack\":[\"Go\"],\"nascimento\":\"2000-01-01\",\"nome\":\"\",\"apelido\":\"b\",\"id\":\"2\"}";
        let rows: Vec<Row> = rows_from_json_lines(text.as_bytes()).map(Result::unwrap).collect();
        let seen: Vec<_> =
            rows.iter().map(|row| (row.id.as_str(), row.apelido.as_str(), &row.stack)).collect();
        assert_eq!(seen, [("1", "a\nb", &None), ("2", "b", &Some(vec!["Go".to_owned()]))]);
    }

    #[test]
    fn what_is_no_row_is_an_error_with_its_line_and_the_last_item() {
        let good =
            "{\"id\":\"1\",\"apelido\":\"a\",\"nome\":\"b\",\"nascimento\":\"2000-01-01\",\"stack\":null}\n";
        let long = format!("{good}{}\n", "x".repeat(2 * 1024 * 1024));
        for (text, said) in [(format!("{good}ERROR: x\n{good}"), "ERROR: x"), (long, "bytes or more")] {
            let mut rows = rows_from_json_lines(text.as_bytes());
            assert!(rows.next().unwrap().is_ok());
            let error = format!("{:#}", rows.next().unwrap().unwrap_err());
            assert!(error.contains("line 2") && error.contains(said), "{error}");
            assert!(rows.next().is_none());
        }
    }
}
