//! Access tokens: JWTs (RFC 7519) signed with HS256, and with nothing else.
//!
//! The crate that reads them is given one algorithm: a token that names another, or `none`, meets no code
//! that would take it. Two secrets are good at a time, so that one can be replaced without a log-out: the new
//! one signs, both verify.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as Mismatch, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::secrets::{Secret, TokenSettings};
use crate::cache::Weigh;

/// Bytes of a token that is looked at; ours have some 150.
const TOKEN_BYTES: usize = 1_024;
/// Of a secret that nobody has given.
const RANDOM_BYTES: usize = 32;

/// Makes and reads tokens.
pub(super) struct Tokens {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
    validation: Validation,
    pub(super) lifetime_s: u32,
    audience: Option<&'static str>,
}

/// `sub` is a string (RFC 7519 section 4.1.2): a number is not a token of ours.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    /// Optional (RFC 7519 section 4.1.6), and never looked at.
    #[serde(skip_deserializing)]
    iat: u64,
    exp: u64,
    /// Read by the crate alone, which refuses what is for somebody else.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    aud: Option<&'static str>,
}

/// What a good token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bearer {
    pub(super) user: i64,
    /// The last second of its life, since 1970.
    exp: u64,
}

impl Bearer {
    pub(super) fn is_over(self) -> bool {
        now_s() > self.exp
    }
}

impl Weigh for Bearer {
    fn weight_bytes(&self) -> u64 {
        16
    }
}

impl Tokens {
    /// # Errors
    /// If a secret is needed, and the kernel has no random bytes.
    pub(super) fn new(settings: &TokenSettings) -> io::Result<Self> {
        // Once a process; a second one is the same.
        let _ = HS256.install_default();
        let mut random = [0; RANDOM_BYTES];
        let secret = match &settings.secret {
            Some(secret) => secret.bytes(),
            None => {
                getrandom::fill(&mut random).map_err(io::Error::other)?;
                log::info!(
                    "access tokens are signed with a random secret: they end with this process, and no other \
                     takes them. POUCO_JWT_SECRET gives one that lasts"
                );
                &random
            }
        };
        let before = settings.before.iter().map(Secret::bytes);
        let verifying = [secret].into_iter().chain(before).map(DecodingKey::from_secret);
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_required_spec_claims(&["exp", "sub"]);
        if let Some(audience) = settings.audience {
            validation.set_audience(&[audience]);
        }
        Ok(Self {
            signing: EncodingKey::from_secret(secret).map_err(io::Error::other)?,
            verifying: verifying.collect::<Result<_, _>>().map_err(io::Error::other)?,
            validation,
            lifetime_s: settings.lifetime_s,
            audience: settings.audience,
        })
    }

    /// A token of this user, good from now on for the lifetime.
    ///
    /// # Errors
    /// None that is known; the crate's.
    pub(super) fn issue(&self, user: i64) -> Result<String, Error> {
        let iat = now_s();
        let exp = iat + u64::from(self.lifetime_s);
        let claims = Claims { sub: user.to_string(), iat, exp, aud: self.audience };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
    }

    /// Whose token it is, and until when; `None` if it is not a good one.
    pub(super) fn read(&self, token: &[u8]) -> Option<Bearer> {
        if token.len() > TOKEN_BYTES {
            return None;
        }
        let read = |key| decode::<Claims>(token, key, &self.validation).ok();
        let Claims { sub, exp, .. } = self.verifying.iter().find_map(read)?.claims;
        Some(Bearer { user: sub.parse().ok()?, exp })
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The one algorithm.
static HS256: CryptoProvider =
    CryptoProvider { signer_factory, verifier_factory, key_utils: KeyUtils::new_unimplemented() };

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(algorithm: Algorithm, secret: &[u8]) -> Result<Box<Self>, Error> {
        if algorithm != Algorithm::HS256 {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        let keyed = Hmac::new_from_slice(secret).map_err(|_| Error::from(ErrorKind::InvalidKeyFormat))?;
        Ok(Box::new(Self(keyed)))
    }

    fn of(&self, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(message);
        mac
    }
}

fn signer_factory(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Ok(Hs256::new(*algorithm, key.as_bytes())?)
}

fn verifier_factory(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    Ok(Hs256::new(*algorithm, key.try_get_as_bytes()?)?)
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, Mismatch> {
        Ok(self.of(message).finalize().into_bytes().to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

/// In a time that does not depend on where they differ.
impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Mismatch> {
        self.of(message).verify_slice(signature).map_err(|_| Mismatch::new())
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const OLD: &str = "the secret of before, long enough";
    const NEW: &str = "the secret of today, long enough.";

    fn tokens(secret: &str, before: Option<&str>) -> Tokens {
        let of = |text: &str| Secret::new(text.into());
        let (secret, before) = (Some(of(secret)), before.map(of));
        Tokens::new(&TokenSettings { secret, before, lifetime_s: 60, audience: None }).unwrap()
    }

    fn user(tokens: &Tokens, token: &[u8]) -> Option<i64> {
        tokens.read(token).map(|bearer| bearer.user)
    }

    /// A token made without the crate.
    fn signed(header: &str, claims: &str, secret: &str) -> String {
        let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(parts.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{parts}.{signature}")
    }

    const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    fn claims(sub: &str, exp: u64) -> String {
        format!(r#"{{"sub":{sub},"iat":1,"exp":{exp}}}"#)
    }

    #[test]
    fn rfc_7519_a_token_says_whose_it_is_and_until_when() {
        let tokens = tokens(NEW, None);
        let token = tokens.issue(7).unwrap();
        assert_eq!(user(&tokens, token.as_bytes()), Some(7));
        let parts: Vec<&str> = token.split('.').collect();
        let part = |index: usize| {
            let bytes = URL_SAFE_NO_PAD.decode(parts[index]).unwrap();
            serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
        };
        assert_eq!(part(0), serde_json::json!({"alg": "HS256", "typ": "JWT"}));
        assert_eq!(part(1)["sub"], "7", "a string");
        assert_eq!(part(1)["exp"].as_u64().unwrap() - part(1)["iat"].as_u64().unwrap(), 60);
    }

    #[test]
    fn a_token_of_another_program_with_the_same_secret_is_good() {
        let later = now_s() + 5;
        for claims in [claims("\"7\"", later), format!(r#"{{"sub":"7","exp":{later}}}"#)] {
            let token = signed(HEADER, &claims, NEW);
            assert_eq!(user(&tokens(NEW, None), token.as_bytes()), Some(7), "{claims}");
        }
    }

    #[test]
    fn rfc_7519_4_1_3_a_token_for_somebody_else_is_not_good() {
        let secret = || Some(Secret::new(NEW.into()));
        let of = |audience| {
            let settings = TokenSettings { secret: secret(), before: None, lifetime_s: 60, audience };
            Tokens::new(&settings).unwrap()
        };
        let (anybody, one, another) = (of(None), of(Some("one")), of(Some("another")));
        let token = one.issue(7).unwrap();
        assert_eq!([&anybody, &one, &another].map(|it| user(it, token.as_bytes())), [None, Some(7), None]);
        let token = anybody.issue(7).unwrap();
        assert_eq!(user(&one, token.as_bytes()), Some(7), "it does not say");
    }

    #[test]
    fn two_secrets_are_good_and_the_new_one_signs() {
        let (before, after) = (tokens(OLD, None), tokens(NEW, Some(OLD)));
        let old = before.issue(7).unwrap();
        assert_eq!(user(&after, old.as_bytes()), Some(7));
        assert_eq!(user(&tokens(NEW, None), old.as_bytes()), None);
        let new = after.issue(7).unwrap();
        assert_eq!((user(&after, new.as_bytes()), user(&before, new.as_bytes())), (Some(7), None));
    }

    #[test]
    fn what_is_not_a_good_token_is_nobodys() {
        let tokens = tokens(NEW, None);
        let later = now_s() + 60;
        let good = signed(HEADER, &claims("\"7\"", later), NEW);
        assert_eq!(user(&tokens, good.as_bytes()), Some(7));
        let with = |header: &str, claims: &str| signed(header, claims, NEW);
        let seven = claims("\"7\"", later);
        let unsigned = with(r#"{"alg":"none"}"#, &seven);
        let unsigned = unsigned.rsplit_once('.').unwrap().0;
        let bad = [
            String::new(),
            "..".into(),
            "a.b.c".into(),
            format!("{good}."),
            format!("{good}A"),
            good[..good.len() - 1].into(),
            unsigned.into(),
            format!("{unsigned}."),
            with(r#"{"alg":"none"}"#, &seven),
            with(r#"{"alg":"HS512"}"#, &seven),
            with(r#"{"alg":"RS256"}"#, &seven),
            with("{}", &seven),
            with(HEADER, &claims("\"7\"", now_s() - 1)),
            with(HEADER, &claims("7", later)),
            with(HEADER, &claims("null", later)),
            with(HEADER, &claims("\"seven\"", later)),
            with(HEADER, &claims("\"99999999999999999999\"", later)),
            with(HEADER, r#"{"sub":"7","iat":1}"#),
            with(HEADER, r#"{"sub":"7","iat":1,"exp":"4102444800"}"#),
            with(HEADER, &format!(r#"{{"iat":1,"exp":{later}}}"#)),
            signed(HEADER, &seven, OLD),
            with(HEADER, &seven.replace('}', &format!(r#","x":"{}"}}"#, "x".repeat(TOKEN_BYTES)))),
        ];
        for token in bad {
            assert_eq!(user(&tokens, token.as_bytes()), None, "{token}");
        }
    }

    #[test]
    fn no_byte_of_a_token_may_change() {
        let tokens = tokens(NEW, None);
        let good = tokens.issue(7).unwrap().into_bytes();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] = if bad[at] == b'A' { b'Q' } else { b'A' };
            assert_eq!(user(&tokens, &bad), None, "byte {at} of {}", good.len());
        }
    }

    #[test]
    fn a_random_secret_is_another_one_each_time() {
        let settings = || TokenSettings { secret: None, before: None, lifetime_s: 60, audience: None };
        let random = || Tokens::new(&settings()).unwrap();
        let (one, other) = (random(), random());
        let token = one.issue(7).unwrap();
        assert_eq!((user(&one, token.as_bytes()), user(&other, token.as_bytes())), (Some(7), None));
    }
}
