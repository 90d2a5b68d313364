//! What the lab asks of this contest's oracle.

use std::collections::HashMap;

use anyhow::Result;

use super::{Row, answer, judge, rows_from_json_lines};
use crate::oracle::answers::{Check, on_200};
use crate::oracle::judge::{Evidence, Feeds, Needs, Oracle};
use crate::oracle::words::{ROWS, Words};
use crate::record::Stored;

/// What was stored, of creations whose payloads are valid and whose nicks were free.
#[derive(Debug)]
pub struct People;

impl Oracle for People {
    fn name(&self) -> &'static str {
        "people"
    }

    fn needs(&self) -> Needs {
        Needs { database: true, ..Needs::default() }
    }

    fn feeds(&self) -> Feeds {
        Feeds::Payloads
    }

    fn check(&self, path: &str) -> Result<Option<Check>> {
        Ok(if path.contains("{location}") {
            Some(on_200(|it| answer::person(it.body, it.payload, it.location)))
        } else if path.contains("{term}") {
            Some(on_200(|it| answer::people(it.body)))
        } else {
            None
        })
    }

    fn judge(&self, rows: &str, left: &Evidence) -> Result<Stored> {
        let read = |text: &str| rows_from_json_lines(text.as_bytes()).collect::<Result<Vec<_>>>();
        let (former, after) = (read(&left.before)?, read(rows)?);
        let (lost, altered) = changed(&former, &after);
        let after = after.into_iter().map(Ok);
        let (creations, payloads, excluded) = (&left.creations, &left.payloads, &left.excluded);
        let mut stored = judge(creations, payloads, after, excluded, &former, left.counted)?;
        stored.lost += lost;
        stored.altered += altered;
        if lost + altered > 0 {
            stored
                .examples
                .push(format!("of the rows from before the kill {lost} are gone and {altered} are altered"));
        }
        Ok(stored)
    }

    fn objection(&self, stored: &Stored) -> Option<String> {
        let Stored { lost, acknowledged, wrongly_refused, .. } = stored;
        if *lost > 0 {
            return Some(format!("{lost} of {acknowledged} acknowledged rows are lost"));
        }
        // Whoever refuses what is free has less to do.
        (!stored.exact()).then(|| {
            let wrong = stored.wrong();
            format!("{wrong} rows are wrong, {wrongly_refused} of them refused though their nick was free")
        })
    }

    fn words(&self) -> &'static Words {
        &ROWS
    }
}

/// How many rows of `before` are gone, and how many are others now.
fn changed(before: &[Row], after: &[Row]) -> (u64, u64) {
    let after: HashMap<&str, &Row> = after.iter().map(|row| (row.id.as_str(), row)).collect();
    let (mut lost, mut altered) = (0, 0);
    for row in before {
        match after.get(row.id.as_str()) {
            None => lost += 1,
            Some(now) if *now != row => altered += 1,
            Some(_) => {}
        }
    }
    (lost, altered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_and_what_is_altered_is_counted_by_its_id() {
        let row = |id: &str, nome: &str| Row {
            id: id.to_owned(),
            apelido: "a".to_owned(),
            nome: nome.to_owned(),
            nascimento: "2000-01-01".to_owned(),
            stack: None,
        };
        let before = [row("1", "one"), row("2", "two"), row("3", "three")];
        assert_eq!(changed(&before, &[row("3", "three"), row("2", "zwei"), row("4", "one")]), (1, 1));
    }
}
