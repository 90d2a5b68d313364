//! The environment, checked: a bad value names the variable, the value and what is allowed.

use std::env;
use std::fmt::Display;
use std::str::FromStr;

#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Host and port.
    pub(crate) listen: String,
    pub(crate) database: tokio_postgres::Config,
    /// Threads, each with its own requests and connections.
    pub(crate) workers: usize,
    /// Of all workers together.
    connections: usize,
    connections_min: usize,
}

impl Config {
    pub(crate) fn from_environment() -> Result<Self, String> {
        let config = Self {
            listen: variable("LISTEN", "0.0.0.0:9999", "an address with a port")?,
            database: variable(
                "DATABASE_URL",
                "host=/run/postgresql user=pouco dbname=pouco",
                "a connection string",
            )?,
            workers: variable("WORKERS", "1", "a number")?,
            connections: variable("DATABASE_CONNECTIONS", "30", "a number")?,
            connections_min: variable("DATABASE_CONNECTIONS_MIN", "0", "a number")?,
        };
        let Self { workers, connections, connections_min, .. } = config;
        if workers == 0 {
            return Err("WORKERS=0: a number from 1 is allowed".to_owned());
        }
        if connections < workers {
            return Err(format!("DATABASE_CONNECTIONS={connections}: a number from {workers} is allowed"));
        }
        if connections_min > connections {
            return Err(format!(
                "DATABASE_CONNECTIONS_MIN={connections_min}: a number up to {connections} is allowed"
            ));
        }
        Ok(config)
    }

    /// Connections of one worker.
    pub(crate) fn pool_most(&self) -> usize {
        self.connections / self.workers
    }

    /// Those of them that are open from the start.
    pub(crate) fn pool_least(&self) -> usize {
        self.connections_min / self.workers
    }
}

fn variable<T: FromStr>(name: &str, default: impl Display, allowed: &str) -> Result<T, String> {
    let text = env::var(name).unwrap_or_else(|_| default.to_string());
    text.parse().map_err(|_| format!("{name}={text}: {allowed} is allowed"))
}
