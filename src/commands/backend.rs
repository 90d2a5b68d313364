//! The database of a command.

use std::time::Duration;

use pouco::config::{Config, Database};
use pouco::database_url::Target;
use pouco::store::{ConnectError, Connector, Purpose, Session};

use super::{EXIT_FAILURE, EXIT_USAGE, Failure};

/// The database of this process: somebody else's, or one that we run and stop ourselves.
pub(super) struct Backend {
    pub(super) target: Target,
    #[cfg(feature = "embedded")]
    cluster: Option<pouco::embedded::Cluster>,
}

impl Backend {
    #[cfg(feature = "embedded")]
    pub(super) fn open(database: &Database) -> Result<Self, Failure> {
        match database {
            Database::Given(target) => Ok(Self { target: (**target).clone(), cluster: None }),
            Database::Embedded { data_dir, bin_dir } => {
                let cluster = pouco::embedded::Cluster::start(data_dir.clone(), bin_dir.clone())
                    .map_err(|error| error.to_string())?;
                Ok(Self { target: cluster.config().into(), cluster: Some(cluster) })
            }
        }
    }

    #[cfg(not(feature = "embedded"))]
    pub(super) fn open(database: &Database) -> Result<Self, Failure> {
        match database {
            Database::Given(target) => Ok(Self { target: (**target).clone() }),
            Database::Embedded { .. } => {
                Err(Failure(EXIT_USAGE, "this build has no embedded Postgres: set DATABASE_URL".into()))
            }
        }
    }

    pub(super) fn describe(&self) -> String {
        #[cfg(feature = "embedded")]
        if let Some(cluster) = &self.cluster {
            return format!(
                "embedded Postgres, data in {}; try: psql -h {} -U pouco",
                cluster.folder().display(),
                cluster.sockets().display()
            );
        }
        let hosts: Vec<String> =
            self.target.config.get_hosts().iter().map(|host| format!("{host:?}")).collect();
        format!("Postgres at {}", hosts.join(", "))
    }
}

/// The way to a database, whose files can be read.
pub(super) fn connector(target: Target, silence: Option<Duration>) -> Result<Connector, Failure> {
    let connector = match silence {
        Some(silence) => Connector::with_silence(target, silence),
        None => Connector::new(target),
    };
    connector.check().map_err(|why| Failure(EXIT_USAGE, format!("DATABASE_URL: {why}")))?;
    Ok(connector)
}

/// Why there is no session.
pub(super) fn refused(error: &ConnectError) -> Failure {
    let code = if error.is_setting() { EXIT_USAGE } else { EXIT_FAILURE };
    Failure(code, format!("DATABASE_URL: {error}"))
}

/// Runs `work` on a session of the database, which is there until the work is done: one of our own is stopped
/// then.
pub(super) fn with_session<T>(
    config: &Config,
    purpose: Purpose,
    work: impl FnOnce(&mut Session) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let backend = Backend::open(&config.database)?;
    let connector = connector(backend.target, None)?;
    if config.refuse_weak {
        connector.refuse_weak();
    }
    let mut session = connector.open(purpose).map_err(|error| refused(&error))?;
    work(&mut session)
}
