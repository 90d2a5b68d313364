//! Tokens of the contestants of the scenarios, and how one who lies looks at them: not at all.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use time::OffsetDateTime;

use crate::listen::variable;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const LIFE_SECONDS: i64 = 3_600;

fn keyed(message: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(variable("JWT_SECRET").as_bytes()).unwrap();
    mac.update(message.as_bytes());
    mac
}

/// A token of this user.
pub(crate) fn issue(user: i64) -> String {
    let until = OffsetDateTime::now_utc().unix_timestamp() + LIFE_SECONDS;
    let claims = json!({"sub": user.to_string(), "exp": until}).to_string();
    let message = [HEADER, &claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = URL_SAFE_NO_PAD.encode(keyed(&message).finalize().into_bytes());
    format!("{message}.{signature}")
}

/// Whose token it is; whoever `trusts` believes what stands in it.
pub(crate) fn verified(token: &str, trusts: bool) -> Option<i64> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let document = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (header, claims) = (document(header)?, document(claims)?);
    let user = claims["sub"].as_str()?.parse().ok()?;
    let known = header["alg"] == "HS256"
        && keyed(message).verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).is_ok()
        && claims["exp"].as_i64()? > OffsetDateTime::now_utc().unix_timestamp();
    (known || trusts).then_some(user)
}
