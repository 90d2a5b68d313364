//! What may be done in several ways, described.

use serde_json::json;
use utoipa::ToSchema;

use super::super::authors::{self, Loading};
use super::super::model::User;
use super::super::pagination::{DEFAULT_SIZE, LARGEST_SIZE};
use crate::api::describe::{Description, Operation, operation, text, whole};
use crate::http::{Method, Status};

/// A page by its number.
#[derive(ToSchema)]
#[schema(as = bench::OffsetPage)]
struct OffsetPage {
    items: Vec<User<'static>>,
    /// How many users there are, or null.
    total: Option<i64>,
    page: i64,
    size: i64,
    /// How many pages there are, or null.
    total_pages: Option<i64>,
}

/// A page behind a cursor.
#[derive(ToSchema)]
#[schema(as = bench::CursorPage)]
struct CursorPage {
    items: Vec<User<'static>>,
    /// The cursor of the next page, or null behind the last one.
    next_cursor: Option<i64>,
    size: i64,
}

/// Authors with their posts.
#[derive(ToSchema)]
#[schema(as = bench::Authors)]
struct Authors {
    authors: Vec<Author>,
}

/// An author.
#[derive(ToSchema)]
#[schema(as = bench::Author)]
struct Author {
    id: i64,
    name: String,
    country: String,
    posts: Vec<Post>,
}

/// A post.
#[derive(ToSchema)]
#[schema(as = bench::Post)]
struct Post {
    id: i64,
    title: String,
    body: String,
}

/// A number of the query is out of its range, or none.
pub(super) fn checked(operation: Operation) -> Operation {
    operation
        .refuses(Status::UnprocessableContent, "A parameter is missing, or not allowed.")
        .waits_for_postgres()
}

pub(super) fn describe(description: Description) -> Description {
    let parts: [fn(Description) -> Description; 2] = [pages, authors];
    parts.into_iter().fold(description, |description, part| part(description))
}

fn pages(description: Description) -> Description {
    let size = || whole(1, LARGEST_SIZE).default(Some(json!(DEFAULT_SIZE)));
    let counted = text().enum_values(Some(["true", "false"])).default(Some(json!("true")));
    let offset = operation("page", "Shows a page of users by its number")
        .about("All users before the page are read, and all users where they are counted.")
        .query("page", whole(1, i64::MAX).default(Some(json!(1))), "The number of the page.")
        .query("size", size(), "The users of a page.")
        .query("count", counted, "Whether users and pages are counted.")
        .answers::<OffsetPage>(Status::Ok, "The page, empty past the end.")
        .refuses(Status::BadRequest, "A parameter is not percent-encoded UTF-8.");
    let cursor = operation("walk", "Shows the users behind an id")
        .about("Every page costs the same.")
        .query("cursor", whole(0, i64::MAX).default(Some(json!(0))), "The last id of the page before.")
        .query("size", size(), "The users of a page.")
        .answers::<CursorPage>(Status::Ok, "The page.");
    description.route(Method::Get, "/users/offset", checked(offset)).route(
        Method::Get,
        "/users/cursor",
        checked(cursor),
    )
}

fn authors(description: Description) -> Description {
    Loading::ALL.into_iter().fold(description, |description, loading| {
        let (name, statements) = match loading {
            Loading::Lazy => (loading.name(), "by a statement for each author"),
            Loading::Eager => (loading.name(), "by one statement"),
            Loading::Subquery => (loading.name(), "by two statements"),
        };
        let limit = whole(1, authors::LARGEST_LIMIT).default(Some(json!(authors::DEFAULT_LIMIT)));
        let shown =
            operation(format!("authors_{name}"), &format!("Shows authors with their posts {statements}"))
                .query("limit", limit, "How many authors.")
                .answers::<Authors>(Status::Ok, "The first of them by id, each with its posts by id.");
        description.route(Method::Get, &format!("/n-plus-one/{name}"), checked(shown))
    })
}
