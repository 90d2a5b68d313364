//! Passwords, access tokens, and whose token comes with a request.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, Data};
use actix_web::{FromRequest, HttpRequest};
use chrono::Utc;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::database::Database;
use crate::input::{Credentials, Registration};
use crate::model::User;
use crate::rejection::Rejection;

const LIFETIME_SECONDS: i64 = 24 * 60 * 60;

const NO_TOKEN: Rejection = Rejection::new(StatusCode::UNAUTHORIZED, "an access token is needed");
const BAD_TOKEN: Rejection =
    Rejection::new(StatusCode::UNAUTHORIZED, "the access token is not valid, or not any more");
const WRONG: Rejection =
    Rejection::new(StatusCode::UNAUTHORIZED, "the e-mail address or the password is wrong");

pub(crate) struct Accounts {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    cost: u32,
    /// What the password of an address that nobody has is compared with: that takes the same time.
    nobody: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Claims {
    sub: String,
    iat: i64,
    exp: i64,
}

/// The answer to a login.
#[derive(Debug, Serialize)]
pub(crate) struct Token {
    access_token: String,
    token_type: &'static str,
}

impl Accounts {
    pub(crate) fn new(secret: &str, cost: u32) -> Result<Self, String> {
        let nobody =
            bcrypt::hash("the password of nobody", cost).map_err(|error| format!("bcrypt: {error}"))?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        let no_key = |error| format!("JWT_SECRET: {error}");
        let encoding = EncodingKey::from_secret(secret.as_bytes()).map_err(no_key)?;
        let decoding = DecodingKey::from_secret(secret.as_bytes()).map_err(no_key)?;
        Ok(Self { encoding, decoding, validation, cost, nobody })
    }

    pub(crate) async fn register(&self, database: &Database, new: Registration) -> Result<User, Rejection> {
        let (password, cost) = (new.password.clone(), self.cost);
        let hash = web::block(move || bcrypt::hash(password, cost)).await.map_err(Rejection::unavailable)?;
        database.add_user(&new, &hash.map_err(Rejection::unavailable)?).await
    }

    pub(crate) async fn login(&self, database: &Database, login: Credentials) -> Result<Token, Rejection> {
        let known = database.password(&login.email).await?;
        let (id, hash) = known.map_or_else(|| (None, self.nobody.clone()), |(id, hash)| (Some(id), hash));
        let right = web::block(move || bcrypt::verify(login.password, &hash)).await;
        let right = right.map_err(Rejection::unavailable)?.map_err(Rejection::unavailable)?;
        id.filter(|_| right).ok_or(WRONG).and_then(|id| self.token(id))
    }

    fn token(&self, id: i64) -> Result<Token, Rejection> {
        let iat = Utc::now().timestamp();
        let claims = Claims { sub: id.to_string(), iat, exp: iat + LIFETIME_SECONDS };
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.encoding);
        Ok(Token { access_token: token.map_err(Rejection::unavailable)?, token_type: "bearer" })
    }

    #[cfg(test)]
    pub(crate) fn token_of(&self, id: i64) -> String {
        self.token(id).map(|token| token.access_token).unwrap_or_default()
    }

    fn read(&self, authorization: Option<&str>) -> Result<Caller, Rejection> {
        let (scheme, token) = authorization.and_then(|text| text.split_once(' ')).ok_or(NO_TOKEN)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(NO_TOKEN);
        }
        let read = decode::<Claims>(token.trim(), &self.decoding, &self.validation).map_err(|_| BAD_TOKEN)?;
        read.claims.sub.parse().map(Caller).map_err(|_| BAD_TOKEN)
    }
}

/// Who sent a request: the id of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller(pub(crate) i64);

impl FromRequest for Caller {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let accounts = request.app_data::<Data<Accounts>>();
        ready(accounts.map_or(Err(NO_TOKEN), |accounts| accounts.read(header)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn signed(secret: &str, algorithm: Algorithm, claims: &serde_json::Value) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes()).unwrap();
        format!("Bearer {}", encode(&Header::new(algorithm), claims, &key).unwrap())
    }

    #[test]
    fn only_a_token_of_ours_is_good() {
        let accounts = Accounts::new(SECRET, 4).unwrap();
        let exp = Utc::now().timestamp() + 60;
        let claims = serde_json::json!({ "sub": "7", "exp": exp, "iat": exp });
        let good = signed(SECRET, Algorithm::HS256, &claims);
        assert_eq!(accounts.read(Some(&good)), Ok(Caller(7)));
        let own = format!("bearer  {}", accounts.token(7).unwrap().access_token);
        assert_eq!(accounts.read(Some(&own)), Ok(Caller(7)));

        let of = |claims| signed(SECRET, Algorithm::HS256, &claims);
        let none = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiI3IiwiaWF0IjowLCJleHAiOjk5OTk5OTk5OTl9.";
        let bad = [
            none.to_owned(),
            good.trim_end_matches(|c| c != '.').to_owned(),
            "Bearer nonsense".to_owned(),
            signed(&SECRET.replace('0', "1"), Algorithm::HS256, &claims),
            signed(SECRET, Algorithm::HS512, &claims),
            of(serde_json::json!({ "sub": "7", "iat": 0, "exp": exp - 61 })),
            of(serde_json::json!({ "sub": "7", "iat": 0 })),
            of(serde_json::json!({ "sub": 7, "iat": 0, "exp": exp })),
            of(serde_json::json!({ "sub": "ana", "iat": 0, "exp": exp })),
        ];
        for text in bad {
            assert_eq!(accounts.read(Some(&text)), Err(BAD_TOKEN), "{text}");
        }
        for text in [None, Some(""), Some("Bearer"), Some("Basic abc")] {
            assert_eq!(accounts.read(text), Err(NO_TOKEN), "{text:?}");
        }
    }
}
