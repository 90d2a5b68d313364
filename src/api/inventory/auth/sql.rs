//! The statements of accounts.

use std::sync::Arc;

use postgres::Error;
use uuid::Uuid;

use super::refresh::RefreshToken;
use crate::http::Rejection;
use crate::store::{Lane, NotDone, Pool, Session, Unavailable};

/// Families that a user may have; with one more the one that ends first goes. Nobody has as many devices, and
/// a client that never refreshes must not fill the table.
const FAMILIES: i64 = 100;

const ACTIVE: &str = "SELECT id FROM inventory.users WHERE id = ANY($1) AND is_active";
const BY_EMAIL: &str =
    "SELECT id, password_hash, is_active FROM inventory.users WHERE lower(email) = lower($1)";
const BY_ID: &str = "SELECT id, email, full_name, is_active FROM inventory.users WHERE id = $1 AND is_active";
const INSERT: &str = "
    INSERT INTO inventory.users (email, full_name, password_hash) VALUES ($1, $2, $3)
    ON CONFLICT (lower(email)) DO NOTHING
    RETURNING id";
/// A hash has a salt of 128 random bits: no other registration has the same.
const INSERTED: &str = "SELECT id FROM inventory.users WHERE lower(email) = lower($1) AND password_hash = $2";
/// Those past the bound are chosen first and locked then: with OFFSET those before it would be locked as
/// well. What another login of the same user is about to remove is left to it, or two would wait for each
/// other.
const BEGIN_FAMILY: &str = "
    WITH past AS (
        SELECT family FROM inventory.refresh_families WHERE user_id = $2
        ORDER BY expires_at DESC OFFSET $5),
    gone AS (
        DELETE FROM inventory.refresh_families WHERE family IN (
            SELECT family FROM inventory.refresh_families WHERE family IN (SELECT family FROM past)
            FOR UPDATE SKIP LOCKED))
    INSERT INTO inventory.refresh_families (family, user_id, token_hash, expires_at)
    VALUES ($1, $2, $3, now() + make_interval(secs => $4))";
const HAS_TOKEN: &str =
    "SELECT user_id FROM inventory.refresh_families WHERE family = $1 AND token_hash = $2";
const ROTATE: &str = "
    UPDATE inventory.refresh_families AS family
    SET token_hash = $3, expires_at = now() + make_interval(secs => $4)
    FROM inventory.users
    WHERE family.family = $1 AND family.token_hash = $2 AND family.expires_at > now()
          AND users.id = family.user_id AND users.is_active
    RETURNING family.user_id";
const REVOKE: &str = "DELETE FROM inventory.refresh_families WHERE family = $1";

/// Those of these users that may do something.
pub(super) fn fetch_active(session: &mut Session, ids: &[i64]) -> Result<Vec<(i64, ())>, Error> {
    let rows = session.query(ACTIVE, &[&ids])?;
    rows.iter().map(|row| Ok((row.try_get(0)?, ()))).collect()
}

/// What a login looks at.
pub(super) struct Account {
    pub(super) id: i64,
    pub(super) password_hash: String,
    pub(super) is_active: bool,
}

/// The account of an e-mail address, however its case is.
pub(super) fn account(pool: &Pool, email: &str) -> Result<Option<Account>, Unavailable> {
    let email = email.to_owned();
    pool.read(Lane::Lookup, move |session| {
        let rows = session.query(BY_EMAIL, &[&email])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (id, password_hash, is_active) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(Some(Account { id, password_hash, is_active }))
    })
}

/// A user as others see them.
pub(super) struct User {
    pub(super) id: i64,
    pub(super) email: String,
    pub(super) full_name: String,
    pub(super) is_active: bool,
}

/// The user with this id.
pub(super) fn user(pool: &Pool, id: i64) -> Result<Option<User>, Unavailable> {
    pool.read(Lane::Lookup, move |session| {
        let rows = session.query(BY_ID, &[&id])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (id, email) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Some(User { id, email, full_name: row.try_get(2)?, is_active: row.try_get(3)? }))
    })
}

/// A new account.
pub(super) struct NewUser {
    pub(super) email: String,
    pub(super) full_name: String,
    pub(super) password_hash: String,
}

/// The id of the new user, or `None` if the address is taken.
///
/// # Errors
/// Nothing is stored.
pub(super) fn insert(pool: &Pool, new: &Arc<NewUser>) -> Result<Option<i64>, NotDone<Rejection>> {
    let asked = new.clone();
    let settled = move |session: &mut Session| {
        let rows = session.query(INSERTED, &[&asked.email, &asked.password_hash])?;
        rows.first().map(|row| row.try_get(0).map(Some)).transpose()
    };
    let new = new.clone();
    pool.transact(settled, move |transaction| {
        let values = &[&new.email as _, &new.full_name as _, &new.password_hash as _];
        let rows = transaction.query_last(INSERT, values)?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?)
    })
}

/// Begins a family of tokens.
///
/// # Errors
/// Nothing is stored.
pub(super) fn begin_family(
    pool: &Pool,
    user: i64,
    token: &RefreshToken,
    lifetime_s: u32,
) -> Result<(), NotDone<Rejection>> {
    let (family, hash, seconds) = (token.family, token.hash(), f64::from(lifetime_s));
    let settled = has_token(family, hash.clone());
    pool.transact(
        move |session: &mut Session| Ok(settled(session)?.map(drop)),
        move |transaction| {
            // The new one is one of them.
            let kept = FAMILIES - 1;
            let values = &[&family as _, &user as _, &hash as _, &seconds as _, &kept as _];
            transaction.execute_last(BEGIN_FAMILY, values).map(drop)
        },
    )
}

/// What became of a token that came back.
pub(super) enum Rotated {
    /// It was the newest of this user's family, and another one is that now.
    To(i64),
    /// It was not, or had expired, or its user may not any more: the family has ended.
    Revoked,
    /// There is no such family.
    Unknown,
}

/// Puts `next` in the place of `token`, or ends its family.
///
/// Race window: of two that come with the same token at the same time one finds it; the other waits for its
/// row, finds another token in it, and has come with a used one. So exactly one wins, and since a client that
/// does this cannot be told from a thief the family ends: what the winner got is good until the access token
/// expires, and its refresh token is not. A lost answer is not such a case for the server: if it was lost at
/// COMMIT, `next` is looked for and is there.
///
/// # Errors
/// Nothing is changed.
pub(super) fn rotate(
    pool: &Pool,
    token: &RefreshToken,
    next: &RefreshToken,
    lifetime_s: u32,
) -> Result<Rotated, NotDone<Rejection>> {
    let (family, old, new) = (token.family, token.hash(), next.hash());
    let settled = has_token(family, new.clone());
    let seconds = f64::from(lifetime_s);
    pool.transact(
        move |session: &mut Session| Ok(settled(session)?.map(Rotated::To)),
        move |transaction| {
            let values = &[&family as _, &old as _, &new as _, &seconds as _];
            if let Some(row) = transaction.query(ROTATE, values)?.first() {
                return Ok(Rotated::To(row.try_get(0)?));
            }
            let ended = transaction.execute_last(REVOKE, &[&family])?;
            Ok(if ended > 0 { Rotated::Revoked } else { Rotated::Unknown })
        },
    )
}

/// Whose family has this token as its newest.
fn has_token(family: Uuid, hash: Vec<u8>) -> impl Fn(&mut Session) -> Result<Option<i64>, Error> {
    move |session| {
        let rows = session.query(HAS_TOKEN, &[&family, &hash])?;
        rows.first().map(|row| row.try_get(0)).transpose()
    }
}
