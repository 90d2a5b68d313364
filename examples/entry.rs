//! A small entry for a contest on this crate alone, books in memory: `cargo run --release --example entry`,
//! then
//!
//!     curl -i localhost:8080/books -d '{"title":"Tieta","year":1977,"tags":["bahia"]}'
//!     curl localhost:8080/books/1
//!     curl 'localhost:8080/books?tag=bahia&from=1970&limit=10'

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pouco::http::{Address, Limits, Listener, Method, Rejection, Request, Response, Router, Server, Status};
use serde::{Deserialize, Serialize};
use signal_hook::{consts::TERM_SIGNALS, iterator::Signals};

const NO_BOOK: Rejection = Rejection::new(Status::NotFound, "there is no such book");
const NO_TITLE: Rejection = Rejection::of_field(Status::UnprocessableContent, "is empty", "title");

#[derive(Deserialize, Serialize)]
struct Book {
    title: String,
    year: u16,
    #[serde(default)]
    tags: Vec<String>,
}

/// The book with the id 1 comes first. Locked for microseconds, never over a wait.
#[derive(Default)]
struct Shelf(Mutex<Vec<Book>>);

impl Shelf {
    fn books(&self) -> MutexGuard<'_, Vec<Book>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let book: Book = request.json()?;
        if book.title.is_empty() {
            return Err(NO_TITLE);
        }
        let mut books = self.books();
        books.push(book);
        response.status(Status::Created).header("location", format_args!("/books/{}", books.len())).empty();
        Ok(())
    }

    fn by_id(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let id: usize = request.path_parameter("id")?;
        let books = self.books();
        let book = id.checked_sub(1).and_then(|index| books.get(index)).ok_or(NO_BOOK)?;
        response.json_of(book);
        Ok(())
    }

    fn search(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let tags: Vec<String> = request.query_parameters("tag").collect::<Result<_, _>>()?;
        let from = request.query_parameter("from")?.unwrap_or(0);
        let limit = request.query_parameter("limit")?.unwrap_or(50).min(50);
        let books = self.books();
        let fits = |book: &&Book| book.year >= from && tags.iter().all(|tag| book.tags.contains(tag));
        response.json_of(&books.iter().filter(fits).take(limit).collect::<Vec<_>>());
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut router = Router::new();
    let shelf = Arc::new(Shelf::default());
    let (adding, looking) = (shelf.clone(), shelf.clone());
    router.route(Method::Post, "/books", move |request, response| adding.add(request, response));
    router.route(Method::Get, "/books/{id}", move |request, response| looking.by_id(request, response));
    router.route(Method::Get, "/books", move |request, response| shelf.search(request, response));
    let mut signals = Signals::new(TERM_SIGNALS)?;
    let listener = Listener::bind(&"tcp:127.0.0.1:8080".parse::<Address>()?, 0o660)?;
    let server = Server::start(vec![listener], router, Limits::default())?;
    signals.forever().next();
    server.shutdown(Duration::from_secs(10));
    Ok(())
}
