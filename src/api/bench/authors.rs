//! `GET /n-plus-one/{lazy,eager,subquery}`: authors with their posts, by as many statements as somebody
//! writes who asks for each author's posts (1 + n), who joins (1), or who asks for all posts at once (2). The
//! answers are the same to the byte.

use postgres::Row;

use super::Bench;
use crate::api::query::number;
use crate::http::{Method, Rejection, Request, Response, Scope, json};
use crate::store::{Lane, Session};

/// Authors where nobody says how many.
pub(super) const DEFAULT_LIMIT: i64 = 20;
/// Authors at most.
pub(super) const LARGEST_LIMIT: i64 = 100;

const AUTHORS: &str = "SELECT id, name, country FROM bench.authors ORDER BY id LIMIT $1";
const POSTS_OF_ONE: &str = "SELECT id, title, body FROM bench.posts WHERE author_id = $1 ORDER BY id";
/// An author without posts has a row of nulls.
const JOINED: &str = "
    SELECT author.id, author.name, author.country, post.id, post.title, post.body
    FROM (SELECT id, name, country FROM bench.authors ORDER BY id LIMIT $1) AS author
    LEFT JOIN bench.posts AS post ON post.author_id = author.id
    ORDER BY author.id, post.id";
const POSTS_OF_ALL: &str = "
    SELECT author_id, id, title, body FROM bench.posts WHERE author_id = ANY($1) ORDER BY author_id, id";

/// How the posts are come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loading {
    /// A statement for each author.
    Lazy,
    /// One with the authors.
    Eager,
    /// One for all authors.
    Subquery,
}

impl Loading {
    pub(super) const ALL: [Self; 3] = [Self::Lazy, Self::Eager, Self::Subquery];

    /// The name in the path.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Lazy => "lazy",
            Self::Eager => "eager",
            Self::Subquery => "subquery",
        }
    }
}

/// Adds the routes.
pub(super) fn mount(scope: &mut Scope<'_, Bench>) {
    for loading in Loading::ALL {
        let path = format!("/n-plus-one/{}", loading.name());
        scope.route(Method::Get, &path, move |bench, request, response| {
            bench.authors(loading, request, response)
        });
    }
}

impl Bench {
    /// The first authors by id, each with its posts by id.
    fn authors(
        &self,
        loading: Loading,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let limit = number(request, "limit", 1..=LARGEST_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
        let list = self.pool.read(Lane::Scan, move |session| match loading {
            Loading::Lazy => lazy(session, limit),
            Loading::Eager => eager(session, limit),
            Loading::Subquery => subquery(session, limit),
        })?;
        response.json(&list.finish());
        Ok(())
    }
}

fn lazy(session: &mut Session, limit: i64) -> Result<List, postgres::Error> {
    let mut list = List::new();
    for author in &session.query(AUTHORS, &[&limit])? {
        let id: i64 = author.try_get(0)?;
        list.author(id, author)?;
        for post in &session.query(POSTS_OF_ONE, &[&id])? {
            list.post(post, 0)?;
        }
    }
    Ok(list)
}

fn eager(session: &mut Session, limit: i64) -> Result<List, postgres::Error> {
    let mut list = List::new();
    let mut last = None;
    for row in &session.query(JOINED, &[&limit])? {
        let id: i64 = row.try_get(0)?;
        if last.replace(id) != Some(id) {
            list.author(id, row)?;
        }
        if row.try_get::<_, Option<i64>>(3)?.is_some() {
            list.post(row, 3)?;
        }
    }
    Ok(list)
}

fn subquery(session: &mut Session, limit: i64) -> Result<List, postgres::Error> {
    let authors = session.query(AUTHORS, &[&limit])?;
    let ids: Vec<i64> = authors.iter().map(|author| author.try_get(0)).collect::<Result<_, _>>()?;
    let posts = session.query(POSTS_OF_ALL, &[&ids])?;
    // Both are in the order of the authors.
    let mut posts = posts.iter().peekable();
    let mut list = List::new();
    for (author, id) in authors.iter().zip(ids) {
        list.author(id, author)?;
        while let Some(post) = posts.peek()
            && post.try_get::<_, i64>(0)? == id
        {
            list.post(post, 1)?;
            posts.next();
        }
    }
    Ok(list)
}

/// The answer in the making.
struct List {
    out: Vec<u8>,
    authors: usize,
    /// Of the last author.
    posts: usize,
}

impl List {
    fn new() -> Self {
        Self { out: b"{\"authors\":[".to_vec(), authors: 0, posts: 0 }
    }

    /// Begins an author, whose columns are the first of the row.
    fn author(&mut self, id: i64, row: &Row) -> Result<(), postgres::Error> {
        if self.authors > 0 {
            self.out.extend_from_slice(b"]},");
        }
        (self.authors, self.posts) = (self.authors + 1, 0);
        write_id(&mut self.out, id);
        self.out.extend_from_slice(b",\"name\":");
        json::write_string(&mut self.out, row.try_get(1)?);
        self.out.extend_from_slice(b",\"country\":");
        json::write_string(&mut self.out, row.try_get(2)?);
        self.out.extend_from_slice(b",\"posts\":[");
        Ok(())
    }

    /// Adds a post of that author, whose columns begin at `first`.
    fn post(&mut self, row: &Row, first: usize) -> Result<(), postgres::Error> {
        if self.posts > 0 {
            self.out.push(b',');
        }
        self.posts += 1;
        write_id(&mut self.out, row.try_get(first)?);
        self.out.extend_from_slice(b",\"title\":");
        json::write_string(&mut self.out, row.try_get(first + 1)?);
        self.out.extend_from_slice(b",\"body\":");
        json::write_string(&mut self.out, row.try_get(first + 2)?);
        self.out.push(b'}');
        Ok(())
    }

    fn finish(mut self) -> Vec<u8> {
        if self.authors > 0 {
            self.out.extend_from_slice(b"]}");
        }
        self.out.extend_from_slice(b"]}");
        self.out
    }
}

fn write_id(out: &mut Vec<u8>, id: i64) {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
}
