//! Postgres: the schema and the statements.

use std::time::Duration;

use deadpool_postgres::{
    Client, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::{Config, NoTls};
use uuid::Uuid;

use crate::person::Person;

const SCHEMA: &str = include_str!("schema.sql");

/// The whole batch is one parameter: the statement is the same for every size of it.
const INSERT: &str = "
    INSERT INTO people (id, apelido, nome, nascimento, stack)
    SELECT id, apelido, nome, nascimento, stack
    FROM json_to_recordset($1::text::json)
         AS batch (id uuid, apelido text, nome text, nascimento date, stack text[])
    ON CONFLICT DO NOTHING
    RETURNING id";

const FETCH: &str = "SELECT id, apelido, nome, nascimento, stack FROM people WHERE id = $1";

const SEARCH: &str =
    "SELECT id, apelido, nome, nascimento, stack FROM people WHERE search LIKE lower($1) LIMIT 50";

const COUNT: &str = "SELECT count(*) FROM people";

/// A request waits this long for a connection, and a connection is tried this long.
const WAIT: Duration = Duration::from_secs(30);

/// Between two attempts to reach a database that is not there.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub(crate) struct Database {
    pool: Pool,
}

impl Database {
    pub(crate) fn new(config: &Config, connections: usize) -> Result<Self, String> {
        // Fast: a connection is known to be closed without a question to Postgres before each use.
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config.clone(), NoTls, manager_config);
        let timeouts = Timeouts { wait: Some(WAIT), create: Some(WAIT), recycle: Some(WAIT) };
        let pool =
            Pool::builder(manager).max_size(connections).timeouts(timeouts).runtime(Runtime::Tokio1).build();
        Ok(Self { pool: pool.map_err(|error| format!("the pool of connections: {error}"))? })
    }

    /// Makes what is missing, as soon as Postgres is there.
    pub(crate) async fn prepare(&self) {
        while let Err(error) = self.make_schema().await {
            eprintln!("the schema waits for Postgres: {error:?}");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn make_schema(&self) -> Result<(), PoolError> {
        Ok(self.client().await?.batch_execute(SCHEMA).await?)
    }

    /// Stores those of `people`, a JSON array, whose nickname is free, in one transaction. Gives the ids of
    /// those.
    pub(crate) async fn insert(&self, people: &str) -> Result<Vec<Uuid>, PoolError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(INSERT).await?;
        let rows = client.query(&statement, &[&people]).await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }

    /// Stores as [`Self::insert`] does, however long Postgres is away: a second attempt at a batch that was
    /// stored the first time, whose answer was lost, does nothing.
    pub(crate) async fn insert_in_the_end(&self, people: &str) -> Vec<Uuid> {
        loop {
            match self.insert(people).await {
                Ok(ids) => return ids,
                Err(error) => eprintln!("a batch waits for Postgres: {error:?}"),
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    pub(crate) async fn fetch(&self, id: Uuid) -> Result<Option<Person>, PoolError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(FETCH).await?;
        let row = client.query_opt(&statement, &[&id]).await?;
        Ok(row.as_ref().map(Person::from_row).transpose()?)
    }

    /// At most 50 people in whom `term` is contained.
    pub(crate) async fn search(&self, term: &str) -> Result<Vec<Person>, PoolError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(SEARCH).await?;
        let rows = client.query(&statement, &[&contains(term)]).await?;
        Ok(rows.iter().map(Person::from_row).collect::<Result<_, _>>()?)
    }

    pub(crate) async fn count(&self) -> Result<i64, PoolError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(COUNT).await?;
        Ok(client.query_one(&statement, &[]).await?.try_get(0)?)
    }

    async fn client(&self) -> Result<Client, PoolError> {
        self.pool.get().await
    }
}

/// The pattern of LIKE that `term` is contained, character by character.
fn contains(term: &str) -> String {
    let mut pattern = String::with_capacity(term.len() + 2);
    pattern.push('%');
    for character in term.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn wildcards_are_plain_characters() {
        assert_eq!(contains("50%_\\"), "%50\\%\\_\\\\%");
        assert_eq!(contains(""), "%%");
    }
}
