//! The data of a contest: stored in each contestant's database after its first start, and looked at again
//! after the load. They are the same for everybody. Where a contest only reads they are nobody's business to
//! change; where a load adds to them they are stored anew after the pass over the rules, and what was created
//! must be there beside them.

use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};

use super::settle;
use crate::contest::Contest;
use crate::contestant::Contestant;
use crate::oracle::Evidence;
use crate::record::Stored;
use crate::stack::Stack;

/// Stores them as the role of the API, to whom they then belong.
///
/// # Errors
/// The file cannot be read, the database does not answer or refuses, or what is stored then is something
/// else: rows that were there before, or a query in the contestant's file that gives others.
pub(super) fn sow(
    contest: &Contest,
    contestant: &Contestant,
    stack: &dyn Stack,
    stop: &AtomicBool,
) -> Result<()> {
    let Some(seed) = &contest.seed else { return Ok(()) };
    let database = contestant.rows()?;
    let mut all = vec![format!("SET ROLE \"{}\"", database.user)];
    all.extend(database.schema.as_ref().map(|schema| format!("SET search_path TO \"{schema}\"")));
    let file = contest.folder.join(seed);
    for file in
        std::iter::once(file.clone()).chain(contest.load.data.iter().map(|it| contest.folder.join(it)))
    {
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        all.extend(statements(&filled(text, contest)));
    }
    settle::database_answers(stack, stop)?;
    stack.script(&all).with_context(|| file.display().to_string())?;
    let stored = untouched(contest, stack, contestant)?;
    ensure!(
        stored.exact(),
        "{} made {} rows of which {} are wrong: {}",
        file.display(),
        stored.rows,
        stored.wrong(),
        stored.examples.join("; ")
    );
    Ok(())
}

/// What is stored now, before anything is sent.
///
/// # Errors
/// The database cannot be asked, or gives what is no row.
pub(super) fn untouched(contest: &Contest, stack: &dyn Stack, contestant: &Contestant) -> Result<Stored> {
    judge(
        contest,
        &rows(stack, contestant)?,
        &Evidence { users: contest.load.users(), ..Evidence::default() },
    )
}

/// The contestant's rows, a JSON object a line.
///
/// # Errors
/// The database cannot be asked.
pub(super) fn rows(stack: &dyn Stack, contestant: &Contestant) -> Result<String> {
    stack.rows(&contestant.rows()?.rows)
}

/// The oracle's verdict on them.
///
/// # Errors
/// One of them cannot be read.
pub(super) fn judge(contest: &Contest, rows: &str, left: &Evidence) -> Result<Stored> {
    contest.oracle.judge(rows, left).context("the contestant's rows")
}

/// With the numbers of rows that the load has.
fn filled(text: String, contest: &Contest) -> String {
    let users = [("users", contest.load.users())];
    let of_load = contest.load.rows.iter().map(|(table, rows)| (table.as_str(), *rows));
    of_load
        .chain(users)
        .fold(text, |text, (table, rows)| text.replace(&format!("{{{table}}}"), &rows.to_string()))
}

/// Each by itself, since some, such as `VACUUM`, cannot be in one transaction with others. A statement ends
/// with a `;` at the end of a line; lines that begin with `--` are comments.
fn statements(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut statement = String::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("--")) {
        statement.push_str(line);
        statement.push('\n');
        if line.trim_end().ends_with(';') {
            all.push(std::mem::take(&mut statement));
        }
    }
    all.extend((!statement.trim().is_empty()).then_some(statement));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_at_the_end_of_a_line() {
        let text = "-- one; two\nCREATE TABLE a (\n  b text\n);\n\nINSERT INTO a VALUES (';x');  \n  -- no\nVACUUM a";
        let all: Vec<String> = statements(text).iter().map(|it| it.trim().replace('\n', " ")).collect();
        assert_eq!(all, ["CREATE TABLE a (   b text );", "INSERT INTO a VALUES (';x');", "VACUUM a"]);
        assert!(statements("-- nothing\n\n").is_empty());
    }
}
