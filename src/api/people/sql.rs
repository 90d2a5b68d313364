//! The statements of the people API.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use postgres::Row;
use postgres::error::SqlState;
use postgres::types::ToSql;
use time::Date;
use uuid::Uuid;

use super::model::{Person, Stack, render};
use crate::cache::Body;
use crate::store::{Batch, Session};

/// At most this many people answer a search.
const SEARCH_ROWS: usize = 50;

/// Parts the fields in `people_search_text`; see the migration.
const SEPARATOR: char = '\u{1f}';

/// Shortest term from which trigrams can be taken.
const TRIGRAM_CHARS: usize = 3;

/// One array a column: the statement is the same for every size of a batch. A stack travels as an array
/// literal, since
/// `unnest` would flatten an array of arrays.
///
/// `INSERT` stores all rows or, where one conflicts, none; then `INSERT_FREE` stores those that conflict with
/// nothing. Conflicts are rare, because a nickname that this replica knows is refused before it comes here,
/// and the second statement costs every row a sixth more (docs/decisions/0016).
macro_rules! insert {
    () => {
        "INSERT INTO people (id, apelido, nome, nascimento, stack)
         SELECT id, apelido, nome, nascimento, stack::text[]
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::date[], $5::text[])
              AS batch (id, apelido, nome, nascimento, stack)"
    };
}
const INSERT: &str = insert!();
const INSERT_FREE: &str = concat!(insert!(), " ON CONFLICT DO NOTHING RETURNING id");

/// Those with their own nickname: another one's row may have the id.
const PRESENT: &str = "
    SELECT people.id FROM people
    JOIN unnest($1::uuid[], $2::text[]) AS batch (id, apelido)
      ON people.id = batch.id AND people.apelido = batch.apelido";

const IDS: &str = "SELECT id FROM people WHERE id = ANY($1)";

const FETCH: &str = "SELECT id, apelido, nome, nascimento, stack FROM people WHERE id = ANY($1)";

/// The matches first, by the trigram index, and then their order: the planner would otherwise walk the
/// primary key and compare every person, which is what a term that matches nobody makes dear. The collation
/// of the pattern must be that of the column, or the index is of no use.
const SEARCH_BY_TRIGRAMS: &str = r#"
    WITH matches AS MATERIALIZED (
        SELECT id, apelido, nome, nascimento, stack FROM people
        WHERE people_search_text(apelido, nome, stack) LIKE lower($1::text COLLATE pg_c_utf8) COLLATE "C"
    )
    SELECT * FROM matches ORDER BY id LIMIT 50"#;

/// A term of one or two characters has no trigram and many matches: walking the primary key ends after the
/// first 50.
const SEARCH_BY_WALK: &str = r#"
    SELECT id, apelido, nome, nascimento, stack FROM people
    WHERE people_search_text(apelido, nome, stack) LIKE lower($1::text COLLATE pg_c_utf8) COLLATE "C"
    ORDER BY id LIMIT 50"#;

/// A term with the separator in it could match across two fields, so each field is looked at alone.
const SEARCH_BY_FIELD: &str = "
    SELECT id, apelido, nome, nascimento, stack FROM people
    WHERE lower(apelido COLLATE pg_c_utf8) LIKE lower($1::text COLLATE pg_c_utf8)
       OR lower(nome COLLATE pg_c_utf8) LIKE lower($1::text COLLATE pg_c_utf8)
       OR EXISTS (SELECT FROM unnest(stack) AS element
                  WHERE lower(element COLLATE pg_c_utf8) LIKE lower($1::text COLLATE pg_c_utf8))
    ORDER BY id LIMIT 50";

/// One row at least, so that horizon and WAL position always come; the horizon is that of the snapshot that
/// the rows are read with.
///
/// No row that can be seen has a transaction's number past the snapshot, but for those of a database that was
/// restored from a dump: they come with the first reading of all (a replica that ran meanwhile has to be
/// restarted), and otherwise would come again with every later one.
pub(super) const FEED: &str = "
    SELECT now.horizon, now.flushed, feed, id, apelido, nome, nascimento, stack
    FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
                 pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
                 CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0')
                      ELSE pg_current_wal_flush_lsn() END AS flushed) AS now
         LEFT JOIN people ON feed >= $1
                        AND feed < CASE WHEN $1 = 0 THEN 9223372036854775807 ELSE now.next END";

/// What changes when there is less in the table. The counts are those of one server since its statistics
/// began; a standby has its own, and sees the file.
const SHRINKAGE: &str = "
    SELECT pg_stat_get_tuples_deleted(oid) + pg_stat_get_tuples_updated(oid), relfilenode::bigint, pg_table_size(oid)
    FROM pg_class WHERE oid = 'people'::regclass";

/// As the statistics have it: nothing before the first of them.
const ABOUT_HOW_MANY: &str =
    "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'people'::regclass";

const COUNT: &str = "SELECT count(*) FROM people";

/// What became of a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    /// Committed.
    Stored,
    /// Somebody else has the nickname.
    Taken,
    /// Somebody else has the id.
    Clashed,
    /// Postgres cannot store this person.
    Unstorable,
}

/// People for the group commit.
pub(super) struct People;

impl Batch for People {
    type Item = Arc<Person>;
    type Answer = Creation;

    const NAME: &'static str = "people";

    fn order(one: &Arc<Person>, other: &Arc<Person>) -> Ordering {
        one.apelido.as_bytes().cmp(other.apelido.as_bytes())
    }

    fn bytes(person: &Arc<Person>) -> usize {
        size_of::<Person>() + person.stack.as_ref().map_or(0, Stack::bytes)
    }

    fn label(person: &Arc<Person>) -> String {
        person.id.to_string()
    }

    fn place(session: &mut Session, people: &[&Arc<Person>]) -> Result<Vec<Creation>, postgres::Error> {
        let ids: Vec<Uuid> = people.iter().map(|person| person.id).collect();
        let nicks: Vec<&str> = people.iter().map(|person| person.apelido.as_str()).collect();
        let names: Vec<&str> = people.iter().map(|person| person.nome.as_str()).collect();
        let births: Vec<Date> = people.iter().map(|person| person.nascimento).collect();
        let stacks: Vec<Option<String>> =
            people.iter().map(|person| person.stack.as_ref().map(array_literal)).collect();
        let values: [&(dyn ToSql + Sync); 5] = [&ids, &nicks, &names, &births, &stacks];
        match session.execute(INSERT, &values) {
            Ok(_) => return Ok(vec![Creation::Stored; people.len()]),
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {}
            Err(error) => return Err(error),
        }
        let mut stored = ids_of(&session.query(INSERT_FREE, &values)?)?;
        // Once each, should two of the batch have one id.
        let is_stored: Vec<bool> = ids.iter().map(|id| stored.remove(id)).collect();
        let refused = ids.iter().zip(&is_stored).filter(|(_, is_stored)| !**is_stored);
        let refused: Vec<Uuid> = refused.map(|(id, _)| *id).collect();
        // None of them was stored before, so whose id is there has met another one's.
        let clashed =
            if refused.is_empty() { HashSet::new() } else { ids_of(&session.query(IDS, &[&refused])?)? };
        let creation = |(id, is_stored): (&Uuid, bool)| match is_stored {
            true => Creation::Stored,
            false if clashed.contains(id) => Creation::Clashed,
            false => Creation::Taken,
        };
        Ok(ids.iter().zip(is_stored).map(creation).collect())
    }

    fn settled(
        session: &mut Session,
        people: &[&Arc<Person>],
    ) -> Result<Vec<Option<Creation>>, postgres::Error> {
        let ids: Vec<Uuid> = people.iter().map(|person| person.id).collect();
        let nicks: Vec<&str> = people.iter().map(|person| person.apelido.as_str()).collect();
        let stored = ids_of(&session.query(PRESENT, &[&ids, &nicks])?)?;
        Ok(ids.iter().map(|id| stored.contains(id).then_some(Creation::Stored)).collect())
    }

    fn unstorable() -> Creation {
        Creation::Unstorable
    }
}

fn ids_of(rows: &[Row]) -> Result<HashSet<Uuid>, postgres::Error> {
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// The people with these ids, rendered.
pub(super) fn fetch_bodies(
    session: &mut Session,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, Body)>, postgres::Error> {
    let rows = session.query(FETCH, &[&ids])?;
    let mut out = Vec::new();
    let body = |row: &Row| {
        out.clear();
        render_row(&mut out, row).map(|id| (id, Arc::from(out.as_slice())))
    };
    Ok(rows.iter().filter_map(body).collect())
}

/// The first people, by id, whose texts contain the term; rendered as an array.
pub(super) fn search(session: &mut Session, term: &str) -> Result<Vec<u8>, postgres::Error> {
    let sql = if term.contains(SEPARATOR) {
        SEARCH_BY_FIELD
    } else if term.chars().count() < TRIGRAM_CHARS {
        SEARCH_BY_WALK
    } else {
        SEARCH_BY_TRIGRAMS
    };
    let rows = session.query(sql, &[&like_pattern(term)])?;
    debug_assert!(rows.len() <= SEARCH_ROWS);
    let mut out = vec![b'['];
    for row in &rows {
        let end = out.len();
        if end > 1 {
            out.push(b',');
        }
        if render_row(&mut out, row).is_none() {
            out.truncate(end);
        }
    }
    out.push(b']');
    Ok(out)
}

/// What tells whether there is less in the table than there was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shrinkage {
    /// Rows deleted and changed.
    pub(super) changes: i64,
    /// Which file it is: TRUNCATE makes another one, as a new writing of the table does.
    pub(super) file: i64,
    pub(super) bytes: i64,
}

impl Shrinkage {
    /// Whether there may be less now than there was `then`.
    pub(super) fn may_be_less_than(&self, then: &Self) -> bool {
        (self.changes, self.file) != (then.changes, then.file) || self.bytes < then.bytes
    }
}

/// Looks at the statistics of the table, and not at its rows.
pub(super) fn shrinkage(session: &mut Session) -> Result<Shrinkage, postgres::Error> {
    let rows = session.query(SHRINKAGE, &[])?;
    let Some(row) = rows.first() else { return Ok(Shrinkage::default()) };
    Ok(Shrinkage { changes: row.try_get(0)?, file: row.try_get(1)?, bytes: row.try_get(2)? })
}

/// How many people there may be, without a look at them.
pub(super) fn about_how_many(session: &mut Session) -> Result<usize, postgres::Error> {
    let rows = session.query(ABOUT_HOW_MANY, &[])?;
    let about: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
    Ok(usize::try_from(about).unwrap_or(0))
}

/// How many people there are.
pub(super) fn count(session: &mut Session, _: &[()]) -> Result<Vec<((), i64)>, postgres::Error> {
    session.query(COUNT, &[])?.iter().map(|row| Ok(((), row.try_get(0)?))).collect()
}

/// Appends a person and says who that is. Somebody else may have written a row that is not a person (a date
/// that is not a day, a stack with a null in it): it is logged and left out.
fn render_row(out: &mut Vec<u8>, row: &Row) -> Option<Uuid> {
    let id = row.try_get(0).ok()?;
    let read = || {
        let stack: Option<Vec<&str>> = row.try_get(4)?;
        Ok::<_, postgres::Error>((row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, stack))
    };
    match read() {
        Ok((apelido, nome, nascimento, stack)) => {
            render(out, id, apelido, nome, nascimento, stack.map(Vec::into_iter));
            Some(id)
        }
        Err(error) => {
            log::error!("the row {id} is not a person and is left out: {error}");
            None
        }
    }
}

const LOCK_SEARCH_INDEX: &str = "SELECT pg_try_advisory_lock($1)";
const SEARCH_INDEX: &str = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('people_search')";

/// Makes the trigram index for searches in Postgres, unless it is there. `false` if another replica is at it.
///
/// Concurrently: creations go on meanwhile, and it waits for theirs as long as they take. What an interrupted
/// try left behind is no use to anybody and goes first.
pub(super) fn ensure_search_index(session: &mut Session) -> Result<bool, postgres::Error> {
    const LOCK_KEY: i64 = 0x706f_7563_6f02;
    let locked = session.query(LOCK_SEARCH_INDEX, &[&LOCK_KEY])?;
    if !locked.first().is_some_and(|row| row.get(0)) {
        return Ok(false);
    }
    session.batch("SET lock_timeout = 0")?;
    match session.query(SEARCH_INDEX, &[])?.first().map(|row| row.get(0)) {
        Some(true) => return Ok(true),
        Some(false) => session.batch("DROP INDEX CONCURRENTLY people_search")?,
        None => {}
    }
    log::info!("making the index for searches in Postgres");
    session.batch(
        "CREATE INDEX CONCURRENTLY people_search ON people
         USING gist (people_search_text(apelido, nome, stack) gist_trgm_ops (siglen = 64))",
    )?;
    session.batch("ANALYZE people")?;
    log::info!("searches in Postgres have their index");
    Ok(true)
}

/// `%term%` with the term's own `%`, `_` and `\` taken as they are.
fn like_pattern(term: &str) -> String {
    let mut pattern = String::with_capacity(term.len() + 2);
    pattern.push('%');
    for character in term.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// `{"a","b"}` (Postgres manual, section 8.15.2): every element quoted, quotes and backslashes escaped.
fn array_literal(stack: &Stack) -> String {
    let mut literal = String::with_capacity(stack.bytes() + 2);
    literal.push('{');
    for (index, element) in stack.elements().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        literal.push('"');
        for character in element.chars() {
            if matches!(character, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(character);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
}

#[cfg(test)]
mod tests {
    use super::like_pattern;

    #[test]
    fn wildcards_are_plain_characters() {
        assert_eq!(like_pattern(r"10%_\x"), r"%10\%\_\\x%");
    }
}
