//! Refresh tokens: random, good once, kept as a hash.
//!
//! A login begins a family. Each refresh gives the family's next token, and the one before is no good any
//! more. A client that comes with that one holds a copy: then it is unknown which of the two is the user, so
//! the family ends and both must log in again (RFC 9700 section 4.14.2). A family is one row, however often
//! it is refreshed: any token of it but the newest is one that was used.
//!
//! A stored token would be as good as a password, so what is kept is its SHA-256. It needs no salt and no
//! cost, since nobody guesses 256 bits.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

const FAMILY_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const BYTES: usize = FAMILY_BYTES + SECRET_BYTES;
/// Three bytes are four characters, without a rest.
const CHARACTERS: usize = BYTES / 3 * 4;
const _: () = assert!(BYTES.is_multiple_of(3));

/// A token as its client has it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RefreshToken {
    pub(super) family: Uuid,
    secret: [u8; SECRET_BYTES],
}

impl RefreshToken {
    /// The first one of a new family.
    ///
    /// # Errors
    /// If the kernel has no random bytes.
    pub(super) fn first() -> Result<Self, getrandom::Error> {
        let mut family = [0; FAMILY_BYTES];
        getrandom::fill(&mut family)?;
        Self::of(Builder::from_random_bytes(family).into_uuid())
    }

    /// The next one of the same family.
    ///
    /// # Errors
    /// As [`RefreshToken::first`].
    pub(super) fn next(&self) -> Result<Self, getrandom::Error> {
        Self::of(self.family)
    }

    fn of(family: Uuid) -> Result<Self, getrandom::Error> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret)?;
        Ok(Self { family, secret })
    }

    /// A token as it came; `None` if it cannot be one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() != CHARACTERS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (family, secret) = bytes.split_first_chunk()?;
        Some(Self { family: Uuid::from_bytes(*family), secret: secret.try_into().ok()? })
    }

    /// The token as it goes.
    pub(super) fn text(&self) -> String {
        let mut bytes = [0; BYTES];
        bytes[..FAMILY_BYTES].copy_from_slice(self.family.as_bytes());
        bytes[FAMILY_BYTES..].copy_from_slice(&self.secret);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What is kept of it.
    pub(super) fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.secret).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let first = RefreshToken::first().unwrap();
        let next = first.next().unwrap();
        assert!(first.family == next.family && first.hash() != next.hash());
        assert!(RefreshToken::first().unwrap().family != first.family);
        for token in [first, next] {
            let text = token.text();
            assert_eq!(text.len(), CHARACTERS);
            assert!(RefreshToken::parse(&text).is_some_and(|read| read == token), "{text}");
            for bad in ["", &text[1..], &format!("{text}A"), &text.replacen(|_| true, "=", 1)] {
                assert!(RefreshToken::parse(bad).is_none(), "{bad}");
            }
        }
    }
}
