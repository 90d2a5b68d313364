//! The settings of the Redis that the replicas share as a cache, for every API that keeps something in it.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::cache::shared::{Login, RedisAddress, RedisSettings};
use crate::settings::{ConfigError, Setting, Values};
use crate::{files, limits};

pub(super) const REDIS_HOST: Setting = Setting::text(
    "REDIS_HOST",
    "none",
    "host, host:port, unix:/PATH, or rediss://host:port for TLS",
    "the Redis that the replicas share as a cache; without it values are computed each time",
);
pub(super) const REDIS_URL: Setting = Setting::text(
    "REDIS_URL",
    "none",
    "redis://host:port or rediss://host:port (its database 0)",
    "as REDIS_HOST, which takes precedence, under the name that other programs use",
);
pub(super) const REDIS_USER: Setting = Setting::text(
    "REDIS_USER",
    "Redis's default user",
    "a name",
    "the user name for Redis, with REDIS_PASSWORD",
);
pub(super) const REDIS_PASSWORD: Setting =
    Setting::secret("REDIS_PASSWORD", "none", "a text", "the password for Redis");
pub(super) const REDIS_PASSWORD_FILE: Setting = Setting::text(
    "REDIS_PASSWORD_FILE",
    "none",
    "a file",
    "as REDIS_PASSWORD, for a value that is mounted as a file",
);
pub(super) const REDIS_ROOT_CERT: Setting = Setting::text(
    "POUCO_REDIS_ROOT_CERT",
    "the certificate authorities of the system",
    "a file (PEM)",
    "certificate authorities that are trusted if REDIS_HOST uses TLS",
);
pub(super) const REDIS_TIMEOUT: Setting = Setting::number(
    "POUCO_REDIS_TIMEOUT_MS",
    limits::REDIS_TIMEOUT_MS,
    1..=1_000,
    "ms",
    "how long a connection to Redis and each of its replies may take; then it counts as unavailable",
);

/// Checks raw values; `None` if no Redis is named.
///
/// # Errors
/// The first setting that is not allowed.
pub(super) fn read(values: &Values) -> Result<Option<RedisSettings>, ConfigError> {
    let timeout = values.milliseconds(&REDIS_TIMEOUT)?;
    let url = || values.given(&REDIS_URL).map(|text| (&REDIS_URL, text.strip_suffix("/0").unwrap_or(text)));
    let named = values.given(&REDIS_HOST).map(|text| (&REDIS_HOST, text)).or_else(url);
    let Some((setting, text)) = named else {
        // Of no use without it, and maybe meant for a Redis that is then not asked.
        let idle = [&REDIS_USER, &REDIS_PASSWORD, &REDIS_PASSWORD_FILE, &REDIS_ROOT_CERT];
        return match idle.into_iter().find(|setting| values.given(setting).is_some()) {
            Some(setting) => Err(setting.refuse("…", "it needs REDIS_HOST")),
            None => Ok(None),
        };
    };
    let address = text.parse::<RedisAddress>().map_err(|why| {
        // What stands before an `@` may be a password.
        setting.refuse(if text.contains('@') { "…" } else { text }, why)
    })?;
    let user = values.given(&REDIS_USER);
    let login = match (values.secret(&REDIS_PASSWORD, &REDIS_PASSWORD_FILE)?, user) {
        (Some(password), user) => Some(Login { user: user.map(str::to_owned), password }),
        (None, Some(user)) => return Err(REDIS_USER.refuse(user, "it needs REDIS_PASSWORD")),
        (None, None) => None,
    };
    let authorities = values.given(&REDIS_ROOT_CERT);
    if let Some(path) = authorities {
        if !matches!(address, RedisAddress::Tls(..)) {
            return Err(REDIS_ROOT_CERT.refuse(path, "it needs a REDIS_HOST with TLS, rediss://…"));
        }
        let read = files::read(Path::new(path), limits::CERTIFICATES_BYTES);
        let (text, _) = read.map_err(|error| REDIS_ROOT_CERT.refuse(path, error))?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        if found.is_err() || found.is_ok_and(|found| found.is_empty()) {
            return Err(REDIS_ROOT_CERT.refuse(path, "there is no certificate in it (PEM)"));
        }
    }
    Ok(Some(RedisSettings { address, timeout, login, authorities: authorities.map(PathBuf::from) }))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn redis_is_where_it_is_said_to_be() {
        let at = |pairs: &[(&str, &str)]| {
            let redis = read(&pairs.iter().copied().collect());
            redis.map(|redis| redis.map(|it| (it.address.to_string(), it.timeout.as_millis())))
        };
        assert_eq!(at(&[]), Ok(None));
        assert_eq!(at(&[("REDIS_HOST", "")]), Ok(None));
        let there = Ok(Some(("cache:7000".to_owned(), 100)));
        assert_eq!(at(&[("REDIS_HOST", "cache:7000")]), there);
        assert_eq!(at(&[("REDIS_URL", "redis://cache:7000/0")]), there);
        assert_eq!(at(&[("REDIS_URL", "redis://other"), ("REDIS_HOST", "cache:7000")]), there);
        let error = at(&[("REDIS_HOST", "cache:port")]).unwrap_err().to_string();
        assert_eq!(error, "REDIS_HOST=`cache:port` is not allowed: a port is a number up to 65535");
        let error = at(&[("REDIS_URL", "redis://cache/1")]).unwrap_err().to_string();
        assert!(error.starts_with("REDIS_URL=`redis://cache/1` is not allowed: "), "{error}");
    }
}
