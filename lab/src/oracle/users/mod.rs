//! The rows of the contest `users`, made a second time: `lab/contests/users/seed.sql` makes them in Postgres,
//! from the same numbers. What a contestant stores before the load and after it must be these, and what it
//! answers is compared with these.
//!
//! What may not enter: how rows are fetched or answers read.

mod answer;
pub mod oracle;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::BufRead;

use anyhow::{Context, Result, ensure};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;
use time::{Duration, OffsetDateTime, UtcOffset};

use super::sent::{MAX_EXAMPLES, quoted};
use crate::lines::Lines;
use crate::record::Stored;

/// How many rows there are.
pub const ROWS: u32 = 10_000;

pub(super) const FIRST_NAMES: [&str; 8] =
    ["Ana", "Björn", "Chloé", "Đorđe", "Emre", "Fátima", "Grace", "Hiro"];
const LAST_NAMES: [&str; 7] = ["Almeida", "Brown", "Costa", "Dvořák", "Eriksson", "O'Neill", "Şahin"];
const COUNTRIES: [&str; 11] = ["BR", "DE", "ES", "FR", "GB", "IN", "JP", "PL", "TR", "US", "ZA"];
/// The moment before the first row's.
pub(super) const EPOCH: OffsetDateTime = datetime!(2024-01-01 00:00 UTC);
/// Between the rows' moments.
pub(super) const STEP: Duration = Duration::seconds(3_607);

/// A row.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct User {
    /// A UUID with hyphens, in small letters.
    pub id: String,
    #[allow(missing_docs)]
    pub email: String,
    #[allow(missing_docs)]
    pub full_name: String,
    #[allow(missing_docs)]
    pub age: u32,
    /// Two capitals.
    pub country_code: String,
    #[allow(missing_docs)]
    pub is_active: bool,
    /// RFC 3339; in UTC with `Z` as it must be answered, in any zone as it comes from a database.
    pub created_at: String,
}

/// All rows, by their ids, which is the order of the contest's lists.
#[must_use]
pub fn seeded() -> Vec<User> {
    let mut all: Vec<User> = (1..=ROWS).map(user).collect();
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all
}

fn user(number: u32) -> User {
    let of = |all: &[&str]| all[number as usize % all.len()].to_owned();
    User {
        id: id(number),
        email: format!("user{number}@example.com"),
        full_name: format!("{} {} {number}", of(&FIRST_NAMES), of(&LAST_NAMES)),
        age: 18 + number % 63,
        country_code: of(&COUNTRIES),
        is_active: !number.is_multiple_of(10),
        created_at: moment(EPOCH + STEP * number),
    }
}

/// The MD5 of the number's digits, with the marks of version 4.
fn id(number: u32) -> String {
    let mut digits = String::with_capacity(32);
    for byte in Md5::digest(number.to_string().as_bytes()).iter() {
        // A string takes all that is written to it.
        let _ = write!(digits, "{byte:02x}");
    }
    let variant = ["8", "9", "a", "b"][number as usize % 4];
    digits.replace_range(12..13, "4");
    digits.replace_range(16..17, variant);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// In the one spelling that [`seeded`] has.
pub(super) fn moment(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).format(&Rfc3339).unwrap_or_default()
}

/// What a generator is fed with: every row as a line of JSON, and every id, both by the ids.
#[must_use]
pub fn feeds() -> (Lines, Lines) {
    let all = seeded();
    let rows: Vec<Vec<u8>> = all.iter().map(|user| serde_json::to_vec(user).unwrap_or_default()).collect();
    (rows.iter().map(Vec::as_slice).collect(), all.iter().map(|user| user.id.as_bytes()).collect())
}

/// Compares rows, a JSON object a line, with those that must be there.
///
/// # Errors
/// A row cannot be read.
pub fn judge(rows: impl BufRead) -> Result<Stored> {
    let all = seeded();
    let expected: HashMap<&str, &User> = all.iter().map(|user| (user.id.as_str(), user)).collect();
    let mut times: HashMap<&str, u64> = HashMap::with_capacity(expected.len());
    let mut stored =
        Stored { expected_low: u64::from(ROWS), expected_high: u64::from(ROWS), ..Stored::default() };
    let mut examples = Vec::new();
    for (line, number) in rows.lines().zip(1..) {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let row = parsed(&line).with_context(|| format!("line {number} of the rows"))?;
        stored.rows += 1;
        let Some((&id, &seeded)) = expected.get_key_value(row.id.as_str()) else {
            stored.foreign += 1;
            examples.push(format!("{} is stored, and is none of the data", quoted(&row.email)));
            continue;
        };
        let seen = times.entry(id).or_default();
        *seen += 1;
        if *seen > 1 {
            stored.duplicated += 1;
            examples.push(format!("{} is stored {seen} times", quoted(id)));
        } else if row != *seeded {
            stored.altered += 1;
            examples.push(format!("{}: {}", quoted(id), difference(&row, seeded)));
        }
    }
    for user in all.iter().filter(|user| !times.contains_key(user.id.as_str())) {
        stored.lost += 1;
        examples.push(format!("{} is gone", quoted(&user.email)));
    }
    examples.truncate(MAX_EXAMPLES);
    stored.examples = examples;
    Ok(stored)
}

/// A row with its moment in one spelling.
fn parsed(line: &str) -> Result<User> {
    ensure!(line.len() < 1 << 16, "a row of {} bytes", line.len());
    let names = "id, email, full_name, age, country_code, is_active, created_at";
    let shown = || format!("no row with {names}: {}", quoted(line));
    let mut user: User = serde_json::from_str(line).with_context(shown)?;
    let at = OffsetDateTime::parse(&user.created_at, &Rfc3339).with_context(shown)?;
    user.created_at = moment(at);
    Ok(user)
}

/// The first field that differs, in words.
fn difference(row: &User, seeded: &User) -> String {
    let fields = |user: &User| {
        [
            ("email", user.email.clone()),
            ("full_name", user.full_name.clone()),
            ("age", user.age.to_string()),
            ("country_code", user.country_code.clone()),
            ("is_active", user.is_active.to_string()),
            ("created_at", user.created_at.clone()),
        ]
    };
    let pair = fields(row).into_iter().zip(fields(seeded)).find(|((_, now), (_, was))| now != was);
    pair.map_or_else(String::new, |((name, now), (_, was))| {
        format!("{name} was {} and is {}", quoted(&was), quoted(&now))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Postgres gives them.
    fn lines(rows: &[User]) -> String {
        let line = |user: &User| serde_json::to_string(user).unwrap().replace("Z\"}", "+00:00\"}") + "\n";
        rows.iter().map(line).collect()
    }

    fn judged(change: impl FnOnce(&mut Vec<User>)) -> Stored {
        let mut rows = seeded();
        change(&mut rows);
        judge(lines(&rows).as_bytes()).unwrap()
    }

    #[test]
    fn the_data_are_those_of_the_seed() {
        let all = seeded();
        assert_eq!(all.len(), ROWS as usize);
        assert!(all.windows(2).all(|two| two[0].id < two[1].id), "sorted, and each id once");
        // md5sum of "1" is c4ca4238a0b923820dcc509a6f75849b.
        let first = all.iter().find(|user| user.email == "user1@example.com").unwrap();
        assert_eq!(first.id, "c4ca4238-a0b9-4382-9dcc-509a6f75849b");
        assert_eq!((first.full_name.as_str(), first.age), ("Björn Brown 1", 19));
        assert_eq!((first.country_code.as_str(), first.is_active), ("DE", true));
        assert_eq!(first.created_at, "2024-01-01T01:00:07Z");
        assert!(all.iter().all(|user| user.created_at.len() == 20), "whole seconds, in UTC");
        let inactive = all.iter().filter(|user| !user.is_active).count();
        assert_eq!(inactive, 1_000);
    }

    #[test]
    fn each_defect_is_seen_as_itself_and_as_nothing_else() {
        assert!(judged(|_| ()).exact());
        let lost = judged(|rows| drop(rows.remove(7)));
        assert_eq!((lost.lost, lost.wrong(), lost.rows), (1, 1, 9_999));
        let foreign = judged(|rows| rows.push(User { id: id(0), email: "x@example.com".into(), ..user(1) }));
        assert_eq!((foreign.foreign, foreign.wrong(), foreign.rows), (1, 1, 10_001));
        let twice = judged(|rows| rows.push(rows[3].clone()));
        assert_eq!((twice.duplicated, twice.wrong()), (1, 1));
        let altered = judged(|rows| rows[3].age += 1);
        assert_eq!((altered.altered, altered.wrong()), (1, 1));
        assert!(altered.examples[0].contains("age was"), "{:?}", altered.examples);
        let later = judged(|rows| rows[3].created_at = "2024-01-01T00:00:00Z".into());
        assert_eq!(later.altered, 1);
    }

    #[test]
    fn what_is_no_row_is_an_error_with_its_line() {
        let good = lines(&seeded()[..1]);
        let error = format!("{:#}", judge(format!("{good}ERROR: x\n").as_bytes()).unwrap_err());
        assert!(error.contains("line 2") && error.contains("ERROR: x"), "{error}");
    }

    #[test]
    fn lines_and_ids_belong_together() {
        let (rows, ids) = feeds();
        assert_eq!((rows.count(), ids.count()), (ROWS as usize, ROWS as usize));
        for number in [0, 17, 9_999] {
            let user: User = serde_json::from_slice(rows.get(number)).unwrap();
            assert_eq!(user.id.as_bytes(), ids.get(number));
        }
    }
}
