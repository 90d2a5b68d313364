//! The environment, checked: a bad value names the variable, the value and what is allowed.

use std::env;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

const SECRET_LEAST: usize = 32;

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: PathBuf,
    pub(crate) database: tokio_postgres::Config,
    /// Of this process.
    pub(crate) connections: usize,
    /// Of access tokens.
    pub(crate) secret: String,
    pub(crate) bcrypt_cost: u32,
}

impl Config {
    pub(crate) fn from_environment() -> Result<Self, String> {
        let config = Self {
            listen: variable("LISTEN", "/run/pouco/api1.sock", "the path of a Unix socket")?,
            database: variable(
                "DATABASE_URL",
                "host=/run/postgresql user=pouco dbname=pouco",
                "a connection string",
            )?,
            connections: variable("DATABASE_CONNECTIONS", "9", "a number from 1")?,
            secret: env::var("JWT_SECRET").unwrap_or_default(),
            bcrypt_cost: variable("BCRYPT_COST", "10", "a number from 4 to 16")?,
        };
        if config.connections == 0 {
            return Err("DATABASE_CONNECTIONS=0: a number from 1 is allowed".to_owned());
        }
        if config.secret.len() < SECRET_LEAST {
            return Err(format!("JWT_SECRET: at least {SECRET_LEAST} bytes are needed"));
        }
        if !(4..=16).contains(&config.bcrypt_cost) {
            return Err(format!("BCRYPT_COST={}: a number from 4 to 16 is allowed", config.bcrypt_cost));
        }
        Ok(config)
    }
}

fn variable<T: FromStr>(name: &str, default: impl Display, allowed: &str) -> Result<T, String> {
    let text = env::var(name).unwrap_or_else(|_| default.to_string());
    text.parse().map_err(|_| format!("{name}={text}: {allowed} is allowed"))
}
