//! The four requests of the contest.

use actix_web::http::header::{ContentType, LOCATION};
use actix_web::web::{Bytes, Data, Path, Query, ServiceConfig, get, post, resource};
use actix_web::{HttpResponse, rt};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::cache::Cache;
use crate::config::{Acknowledge, Config};
use crate::database::Database;
use crate::person::Person;
use crate::queue::Entry;
use crate::rejection::Rejection;

/// What every request may use.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) cache: Cache,
    pub(crate) queue: mpsc::Sender<Entry>,
    pub(crate) acknowledge: Acknowledge,
}

pub(crate) fn routes(service: &mut ServiceConfig) {
    service
        .service(resource("/pessoas").route(post().to(create)).route(get().to(search)))
        .service(resource("/pessoas/{id}").route(get().to(fetch)))
        .service(resource("/contagem-pessoas").route(get().to(count)));
}

async fn create(app: Data<App>, body: Bytes) -> Result<HttpResponse, Rejection> {
    let person = Person::parse(&body)?;
    let id = person.id;
    let json = json(&person)?;
    // A task of its own: a client that leaves ends its request at any await, and a nickname that is taken in
    // Redis must not be left without its person in the queue.
    let task = async move {
        match app.acknowledge {
            Acknowledge::BeforeCommit => app.promise(person, json).await,
            Acknowledge::AfterCommit => app.store(person, json).await,
        }
    };
    rt::spawn(task).await.map_err(unavailable)??;
    Ok(HttpResponse::Created().insert_header((LOCATION, format!("/pessoas/{id}"))).finish())
}

impl App {
    pub(crate) fn new(config: &Config, queue: mpsc::Sender<Entry>) -> Result<Self, String> {
        // One connection of the process's is the queue's.
        let database = Database::new(&config.database, config.database_connections - 1)?;
        Ok(Self { database, cache: Cache::new(&config.redis)?, queue, acknowledge: config.acknowledge })
    }

    /// Returns when Redis holds the person for both replicas and the queue holds it for Postgres.
    async fn promise(&self, person: Person, json: String) -> Result<(), Rejection> {
        // The place first: once the nickname is taken, nothing can fail any more.
        let place = self.queue.reserve().await.map_err(unavailable)?;
        if !self.cache.claim(person.id, &person.apelido, &json).await.map_err(unavailable)? {
            return Err(Rejection::Refused);
        }
        place.send(Entry { id: person.id, apelido: person.apelido, json, done: None });
        Ok(())
    }

    /// Returns when Postgres has committed the person; Postgres alone says whose the nickname is.
    async fn store(&self, person: Person, json: String) -> Result<(), Rejection> {
        let (done, outcome) = oneshot::channel();
        let entry = Entry { id: person.id, apelido: person.apelido, json, done: Some(done) };
        self.queue.send(entry).await.map_err(unavailable)?;
        outcome.await.map_err(unavailable)?
    }
}

async fn fetch(app: Data<App>, id: Path<Uuid>) -> Result<HttpResponse, Rejection> {
    match app.cache.fetch(*id).await {
        Ok(Some(json)) => return Ok(json_response(json)),
        Ok(None) => {}
        Err(error) => eprintln!("Redis was asked for a person: {error:?}"),
    }
    let person = app.database.fetch(*id).await.map_err(unavailable)?.ok_or(Rejection::Unknown)?;
    Ok(json_response(json(&person)?))
}

#[derive(Deserialize)]
struct Search {
    t: String,
}

async fn search(app: Data<App>, Query(Search { t: term }): Query<Search>) -> Result<HttpResponse, Rejection> {
    // No stored text has a NUL, and Postgres would not even take the question.
    if term.contains('\0') {
        return Ok(json_response("[]".into()));
    }
    let people = app.database.search(&term).await.map_err(unavailable)?;
    Ok(json_response(json(&people)?))
}

async fn count(app: Data<App>) -> Result<HttpResponse, Rejection> {
    let count = app.database.count().await.map_err(unavailable)?;
    Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(count.to_string()))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Rejection> {
    serde_json::to_string(value).map_err(unavailable)
}

fn json_response(json: String) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(json)
}

/// Says in the log what the client is not told.
fn unavailable(error: impl std::fmt::Debug) -> Rejection {
    eprintln!("a request failed: {error:?}");
    Rejection::Unavailable
}
