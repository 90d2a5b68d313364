//! `/auth/…`: what it costs to authenticate the caller. A signed token says so by itself; with the user it is
//! one lookup more, and a session is a row that is looked up each time.
//!
//! A login asks for no password: it is what follows that is compared. So a token of this API is for this API
//! alone.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::Bench;
use super::once::transact_once;
use super::sql;
use super::users::NOT_FOUND;
use crate::api::Services;
use crate::api::bearer::{Refused, token_of};
use crate::api::query::needed;
use crate::api::secrets::TokenSettings;
use crate::api::tokens::Tokens;
use crate::cache::Body;
use crate::http::{Method, Rejection, Request, Response, Scope, Status};
use crate::store::{Gather, Lane, Session};

/// How long a login is good.
pub(super) const LIFETIME_S: u32 = 3_600;

/// What nobody may guess of a session.
const SESSION_BYTES: usize = 32;
/// The same as text.
const SESSION_CHARS: usize = (4 * SESSION_BYTES).div_ceil(3);

const BEGIN: &str = "
    INSERT INTO bench.sessions (token, user_id, expires_at)
    SELECT $1, id, now() + make_interval(secs => $3) FROM bench.users WHERE id = $2";

const OF_SESSIONS: &str = "
    SELECT session.token, owner.id, owner.name, owner.email, owner.created_at
    FROM bench.sessions AS session JOIN bench.users AS owner ON owner.id = session.user_id
    WHERE session.token = ANY($1) AND session.expires_at > now()";

/// What an answer costs without authentication.
const PUBLIC: &[u8] = b"{\"message\":\"public\"}";

const NO_TOKEN: Rejection = Rejection::new(Status::InternalServerError, "a token cannot be made");

/// A session's token.
type Key = [u8; SESSION_CHARS];

/// A user who may come in.
type Owner = (i64, Body);

/// What is asked about the caller.
pub(super) struct Access {
    tokens: Tokens,
    sessions: Gather<Key, Owner>,
}

impl Access {
    /// # Errors
    /// If a secret is needed, and the kernel has no random bytes.
    pub(super) fn start(settings: &TokenSettings, services: &Services<'_>) -> io::Result<Self> {
        let sessions = Gather::new(services.pool.clone(), Lane::Lookup, of_sessions);
        Ok(Self { tokens: Tokens::new(settings)?, sessions })
    }
}

fn of_sessions(session: &mut Session, keys: &[Key]) -> Result<Vec<(Key, Owner)>, postgres::Error> {
    let texts: Vec<&str> = keys.iter().filter_map(|key| std::str::from_utf8(key).ok()).collect();
    let mut owners = Vec::with_capacity(texts.len());
    for row in &session.query(OF_SESSIONS, &[&texts])? {
        let token: &str = row.try_get(0)?;
        if let Ok(key) = token.as_bytes().try_into() {
            owners.push((key, (row.try_get(1)?, sql::body(row, 1)?)));
        }
    }
    Ok(owners)
}

/// What a login gives (RFC 6749 section 5.1).
#[derive(Serialize)]
struct Given {
    access_token: String,
    token_type: &'static str,
}

impl Given {
    fn send(access_token: String, response: &mut Response<'_>) {
        // Nobody on the way may keep it.
        response.header("cache-control", "no-store").json_of(&Self { access_token, token_type: "bearer" });
    }
}

/// Adds the routes.
pub(super) fn mount(scope: &mut Scope<'_, Bench>) {
    scope
        .route(Method::Get, "/auth/public", |_, _, response| response.json(PUBLIC))
        .route(Method::Post, "/auth/login/jwt", Bench::login_by_token)
        .route(Method::Post, "/auth/login/session", Bench::login_by_session)
        .route(Method::Get, "/auth/protected/jwt", Bench::protected_by_token)
        .route(Method::Get, "/auth/protected/jwt-user", Bench::protected_by_token_and_user)
        .route(Method::Get, "/auth/protected/session", Bench::protected_by_session);
}

impl Bench {
    /// `POST /auth/login/jwt?user_id=`: a token that says who it is.
    fn login_by_token(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let user = needed(request, "user_id", 1..=i64::MAX)?;
        self.by_id.get(user)?.ok_or(NOT_FOUND)?;
        let token = self.access.tokens.issue(user).map_err(|error| {
            log::error!("a token cannot be made: {error}");
            NO_TOKEN
        })?;
        Given::send(token, response);
        Ok(())
    }

    /// `POST /auth/login/session?user_id=`: a token that stands for a row.
    fn login_by_session(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let user = needed(request, "user_id", 1..=i64::MAX)?;
        let mut random = [0; SESSION_BYTES];
        getrandom::fill(&mut random).map_err(|error| {
            log::error!("the kernel has no random bytes: {error}");
            NO_TOKEN
        })?;
        let token = URL_SAFE_NO_PAD.encode(random);
        let kept = token.clone();
        let begun = transact_once::<_, Rejection>(&self.pool, move |transaction| {
            transaction.execute_last(BEGIN, &[&kept, &user, &f64::from(LIFETIME_S)])
        });
        if begun? == 0 {
            return Err(NOT_FOUND);
        }
        Given::send(token, response);
        Ok(())
    }

    /// `GET /auth/protected/jwt`: the signature and the end of the token are looked at, and no more.
    fn protected_by_token(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Refused> {
        grant(self.bearer(request)?, None, response);
        Ok(())
    }

    /// `GET /auth/protected/jwt-user`: the same, and the user is read.
    fn protected_by_token_and_user(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Refused> {
        let id = self.bearer(request)?;
        let user = self.by_id.get(id)?.ok_or(Refused::of_token())?;
        grant(id, Some(&user), response);
        Ok(())
    }

    /// `GET /auth/protected/session`: the row and its user are read.
    fn protected_by_session(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Refused> {
        let key = Key::try_from(token_of(&request.head())?).ok().filter(|key| key.is_ascii());
        let key = key.ok_or(Refused::of_token())?;
        let (id, user) = self.access.sessions.get(key)?.ok_or(Refused::of_token())?;
        grant(id, Some(&user), response);
        Ok(())
    }

    fn bearer(&self, request: &Request<'_>) -> Result<i64, Refused> {
        let bearer = self.access.tokens.read(token_of(&request.head())?);
        bearer.map(|bearer| bearer.user).ok_or(Refused::of_token())
    }
}

fn grant(id: i64, user: Option<&Body>, response: &mut Response<'_>) {
    response.body_with("application/json", |out| {
        out.extend_from_slice(b"{\"user_id\":");
        out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
        out.extend_from_slice(b",\"message\":\"Access granted\"");
        if let Some(user) = user {
            out.extend_from_slice(b",\"user\":");
            out.extend_from_slice(user);
        }
        out.push(b'}');
    });
}
