//! The statements of the people API.

use std::cmp::Ordering;
use std::sync::Arc;

use postgres::Row;
use postgres::error::SqlState;
use postgres::types::ToSql;
use time::Date;
use uuid::Uuid;

use super::Body;
use super::model::{Person, Stack, render};
use crate::store::Session;
use crate::store::commit::Table;

/// At most this many people answer a search.
const SEARCH_ROWS: usize = 50;

/// Parts the fields in `people_search_text`; see the migration.
const SEPARATOR: char = '\u{1f}';

/// Shortest term from which trigrams can be taken.
const TRIGRAM_CHARS: usize = 3;

/// One array a column: the statement is the same for every size of a batch. A stack travels as an array literal, since
/// `unnest` would flatten an array of arrays.
///
/// `INSERT` stores all rows or, where one conflicts, none; then `INSERT_FREE` stores those that conflict with nothing.
/// Conflicts are rare, because a nickname that this replica knows is refused before it comes here, and the second
/// statement costs every row a sixth more (ARCHITECTURE.md, Decisions).
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

const PRESENT: &str = "SELECT id FROM people WHERE id = ANY($1)";

const FETCH: &str = "SELECT id, apelido, nome, nascimento, stack FROM people WHERE id = ANY($1)";

/// The matches first, by the trigram index, and then their order: the planner would else walk the primary key and
/// compare every person, which is what a term that matches nobody makes dear. The collation of the pattern must be that
/// of the column, or the index is of no use.
const SEARCH_BY_TRIGRAMS: &str = r#"
    WITH matches AS MATERIALIZED (
        SELECT id, apelido, nome, nascimento, stack FROM people
        WHERE people_search_text(apelido, nome, stack) LIKE lower($1::text COLLATE pg_c_utf8) COLLATE "C"
    )
    SELECT * FROM matches ORDER BY id LIMIT 50"#;

/// A term of one or two characters has no trigram and many matches: walking the primary key ends after the first 50.
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

/// One row at least, so that horizon and WAL position always come; the horizon is that of the snapshot that the rows are
/// read with.
///
/// No row that can be seen has a transaction's number past the snapshot, but for those of a database that was restored from
/// a dump: they come with the first reading of all (a replica that ran meanwhile has to be restarted), and otherwise would
/// come again with every later one.
pub(super) const FEED: &str = "
    SELECT now.horizon, now.flushed, feed, id, apelido, nome, nascimento, stack
    FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
                 pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
                 CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0')
                      ELSE pg_current_wal_flush_lsn() END AS flushed) AS now
         LEFT JOIN people ON feed >= $1
                        AND feed < CASE WHEN $1 = 0 THEN 9223372036854775807 ELSE now.next END";

const COUNT: &str = "SELECT count(*) FROM people";

/// People for the commit queue.
pub(super) struct PeopleTable;

impl Table for PeopleTable {
    type Row = Arc<Person>;

    const NAME: &'static str = "people";

    fn id(row: &Arc<Person>) -> Uuid {
        row.id
    }

    fn order(one: &Arc<Person>, other: &Arc<Person>) -> Ordering {
        one.apelido.as_bytes().cmp(other.apelido.as_bytes())
    }

    fn bytes(row: &Arc<Person>) -> usize {
        size_of::<Person>() + row.stack.as_ref().map_or(0, Stack::bytes)
    }

    fn insert(session: &mut Session, rows: &[&Arc<Person>]) -> Result<Vec<Uuid>, postgres::Error> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let nicks: Vec<&str> = rows.iter().map(|row| row.apelido.as_str()).collect();
        let names: Vec<&str> = rows.iter().map(|row| row.nome.as_str()).collect();
        let births: Vec<Date> = rows.iter().map(|row| row.nascimento).collect();
        let stacks: Vec<Option<String>> =
            rows.iter().map(|row| row.stack.as_ref().map(array_literal)).collect();
        let values: [&(dyn ToSql + Sync); 5] = [&ids, &nicks, &names, &births, &stacks];
        match session.execute(INSERT, &values) {
            Ok(_) => return Ok(ids),
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {}
            Err(error) => return Err(error),
        }
        let inserted = session.query(INSERT_FREE, &values)?;
        Ok(inserted.iter().map(|row| row.get(0)).collect())
    }

    fn present(session: &mut Session, ids: &[Uuid]) -> Result<Vec<Uuid>, postgres::Error> {
        let rows = session.query(PRESENT, &[&ids])?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

/// The people with these ids, rendered.
pub(super) fn fetch_bodies(
    session: &mut Session,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, Body)>, postgres::Error> {
    let rows = session.query(FETCH, &[&ids])?;
    Ok(rows.iter().map(|row| (row.get(0), Arc::from(render_from(row, 0)))).collect())
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
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        render_row(&mut out, row, 0);
    }
    out.push(b']');
    Ok(out)
}

/// How many people there are.
pub(super) fn count(session: &mut Session) -> Result<i64, postgres::Error> {
    Ok(session.query(COUNT, &[])?.first().map_or(0, |row| row.get(0)))
}

/// A person whose columns start at `first`, rendered.
pub(super) fn render_from(row: &Row, first: usize) -> Vec<u8> {
    let mut out = Vec::new();
    render_row(&mut out, row, first);
    out
}

fn render_row(out: &mut Vec<u8>, row: &Row, first: usize) {
    let stack: Option<Vec<&str>> = row.get(first + 4);
    let (nome, nascimento) = (row.get(first + 2), row.get(first + 3));
    render(out, row.get(first), row.get(first + 1), nome, nascimento, stack.map(Vec::into_iter));
}

const LOCK_SEARCH_INDEX: &str = "SELECT pg_try_advisory_lock($1)";
const SEARCH_INDEX: &str = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('people_search')";

/// Makes the trigram index for searches in Postgres, unless it is there or another replica is at it.
///
/// Concurrently: creations go on meanwhile, and it waits for theirs as long as they take. What an interrupted try left
/// behind is no use to anybody and goes first.
pub(super) fn ensure_search_index(session: &mut Session) -> Result<(), postgres::Error> {
    const LOCK_KEY: i64 = 0x706f_7563_6f02;
    let locked = session.query(LOCK_SEARCH_INDEX, &[&LOCK_KEY])?;
    if !locked.first().is_some_and(|row| row.get(0)) {
        return Ok(());
    }
    session.batch("SET lock_timeout = 0")?;
    match session.query(SEARCH_INDEX, &[])?.first().map(|row| row.get(0)) {
        Some(true) => return Ok(()),
        Some(false) => session.batch("DROP INDEX people_search")?,
        None => {}
    }
    log::info!("making the index for searches in Postgres");
    session.batch(
        "CREATE INDEX CONCURRENTLY people_search ON people
         USING gist (people_search_text(apelido, nome, stack) gist_trgm_ops (siglen = 64))",
    )?;
    session.batch("ANALYZE people")?;
    log::info!("searches in Postgres have their index");
    Ok(())
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
