//! The secrets that access tokens are signed with: the settings of every API that has such tokens.

use crate::settings::{ConfigError, Setting, Values};

pub(super) const SECRET: Setting = Setting::secret(
    "POUCO_JWT_SECRET",
    "random at each start",
    "32 bytes or more",
    "signs access tokens; all replicas need the same one",
);
pub(super) const SECRET_FILE: Setting = Setting::text(
    "POUCO_JWT_SECRET_FILE",
    "none",
    "a file with 32 bytes or more; a trailing newline is not counted",
    "as POUCO_JWT_SECRET, for a secret that is mounted as a file",
);
pub(super) const SECRET_BEFORE: Setting = Setting::secret(
    "POUCO_JWT_SECRET_BEFORE",
    "none",
    "32 bytes or more",
    "the previous secret: tokens signed with it are still accepted, and no new ones are signed with it",
);
pub(super) const SECRET_BEFORE_FILE: Setting = Setting::text(
    "POUCO_JWT_SECRET_BEFORE_FILE",
    "none",
    "a file with 32 bytes or more; a trailing newline is not counted",
    "as POUCO_JWT_SECRET_BEFORE, for a secret that is mounted as a file",
);
/// Shorter ones are guessed (RFC 7518 section 3.2).
const SECRET_BYTES: usize = 32;

/// A secret. It has no `Debug`, so that it is in no log.
pub(super) struct Secret(Vec<u8>);

impl Secret {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What tokens are made with.
pub(super) struct TokenSettings {
    /// `None`: one at random.
    pub(super) secret: Option<Secret>,
    /// Still good, and not used any more.
    pub(super) before: Option<Secret>,
    pub(super) lifetime_s: u32,
    /// Whom the tokens are for: one that is for somebody else is not good (RFC 7519 section 4.1.3), though it
    /// is signed with the same secret. `None`: they do not say.
    pub(super) audience: Option<&'static str>,
}

impl TokenSettings {
    /// Checks raw values.
    ///
    /// # Errors
    /// The first setting that is not allowed.
    pub(super) fn read(
        values: &Values,
        lifetime_s: u32,
        audience: Option<&'static str>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            secret: secret(values, &SECRET, &SECRET_FILE)?,
            before: secret(values, &SECRET_BEFORE, &SECRET_BEFORE_FILE)?,
            lifetime_s,
            audience,
        })
    }

    /// Whether so many replicas can serve with them: a token of one must be good at the other.
    ///
    /// # Errors
    /// There are several, and no secret was given to them.
    pub(super) fn check(&self, several_replicas: bool) -> Result<(), ConfigError> {
        if several_replicas && self.secret.is_none() {
            let why = "several replicas serve (POUCO_REPLICAS), and all need the same secret of 32 bytes or \
                       more, here or in POUCO_JWT_SECRET_FILE";
            return Err(SECRET.refuse("", why));
        }
        Ok(())
    }
}

/// From the setting or from its file. The value is not repeated in a message.
fn secret(values: &Values, setting: &Setting, file: &Setting) -> Result<Option<Secret>, ConfigError> {
    let Some(bytes) = values.secret(setting, file)? else { return Ok(None) };
    if bytes.len() < SECRET_BYTES {
        return Err(match values.given(file) {
            Some(path) => file.refuse(path, file.allowed()),
            None => setting.refuse("…", setting.allowed()),
        });
    }
    Ok(Some(Secret::new(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "a secret of thirty-two bytes, or m";

    fn read(pairs: &[(&str, &str)]) -> Result<TokenSettings, String> {
        TokenSettings::read(&pairs.iter().copied().collect(), 60, None).map_err(|error| error.to_string())
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        read(pairs).err().unwrap_or_else(|| panic!("{pairs:?} is taken"))
    }

    #[test]
    fn a_short_secret_is_refused_and_not_repeated() {
        for name in ["POUCO_JWT_SECRET", "POUCO_JWT_SECRET_BEFORE"] {
            let message = error(&[(name, &LONG[..31])]);
            assert_eq!(message, format!("{name}=`…` is not allowed: 32 bytes or more"));
            assert!(read(&[(name, &LONG[..32])]).is_ok());
        }
    }

    #[test]
    fn a_secret_may_be_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        for (text, taken) in [("", false), (&LONG[..31], false), ("a short one\r\n\n", false), (LONG, true)] {
            std::fs::write(path, format!("{text}\n")).unwrap();
            assert_eq!(read(&[("POUCO_JWT_SECRET_FILE", path)]).is_ok(), taken, "{text}");
        }
        let both = error(&[("POUCO_JWT_SECRET_FILE", path), ("POUCO_JWT_SECRET", LONG)]);
        assert!(both.ends_with("POUCO_JWT_SECRET is set as well") && !both.contains(LONG), "{both}");
    }

    #[test]
    fn several_replicas_need_one_secret() {
        let settings = read(&[]).unwrap_or_else(|error| panic!("{error}"));
        assert!(settings.check(false).is_ok());
        let message = settings.check(true).unwrap_err().to_string();
        assert!(message.starts_with("POUCO_JWT_SECRET=`` is not allowed: several replicas"), "{message}");
        let settings = read(&[("POUCO_JWT_SECRET", LONG)]).unwrap_or_else(|error| panic!("{error}"));
        assert!(settings.check(true).is_ok());
    }
}
