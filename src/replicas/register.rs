//! The statements by which a replica is one of those that there are.
//!
//! The clock is that of Postgres. The tables are made by the first replica whose role may do so: a start does
//! not hang on them, as it does on those of an API.

use postgres::error::{Severity, SqlState};
use postgres::types::ToSql;
use uuid::Uuid;

use super::number::{NUMBERS, Numbering};
use crate::limits;
use crate::store::{Chain, Session};

const TABLES: &str = include_str!("tables.sql");

const RENEW: &str = "
    UPDATE pouco_replicas.members SET until = now() + make_interval(secs => $2), address = $3, channel = $4
    WHERE instance = $1 RETURNING number";

const EXPIRE: &str = "DELETE FROM pouco_replicas.members WHERE until < now()";

const SET: &str = "
    INSERT INTO pouco_replicas.members (instance, number, leased, address, channel, until)
    VALUES ($1, $5, false, $3, $4, now() + make_interval(secs => $2)) RETURNING number";

/// The number that is wanted, otherwise the least that is free; by chance where many come at once, who
/// otherwise would all try the same. Nothing if another one was faster.
const CLAIM: &str = "
    INSERT INTO pouco_replicas.members (instance, number, leased, address, channel, until)
    SELECT $1::uuid, free.number, true, $3::text, $4::text, now() + make_interval(secs => $2)
    FROM generate_series(0, $7::integer) AS free (number)
    WHERE NOT EXISTS (SELECT FROM pouco_replicas.members AS taken WHERE taken.number = free.number)
    ORDER BY free.number IS DISTINCT FROM $5::integer, CASE WHEN $6::boolean THEN random() ELSE free.number END
    LIMIT 1
    ON CONFLICT DO NOTHING RETURNING number";

/// How often a number is claimed that somebody else takes meanwhile, before a rest.
const CLAIMS: u32 = 8;

const OTHERS: &str = "
    SELECT instance, number, address, channel FROM pouco_replicas.members
    WHERE until >= now() AND instance <> $1 ORDER BY instance LIMIT $2";

const SECRET: &str = "SELECT secret FROM pouco_replicas.secret";

const LEAVE: &str = "DELETE FROM pouco_replicas.members WHERE instance = $1";

/// What a replica says of itself.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) instance: Uuid,
    pub(super) numbering: Numbering,
    /// The number that a lease gave before.
    pub(super) had: Option<u16>,
    pub(super) address: Option<String>,
    /// What rows it commits that others keep in memory.
    pub(super) channel: Option<&'static str>,
    /// For how long others may take it to be there.
    pub(super) term_s: f64,
}

/// What it is told.
#[derive(Debug)]
pub(super) struct Registered {
    /// `None` if all numbers are taken.
    pub(super) number: Option<u16>,
    pub(super) others: Vec<Other>,
    /// By which replicas know each other.
    pub(super) secret: Option<Vec<u8>>,
}

/// Another replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) instance: Uuid,
    pub(super) number: i32,
    pub(super) address: Option<String>,
    pub(super) channel: Option<String>,
}

/// Makes the tables unless they are there.
///
/// # Errors
/// Those of Postgres; also where another replica makes them at the same time.
pub fn make_tables(session: &mut Session) -> Result<(), postgres::Error> {
    session.batch(TABLES)
}

/// Says that a replica is there, and who else is. What Postgres refuses is told in words: a role without
/// rights, a server that is read-only.
///
/// # Errors
/// The session is of no more use.
pub(super) fn register(
    session: &mut Session,
    own: &Own,
) -> Result<Result<Registered, String>, postgres::Error> {
    match registered(session, own) {
        Err(error) if is_missing(&error) => {
            // Refused also if somebody else has made them just now. The next statement knows.
            let made = refused(make_tables(session))?;
            let registered = refused(registered(session, own))?;
            Ok(registered.map_err(|why| made.err().unwrap_or(why)))
        }
        registered => refused(registered),
    }
}

/// The replica is not there any more.
///
/// # Errors
/// The session is of no more use.
pub(super) fn leave(session: &mut Session, instance: Uuid) -> Result<(), postgres::Error> {
    refused(session.execute(LEAVE, &[&instance])).map(drop)
}

fn registered(session: &mut Session, own: &Own) -> Result<Registered, postgres::Error> {
    let Own { instance, address, channel, term_s, .. } = own;
    let mut rows = session.query(RENEW, &[instance, term_s, address, channel])?;
    if rows.is_empty() {
        session.execute(EXPIRE, &[])?;
        rows = match own.numbering {
            Numbering::Set(number) => {
                session.query(SET, &[instance, term_s, address, channel, &i32::from(number)])?
            }
            Numbering::Leased(ordinal) => {
                let wanted = own.had.or(ordinal).map(i32::from);
                let (mut claimed, last) = (Vec::new(), i32::from(NUMBERS - 1));
                for tries in 0..CLAIMS {
                    let by_chance = tries > 0;
                    let values: [&(dyn ToSql + Sync); 7] =
                        [instance, term_s, address, channel, &wanted, &by_chance, &last];
                    claimed = session.query(CLAIM, &values)?;
                    if !claimed.is_empty() {
                        break;
                    }
                }
                claimed
            }
        };
    }
    let number: Option<i32> = rows.first().map(|row| row.try_get(0)).transpose()?;
    let most = i64::try_from(limits::NEIGHBOURS).unwrap_or(i64::MAX);
    let others = session.query(OTHERS, &[instance, &most])?;
    let other = |row: &postgres::Row| {
        let (instance, number) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Other { instance, number, address: row.try_get(2)?, channel: row.try_get(3)? })
    };
    let secret = match address {
        Some(_) => session.query(SECRET, &[])?.first().map(|row| row.try_get(0)).transpose()?,
        None => None,
    };
    Ok(Registered {
        secret,
        number: number.and_then(|number| u16::try_from(number).ok()),
        others: others.iter().map(other).collect::<Result<_, postgres::Error>>()?,
    })
}

/// An error that undoes the statement and leaves the session as it was. Of a plan or a statement that the
/// server has forgotten the next session knows nothing.
fn refused<T>(answer: Result<T, postgres::Error>) -> Result<Result<T, String>, postgres::Error> {
    let stays = |error: &postgres::Error| {
        error.as_db_error().is_some_and(|said| {
            said.parsed_severity() == Some(Severity::Error)
                && !["0A", "26"].iter().any(|class| said.code().code().starts_with(class))
        })
    };
    match answer {
        Err(error) if stays(&error) => Ok(Err(Chain(&error).to_string())),
        answer => answer.map(Ok),
    }
}

fn is_missing(error: &postgres::Error) -> bool {
    error.code().is_some_and(|code| [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(code))
}
