//! The environment, checked: a bad value names the variable, the value and what is allowed.

use std::env;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

/// When a creation is answered with 201.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledge {
    /// Redis holds it, and it waits in this process's memory for its batch.
    BeforeCommit,
    /// Postgres has committed its batch.
    AfterCommit,
}

impl FromStr for Acknowledge {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "before-commit" => Ok(Self::BeforeCommit),
            "after-commit" => Ok(Self::AfterCommit),
            _ => Err(()),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: PathBuf,
    pub(crate) database: tokio_postgres::Config,
    /// Of this process; two at least, one of them the queue's.
    pub(crate) database_connections: usize,
    pub(crate) redis: redis::Client,
    pub(crate) acknowledge: Acknowledge,
}

impl Config {
    pub(crate) fn from_environment() -> Result<Self, String> {
        let config = Self {
            listen: variable("LISTEN", "/run/pouco/api.sock", "the path of a Unix socket")?,
            database: variable(
                "DATABASE_URL",
                "host=/run/postgresql user=pouco dbname=pouco",
                "a connection string",
            )?,
            database_connections: variable("DATABASE_CONNECTIONS", "9", "a number from 2")?,
            redis: {
                let url: String =
                    variable("REDIS_URL", "redis+unix:///run/redis-socket/redis.sock", "a URL")?;
                redis::Client::open(url).map_err(|error| format!("REDIS_URL: {error}"))?
            },
            acknowledge: variable("ACKNOWLEDGE", "before-commit", "before-commit or after-commit")?,
        };
        if config.database_connections < 2 {
            return Err(format!(
                "DATABASE_CONNECTIONS={}: a number from 2 is allowed",
                config.database_connections
            ));
        }
        Ok(config)
    }
}

fn variable<T: FromStr>(name: &str, default: impl Display, allowed: &str) -> Result<T, String> {
    let text = env::var(name).unwrap_or_else(|_| default.to_string());
    text.parse().map_err(|_| format!("{name}={text}: {allowed} is allowed"))
}
