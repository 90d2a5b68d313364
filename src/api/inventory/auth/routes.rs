//! The handlers of accounts. Each runs on its connection's coroutine and parks where it asks the store or has
//! a password hashed.

use std::sync::Arc;

use serde::Serialize;

use super::attempts::Attempt;
use super::bearer::{Caller, Refused};
use super::input::{Credentials, Refresh, Registration};
use super::passwords::NoHash;
use super::refresh::RefreshToken;
use super::sql::{self, Account, NewUser, Rotated, User};
use super::{Auth, count};
use crate::http::{Rejection, Request, Response, Status};

const TAKEN: Rejection = Rejection::of_field(Status::Conflict, "is taken", "email");

/// One answer for an unknown address, a wrong password and an inactive account: who guesses learns nothing.
const WRONG: Refused = Refused::without_token("the e-mail address or the password is wrong");

const NOT_FRESH: Refused = Refused::without_token("the refresh token is not valid, or not any more");

/// A user as an answer shows them.
#[derive(Serialize)]
struct Shown<'u> {
    id: i64,
    email: &'u str,
    full_name: &'u str,
    is_active: bool,
}

/// What a login and a refresh give (RFC 6749 section 5.1).
#[derive(Serialize)]
struct Pair {
    access_token: String,
    refresh_token: String,
    token_type: &'static str,
    expires_in: u32,
}

impl Auth {
    /// `POST /api/v1/auth/register`: 201 with the user, 409 for an address that is taken in whatever case.
    pub(super) fn register(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Refused> {
        let Registration { email, password, full_name } = Registration::read(request)?;
        // Before the hash: to ask again for an address that is taken costs next to nothing.
        if sql::account(&self.pool, &email)?.is_some() {
            return Err(TAKEN.into());
        }
        let password_hash = self.passwords.hash(password).map_err(Rejection::from)?;
        let new = Arc::new(NewUser { email, full_name, password_hash });
        let id = sql::insert(&self.pool, &new)?.ok_or(TAKEN)?;
        let shown = Shown { id, email: &new.email, full_name: &new.full_name, is_active: true };
        response.status(Status::Created).json_of(&shown);
        Ok(())
    }

    /// `POST /api/v1/auth/login`, as a form or as JSON: 200 with a pair of tokens; 401; 429 after too many
    /// that failed; 503 where the password would wait for long.
    pub(super) fn login(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Refused> {
        let address = request.head().client();
        let Credentials { email, password } = Credentials::read(request)?;
        let account = sql::account(&self.pool, &email)?;
        let attempt = Attempt::new(account.as_ref().map(|account| account.id), &email, address);
        self.attempts.check(&attempt).inspect_err(|_| count(&self.logins.limited))?;
        let hash = account.as_ref().map(|account| account.password_hash.clone());
        let is_right = self.passwords.is_right(password, hash).map_err(|reason| {
            if reason == NoHash::Busy {
                count(&self.logins.busy);
            }
            Rejection::from(reason)
        })?;
        // Whether it is active is looked at last, so that it takes the same time.
        let entered = account.filter(|account| is_right && account.is_active);
        let Some(Account { id, .. }) = entered else {
            self.attempts.note_failure(&attempt);
            count(&self.logins.failed);
            return Err(WRONG);
        };
        let token = RefreshToken::first().map_err(|error| no_token(&error))?;
        sql::begin_family(&self.pool, id, &token, self.refresh_lifetime_s)?;
        self.answer_pair(id, &token, response)?;
        count(&self.logins.succeeded);
        Ok(())
    }

    /// `POST /api/v1/auth/refresh`: 200 with a new pair for the newest token of a family; 401 for any other,
    /// and the end of the family it was of.
    pub(super) fn refresh(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Refused> {
        let Refresh { refresh_token } = request.valid_json()?;
        let Some(token) = RefreshToken::parse(&refresh_token) else {
            count(&self.refreshes.unknown);
            return Err(NOT_FRESH);
        };
        let next = token.next().map_err(|error| no_token(&error))?;
        let counter = match sql::rotate(&self.pool, &token, &next, self.refresh_lifetime_s)? {
            Rotated::To(id) => {
                self.answer_pair(id, &next, response)?;
                count(&self.refreshes.succeeded);
                return Ok(());
            }
            Rotated::Revoked => &self.refreshes.revoked,
            Rotated::Unknown => &self.refreshes.unknown,
        };
        count(counter);
        Err(NOT_FRESH)
    }

    /// `GET /api/v1/auth/me`: the user whose token it is.
    pub(super) fn me(
        &self,
        caller: &Caller,
        _: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Refused> {
        let gone = Rejection::new(Status::NotFound, "the account is gone");
        let User { id, email, full_name, is_active } = sql::user(&self.pool, caller.id)?.ok_or(gone)?;
        response.json_of(&Shown { id, email: &email, full_name: &full_name, is_active });
        Ok(())
    }

    fn answer_pair(
        &self,
        user: i64,
        refresh: &RefreshToken,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let access_token = self.tokens.issue(user).map_err(|error| no_token(&error))?;
        let expires_in = self.tokens.lifetime_s;
        let pair = Pair { access_token, refresh_token: refresh.text(), token_type: "bearer", expires_in };
        // Nobody on the way may keep it (RFC 6749 section 5.1).
        response.header("cache-control", "no-store").json_of(&pair);
        Ok(())
    }
}

fn no_token(error: &dyn std::fmt::Display) -> Rejection {
    log::error!("a token cannot be made: {error}");
    Rejection::new(Status::InternalServerError, "a token cannot be made")
}
