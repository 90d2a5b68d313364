//! The settings of accounts: secrets, lifetimes, what a hash costs, and the limits.

use std::time::Duration;

use super::attempts;
use super::passwords::Hashing;
use crate::api::secrets::{SECRET, SECRET_BEFORE, SECRET_BEFORE_FILE, SECRET_FILE, TokenSettings};
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

const LIFETIME: Setting =
    Setting::number("POUCO_JWT_LIFETIME_S", 1_800, 1..=31_536_000, "s", "how long an access token is valid");
const REFRESH_LIFETIME: Setting = Setting::number(
    "POUCO_REFRESH_LIFETIME_S",
    14 * 24 * 3600,
    1..=31_536_000,
    "s",
    "how long a refresh token is valid; each refresh returns a new one",
);
const COST: Setting = Setting::number(
    "POUCO_BCRYPT_COST",
    10,
    4..=15,
    "",
    "bcrypt's cost of a password hash: one more doubles the CPU, for the server and for an attacker",
);
const HASH_THREADS: Setting = Setting::number(
    "POUCO_HASH_THREADS",
    1,
    1..=16,
    "",
    "passwords hashed at the same time, each on its own CPU if there are enough",
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
    "failed logins to one account per minute; after that each login is a 429 until the minute is over",
);
const FAILURES_BY_ADDRESS: Setting = Setting::number(
    "POUCO_LOGIN_FAILURES_PER_ADDRESS",
    100,
    1..=1_000_000,
    "",
    "the same for one client address",
);

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
            tokens: TokenSettings::read(values, seconds(&LIFETIME)?, None)?,
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
        self.tokens.check(several_replicas)
    }
}
