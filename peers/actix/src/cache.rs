//! Redis: every person's JSON by id, and the nicknames that are taken. Both replicas see the same, at once.
//!
//! What Redis forgets (a restart, its limit of memory) is found in Postgres, all but a nickname: the
//! constraint there has the last word, and says it after the 201 where that comes before the commit.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, RedisError};
use uuid::Uuid;

/// Redis answers in microseconds; this is for one that is throttled or starting.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);

/// After 100 and 300 ms a command fails where there is no Redis, and a lookup goes on to Postgres. The next
/// command tries again.
const RETRIES: usize = 2;

#[derive(Clone)]
pub(crate) struct Cache {
    /// One connection that all requests share: what they send at the same moment goes in one write.
    connection: ConnectionManager,
}

impl Cache {
    /// Connects with the first command, and again after a failure.
    pub(crate) fn new(client: &redis::Client) -> Result<Self, String> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_number_of_retries(RETRIES);
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config);
        Ok(Self { connection: connection.map_err(|error| format!("REDIS_URL: {error}"))? })
    }

    /// Takes the nickname and keeps the person, both or, where the nickname is taken, neither: false.
    pub(crate) async fn claim(&self, id: Uuid, apelido: &str, json: &str) -> Result<bool, RedisError> {
        let nickname = format!("n:{apelido}");
        self.connection.clone().mset_nx(&[(nickname.as_str(), ""), (key(id).as_str(), json)]).await
    }

    /// Keeps people who are in Postgres.
    pub(crate) async fn keep(&self, people: &[(Uuid, &str)]) -> Result<(), RedisError> {
        let pairs: Vec<_> = people.iter().map(|(id, json)| (key(*id), *json)).collect();
        self.connection.clone().mset(&pairs).await
    }

    pub(crate) async fn fetch(&self, id: Uuid) -> Result<Option<String>, RedisError> {
        self.connection.clone().get(key(id)).await
    }

    pub(crate) async fn forget(&self, ids: &[Uuid]) -> Result<(), RedisError> {
        let keys: Vec<_> = ids.iter().copied().map(key).collect();
        self.connection.clone().del(keys).await
    }
}

fn key(id: Uuid) -> String {
    format!("p:{id}")
}
