//! The database of a command.

use pouco::config::{Config, Database};
use pouco::store::{Connector, Purpose, Session};

#[cfg(not(feature = "embedded"))]
use super::EXIT_USAGE;
use super::Failure;

/// The database of this process: somebody else's, or one that we run and stop ourselves.
pub(super) struct Backend {
    pub(super) config: postgres::Config,
    #[cfg(feature = "embedded")]
    cluster: Option<pouco::embedded::Cluster>,
}

impl Backend {
    #[cfg(feature = "embedded")]
    pub(super) fn open(database: &Database) -> Result<Self, Failure> {
        match database {
            Database::Given(config) => Ok(Self { config: (**config).clone(), cluster: None }),
            Database::Embedded { data_dir, bin_dir } => {
                let cluster = pouco::embedded::Cluster::start(data_dir.clone(), bin_dir.clone())
                    .map_err(|error| error.to_string())?;
                Ok(Self { config: cluster.config(), cluster: Some(cluster) })
            }
        }
    }

    #[cfg(not(feature = "embedded"))]
    pub(super) fn open(database: &Database) -> Result<Self, Failure> {
        match database {
            Database::Given(config) => Ok(Self { config: (**config).clone() }),
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
        let hosts: Vec<String> = self.config.get_hosts().iter().map(|host| format!("{host:?}")).collect();
        format!("Postgres at {}", hosts.join(", "))
    }
}

/// Runs `work` on a session of the database, which is there until the work is done: one of our own is stopped
/// then.
pub(super) fn with_session<T>(
    config: &Config,
    purpose: Purpose,
    work: impl FnOnce(&mut Session) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let backend = Backend::open(&config.database)?;
    let connector = Connector::new(backend.config);
    if config.refuse_weak {
        connector.refuse_weak();
    }
    let mut session = connector.open(purpose).map_err(|error| error.to_string())?;
    work(&mut session)
}
