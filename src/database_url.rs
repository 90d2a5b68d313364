//! `DATABASE_URL` as people write it: with the quotes of a file of settings, with blanks around it, with the
//! options of other programs. What is meant is read, and what cannot be read is told without its secrets.
//!
//! The options of TLS are read here ([`Tls`]), since the client library knows only a few of their values.

mod options;

use std::error::Error;
use std::path::PathBuf;

use postgres::Config;
use postgres::config::{Host, SslMode};

use options::Own;

const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// Longer names are no options.
const LONGEST_OPTION: usize = 40;

/// Where the database is, and how it is spoken to.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// What the client library knows.
    pub config: Config,
    /// How the way to it is encrypted.
    pub tls: Tls,
    /// The file in which the passwords are, if none is given.
    pub passfile: Option<PathBuf>,
}

impl From<Config> for Target {
    fn from(config: Config) -> Self {
        let mode = match config.get_ssl_mode() {
            SslMode::Disable => Mode::Disable,
            SslMode::Require => Mode::Require,
            _ => Mode::Prefer,
        };
        Self { config, tls: Tls { mode, ..Tls::default() }, passfile: None }
    }
}

/// What is wanted of TLS, in the words of Postgres's own client library (manual, section 32.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `sslmode`.
    pub mode: Mode,
    /// `sslnegotiation=direct`: the server is not asked whether it speaks TLS.
    pub direct: bool,
    /// `sslrootcert`.
    pub authorities: Authorities,
    /// `sslcert` and `sslkey`.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// `sslmode`, from the weakest to the strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Plain text.
    Disable,
    /// Plain text, and TLS where the server insists on it.
    Allow,
    /// TLS, and plain text where the server has none.
    #[default]
    Prefer,
    /// TLS with whoever answers.
    Require,
    /// ... with a certificate of a known authority.
    VerifyCa,
    /// ... which is for the host that was asked for.
    VerifyFull,
}

impl Mode {
    /// Its name in `DATABASE_URL`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// The certificate authorities that are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authorities {
    /// Certificates are not looked at.
    #[default]
    None,
    /// Those that the system knows: `sslrootcert=system`.
    System,
    /// Those of a file.
    File(PathBuf),
}

/// The connection that `text` describes.
///
/// # Errors
/// What is wrong, in words that repeat nothing that may be a password.
pub(crate) fn parse(text: &str) -> Result<Target, String> {
    let text = unquoted(text.trim());
    let text = match text.split_once("://") {
        None => text.to_owned(),
        Some((scheme, rest)) if SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            format!("postgres://{rest}")
        }
        // A value may have the same characters, in a password for one.
        Some((before, _)) if before.contains('=') => text.to_owned(),
        Some(_) => return Err("expected postgres://… or key=value pairs, and it begins otherwise".into()),
    };
    let (text, own) = Own::take(text)?;
    let config: Config = text.parse().map_err(|error| told(&error, &text))?;
    if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if name.contains('@'))) {
        return Err("its host has an `@`: write one in a password as %40".into());
    }
    own.with(config)
}

/// `docker run --env-file` keeps the quotes that a shell takes away.
fn unquoted(text: &str) -> &str {
    let within = |quote| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).map_or(text, str::trim)
}

/// The library names what it does not know, and that may be a piece of a password: only an option's name is
/// repeated, where an option stands.
fn told(error: &postgres::Error, text: &str) -> String {
    let why = error.source().map(ToString::to_string).unwrap_or_default();
    if why.starts_with("invalid value for option") {
        return why;
    }
    let unknown = why.strip_prefix("unknown option `").and_then(|rest| rest.strip_suffix('`'));
    match unknown.filter(|name| is_option(name, text)) {
        Some(name) => format!("`{name}` is an option of another program; leave it out"),
        None => "it cannot be read; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE?KEY=VALUE, in which \
                 special characters are escaped (`@` as %40), or key=value pairs, in which a value with blanks \
                 is in single quotes"
            .into(),
    }
}

/// Whether `name` is the key of a query, or of a pair behind which no quote and no URL stands.
fn is_option(name: &str, text: &str) -> bool {
    let plain =
        name.len() <= LONGEST_OPTION && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_key = |(key, _): (&str, &str)| key == name;
    let named = match text.split_once("://") {
        Some((_, rest)) => rest
            .rsplit_once('?')
            .is_some_and(|(_, query)| query.split('&').filter_map(|pair| pair.split_once('=')).any(is_key)),
        // A value that is quoted may have anything in it.
        None => {
            !text.contains('\'')
                && text.split_ascii_whitespace().filter_map(|pair| pair.split_once('=')).any(is_key)
        }
    };
    plain && named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_read() {
        for text in [
            "postgres://app:secret@h:1/db?sslmode=disable",
            " postgres://app:secret@h:1/db \r\n",
            "\"postgres://app:secret@h:1/db\"",
            "' postgresql://app:secret@h:1/db '",
            "POSTGRES://app:secret@h:1/db",
            "host=h port=1 user=app password=secret dbname=db",
            "host=h port=1 user=app password='secret' dbname=db options='-c a=x://y'",
        ] {
            let config = parse(text).unwrap_or_else(|why| panic!("{text}: {why}")).config;
            assert_eq!((config.get_user(), config.get_dbname()), (Some("app"), Some("db")), "{text}");
            assert_eq!(config.get_password(), Some(&b"secret"[..]), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for (text, expected) in [
            ("\"postgres://app:secret@h:1/db", "begins otherwise"),
            ("postgresql+asyncpg://app:secret@h:1/db?ssl=require", "begins otherwise"),
            ("psql postgres://app:secret@h:1/db", "begins otherwise"),
            ("jdbc:postgresql://h:1/db?user=app&password=secret", "begins otherwise"),
            ("postgres://app:secret@h:1/db?schema=public&connection_limit=5", "`schema`"),
            ("postgres://app:secret@h:1/db?pgbouncer=true", "`pgbouncer`"),
            ("host=h user=app password=secret dbname=db schema=public", "`schema`"),
            ("host=h user=app password='a'secret=b dbname=db", "cannot be read"),
            ("postgres://app:se@cret@h:1/db", "%40"),
            ("postgres://app:secret@h:port/db", "invalid value for option `port`"),
            ("app:secret@h", "cannot be read"),
        ] {
            let why = parse(text).err().unwrap_or_else(|| panic!("{text} is read"));
            assert!(why.contains(expected), "{text}: {why}");
            assert!(!why.contains("cret"), "{text}: {why}");
            assert!(!why.contains('\n') && why.len() < 300, "{why}");
        }
    }
}
