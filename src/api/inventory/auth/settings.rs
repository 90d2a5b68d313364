//! The settings of accounts: secrets, lifetimes, what a hash costs, and the limits.

use std::time::Duration;

use super::attempts;
use super::passwords::Hashing;
use super::tokens::{Secret, TokenSettings};
use crate::settings::{ConfigError, Setting, Values};

/// All of them.
pub(in crate::api::inventory) const SETTINGS: &[Setting] = &[
    SECRET,
    SECRET_FILE,
    SECRET_BEFORE,
    SECRET_BEFORE_FILE,
    LIFETIME,
    REFRESH_LIFETIME,
    COST,
    HASH_THREADS,
    HASH_WAIT,
    FAILURES_BY_ACCOUNT,
    FAILURES_BY_ADDRESS,
];

const SECRET: Setting = Setting::secret(
    "POUCO_JWT_SECRET",
    "none: random with each start",
    "32 bytes or more",
    "signs access tokens; all replicas need the same one",
);
const SECRET_FILE: Setting = Setting::text(
    "POUCO_JWT_SECRET_FILE",
    "none",
    "a file with 32 bytes or more; a line end behind them is not counted",
    "as POUCO_JWT_SECRET, for a secret that is mounted",
);
const SECRET_BEFORE: Setting = Setting::secret(
    "POUCO_JWT_SECRET_BEFORE",
    "none",
    "32 bytes or more",
    "the secret before that one: tokens signed with it are still taken, and no new ones made",
);
const SECRET_BEFORE_FILE: Setting = Setting::text(
    "POUCO_JWT_SECRET_BEFORE_FILE",
    "none",
    "a file with 32 bytes or more; a line end behind them is not counted",
    "as POUCO_JWT_SECRET_BEFORE, for a secret that is mounted",
);
const LIFETIME: Setting =
    Setting::number("POUCO_JWT_LIFETIME_S", 1_800, 1..=31_536_000, "s", "how long an access token is good");
const REFRESH_LIFETIME: Setting = Setting::number(
    "POUCO_REFRESH_LIFETIME_S",
    14 * 24 * 3600,
    1..=31_536_000,
    "s",
    "how long a refresh token is good; each refresh gives a new one",
);
const COST: Setting = Setting::number(
    "POUCO_BCRYPT_COST",
    10,
    4..=15,
    "",
    "what a password's hash costs: one more is twice the CPU, for the server and for who guesses",
);
const HASH_THREADS: Setting = Setting::number(
    "POUCO_HASH_THREADS",
    1,
    1..=16,
    "",
    "passwords hashed at once, each on a CPU of its own if there is one",
);
const HASH_WAIT: Setting = Setting::number(
    "POUCO_HASH_WAIT_MS",
    500,
    1..=10_000,
    "ms",
    "how long a password may wait for its turn to be hashed; one that would wait longer is a 503 at once",
);
const FAILURES_BY_ACCOUNT: Setting = Setting::number(
    "POUCO_LOGIN_FAILURES_PER_ACCOUNT",
    10,
    1..=1_000_000,
    "",
    "failed logins of one account in a minute; then each one is a 429 until the minute is over",
);
const FAILURES_BY_ADDRESS: Setting = Setting::number(
    "POUCO_LOGIN_FAILURES_PER_ADDRESS",
    100,
    1..=1_000_000,
    "",
    "the same for one address of a client",
);
/// Shorter ones are guessed (RFC 7518 section 3.2).
const SECRET_BYTES: usize = 32;

/// Checked settings.
pub(in crate::api::inventory) struct Settings {
    pub(super) tokens: TokenSettings,
    pub(super) refresh_lifetime_s: u32,
    pub(super) hashing: Hashing,
    pub(super) attempts: attempts::Limits,
}

impl Settings {
    /// Checks raw values.
    ///
    /// # Errors
    /// The first setting that is not allowed.
    pub(in crate::api::inventory) fn read(values: &Values) -> Result<Self, ConfigError> {
        let seconds = |setting| Ok(u32::try_from(values.number(setting)?).unwrap_or(u32::MAX));
        Ok(Self {
            tokens: TokenSettings {
                secret: secret(values, &SECRET, &SECRET_FILE)?,
                before: secret(values, &SECRET_BEFORE, &SECRET_BEFORE_FILE)?,
                lifetime_s: seconds(&LIFETIME)?,
            },
            refresh_lifetime_s: seconds(&REFRESH_LIFETIME)?,
            hashing: Hashing {
                cost: seconds(&COST)?,
                threads: values.size(&HASH_THREADS)?,
                longest_wait: values.milliseconds(&HASH_WAIT)?,
            },
            attempts: attempts::Limits {
                by_account: seconds(&FAILURES_BY_ACCOUNT)?,
                by_address: seconds(&FAILURES_BY_ADDRESS)?,
                window: Duration::from_secs(60),
            },
        })
    }

    /// Whether so many replicas can serve with them: a token of one must be good at the other.
    ///
    /// # Errors
    /// There are several, and no secret was given to them.
    pub(in crate::api::inventory) fn check(&self, several_replicas: bool) -> Result<(), ConfigError> {
        if several_replicas && self.tokens.secret.is_none() {
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

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(&pairs.iter().copied().collect()).map_err(|error| error.to_string())
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
