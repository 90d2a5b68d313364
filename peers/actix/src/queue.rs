//! People on their way to Postgres: requests put them into a bounded queue, one task takes them out in
//! batches.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::cache::Cache;
use crate::config::Acknowledge;
use crate::database::Database;
use crate::rejection::Rejection;

/// People who may wait, about 1 KB each. A creation past that waits for its place before it is answered.
pub(crate) const CAPACITY: usize = 16_384;

/// People in a batch at most.
const BATCH: usize = 512;

/// A batch waits this long for company where nobody waits for its commit: fewer statements and commits for
/// Postgres.
const LINGER: Duration = Duration::from_millis(100);

pub(crate) struct Entry {
    pub(crate) id: Uuid,
    pub(crate) apelido: String,
    pub(crate) json: String,
    /// Hears what became of it, where somebody waits for that.
    pub(crate) done: Option<oneshot::Sender<Result<(), Rejection>>>,
}

pub(crate) struct Writer {
    pub(crate) entries: mpsc::Receiver<Entry>,
    pub(crate) database: Database,
    pub(crate) cache: Cache,
    pub(crate) acknowledge: Acknowledge,
}

impl Writer {
    /// Writes until `stop` is there, and then what still waits.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut stopping = false;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                _ = &mut stop, if !stopping => {
                    stopping = true;
                    self.entries.close();
                    continue;
                }
                taken = self.entries.recv_many(&mut batch, BATCH) => if taken == 0 { return },
            }
            if self.acknowledge == Acknowledge::BeforeCommit && !stopping {
                tokio::time::sleep(LINGER).await;
                while batch.len() < BATCH
                    && let Ok(entry) = self.entries.try_recv()
                {
                    batch.push(entry);
                }
            }
            // Both replicas take the nicknames of a batch in the same order: in another, each could wait for
            // the other.
            batch.sort_unstable_by(|a, b| a.apelido.cmp(&b.apelido));
            match self.acknowledge {
                Acknowledge::BeforeCommit => self.write_acknowledged(&batch).await,
                Acknowledge::AfterCommit => self.write_and_acknowledge(&mut batch).await,
            }
            batch.clear();
        }
    }

    /// All of these were answered with 201: they are stored in the end. A nickname that Redis had forgotten
    /// and Postgres had not is where the promise cannot be kept; that person is not shown any longer either.
    async fn write_acknowledged(&self, batch: &[Entry]) {
        let stored: HashSet<Uuid> =
            self.database.insert_in_the_end(&json_array(batch)).await.into_iter().collect();
        if stored.len() == batch.len() {
            return;
        }
        let dropped: Vec<_> = batch.iter().map(|entry| entry.id).filter(|id| !stored.contains(id)).collect();
        eprintln!("{} acknowledged people were not new to Postgres", dropped.len());
        if let Err(error) = self.cache.forget(&dropped).await {
            eprintln!("Redis did not forget them: {error}");
        }
    }

    /// One attempt: whoever is told of its failure may try again.
    async fn write_and_acknowledge(&self, batch: &mut [Entry]) {
        let stored = self.database.insert(&json_array(batch)).await;
        if let Err(error) = &stored {
            eprintln!("a batch failed: {error:?}");
        }
        let stored: Result<HashSet<Uuid>, _> =
            stored.map(|ids| ids.into_iter().collect()).map_err(|_| Rejection::Unavailable);
        if let Ok(ids) = &stored {
            let new = batch.iter().filter(|entry| ids.contains(&entry.id));
            let people: Vec<_> = new.map(|entry| (entry.id, entry.json.as_str())).collect();
            // A cache that is away costs lookups in Postgres, and nothing else.
            if !people.is_empty()
                && let Err(error) = self.cache.keep(&people).await
            {
                eprintln!("Redis did not keep a batch: {error}");
            }
        }
        for entry in batch {
            let outcome = match &stored {
                Ok(ids) if ids.contains(&entry.id) => Ok(()),
                Ok(_) => Err(Rejection::Refused),
                Err(rejection) => Err(*rejection),
            };
            // Whoever asked may be gone.
            let _ = entry.done.take().map(|done| done.send(outcome));
        }
    }
}

fn json_array(batch: &[Entry]) -> String {
    let mut array = String::with_capacity(batch.iter().map(|entry| entry.json.len() + 1).sum::<usize>() + 2);
    for entry in batch {
        array.push(if array.is_empty() { '[' } else { ',' });
        array.push_str(&entry.json);
    }
    array.push(']');
    array
}
