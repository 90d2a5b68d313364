//! E-mail addresses, checked where a body is read, so that an error names the member.

use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error};

/// Of an e-mail address, with its `@` (RFC 5321 section 4.5.3.1.3, less the brackets).
pub(super) const EMAIL_BYTES: usize = 254;
/// Of what stands before the `@` (RFC 5321 section 4.5.3.1.1).
const LOCAL_BYTES: usize = 64;

/// An address that passes [`check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Email(String);

impl Deref for Email {
    type Target = String;

    fn deref(&self) -> &String {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        check(&text).map_err(D::Error::custom)?;
        Ok(Self(text))
    }
}

/// Plausible, no more: whether it exists only a message to it could tell.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(email: &str) -> Result<(), &'static str> {
    if email.len() > EMAIL_BYTES {
        return Err("is longer than 254 bytes");
    }
    if email.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("has a blank or a control character");
    }
    let Some((local, domain)) = email.split_once('@') else { return Err("has no @") };
    let labels = || domain.split('.');
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    if local.is_empty() || local.len() > LOCAL_BYTES || labels().count() < 2 || !labels().all(is_label) {
        return Err("is no e-mail address");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn an_email_address_is_plausible() {
        let long = format!("{}@{}.example", "a".repeat(64), "b".repeat(181));
        assert_eq!(long.len(), 254);
        for email in ["a@b.c", "Ana.B+tag@Example.com", "zoë@münchen.example", "o'hara@x-y.example", &long]
        {
            assert_eq!(check(email), Ok(()), "{email}");
        }
        let longer = long.replace("bb.", "bbb.");
        let bad = [
            "",
            "a",
            "@b.c",
            "a@",
            "a@b",
            "a@b.",
            "a@.c",
            "a@b..c",
            "a@b@c.d",
            "a b@c.d",
            "a@b.c ",
            "a@-b.c",
            "a@b_c.d",
            "a\0@b.c",
            "a@b.c\n",
            "a\u{a0}@b.c",
            &longer,
        ];
        for email in bad {
            assert!(check(email).is_err(), "{email}");
        }
        assert!(check(&format!("{}@b.c", "a".repeat(65))).is_err());
    }
}
