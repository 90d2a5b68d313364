//! What may be done in several ways, described.

use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::Required;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::schema::ObjectBuilder;

use super::super::aggregation::{self, STATISTICS};
use super::super::authors::{self, Loading};
use super::super::bulk::{self, Writing};
use super::super::cached::{self, KEEPERS, Keeper};
use super::super::decrement::Way;
use super::super::model::User;
use super::super::pagination::{DEFAULT_SIZE, LARGEST_SIZE};
use super::super::search;
use crate::api::describe::{Description, Operation, operation, parameter, text, whole};
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

/// What there is of a product.
#[derive(ToSchema)]
#[schema(as = bench::Quantity)]
struct Quantity {
    product_id: i64,
    /// So many are left.
    quantity: i64,
}

/// A user, and where it is from.
#[derive(ToSchema)]
#[schema(as = bench::KeptUser)]
struct KeptUser {
    /// `cache` or `database`.
    source: String,
    user: User<'static>,
}

/// How many there were.
#[derive(ToSchema)]
#[schema(as = bench::Count)]
struct Count {
    count: i64,
}

/// What anybody may know.
#[derive(ToSchema)]
#[schema(as = bench::Public)]
struct Public {
    message: String,
}

/// What a login gives.
#[derive(ToSchema)]
#[schema(as = bench::Given)]
struct Given {
    access_token: String,
    token_type: String,
}

/// That a user may come in.
#[derive(ToSchema)]
#[schema(as = bench::Access)]
struct Access {
    user_id: i64,
    message: String,
    /// As it is in the database, where that was asked.
    #[schema(nullable = false)]
    user: Option<User<'static>>,
}

/// Rows that are written.
#[derive(ToSchema)]
#[schema(as = bench::Written)]
struct Written {
    count: i64,
    /// Of their values.
    sum: i64,
}

/// The groups with the most articles.
#[derive(ToSchema)]
#[schema(as = bench::Groups)]
struct Groups {
    groups: Vec<Group>,
}

/// A country, or an author by id.
#[derive(ToSchema)]
#[schema(as = bench::Group)]
struct Group {
    key: String,
    articles: i64,
    views: i64,
}

/// Users that were found.
#[derive(ToSchema)]
#[schema(as = bench::Found)]
struct Found {
    users: Vec<User<'static>>,
}

/// A number of the query is out of its range, or none.
pub(super) fn checked(operation: Operation) -> Operation {
    operation
        .refuses(Status::UnprocessableContent, "A parameter is missing, or not allowed.")
        .waits_for_postgres()
}

pub(super) fn describe(description: Description) -> Description {
    let parts: [fn(Description) -> Description; 8] =
        [pages, authors, bulk, products, caches, access, aggregation, search];
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
    let cursor = operation("walk", "Shows the users after an id")
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

/// A parameter of the query that may not be left out.
fn needed(operation: Operation, name: &str, schema: ObjectBuilder, about: &str, example: i64) -> Operation {
    let parameter = parameter(ParameterIn::Query, name, schema, about).required(Required::True);
    operation.parameter(parameter.example(Some(example.into())).build())
}

fn products(description: Description) -> Description {
    let of_product = |operation, least| {
        let operation = needed(operation, "product_id", whole(1, i64::MAX), "Which product.", 1);
        let operation = needed(operation, "quantity", whole(least, i64::MAX), "How many.", 1);
        checked(operation.refuses(Status::NotFound, "There is no such product."))
    };
    let reset = operation("reset", "Sets how many of a product there are")
        .answers::<Quantity>(Status::Ok, "So many.");
    let description = description.route(Method::Post, "/transactions/reset", of_product(reset, 0));
    Way::ALL.into_iter().fold(description, |description, way| {
        let (name, about) = match way {
            Way::NoLock => (way.name(), "The new stock is computed from what was read: updates are lost."),
            Way::Pessimistic => (way.name(), "The row is locked before it is read."),
            Way::Optimistic => {
                (way.name(), "The row is changed only if its version is the one that was read.")
            }
            Way::Serializable => (way.name(), "Postgres ends one of two that would undo each other."),
            Way::Conditional => (way.name(), "One conditional statement, for all requests that wait."),
        };
        let sale =
            operation(format!("decrement_{}", name.replace('-', "_")), "Sells a quantity of a product")
                .about(about)
                .answers::<Quantity>(Status::Ok, "They are sold; the answer has what is left.")
                .refuses(Status::Conflict, "There are fewer, or others were always first.");
        description.route(Method::Post, &format!("/transactions/decrement/{name}"), of_product(sale, 1))
    })
}

fn caches(description: Description) -> Description {
    let count = whole(1, cached::LARGEST_COUNT).default(Some(json!(cached::DEFAULT_COUNT)));
    let warm_up = operation("warm_up", "Reads the first users into every cache again")
        .query("count", count, "The users 1 to this one.")
        .answers::<Count>(Status::Ok, "The number of them that exist.");
    let of_user = |operation: Operation| {
        operation
            .path_parameter("id", whole(1, i64::MAX), "The user's id.", 1)
            .refuses(Status::BadRequest, "The id is not a whole number.")
    };
    let forget = operation("forget", "Removes a user from every cache")
        .answers_empty(Status::NoContent, "It is in none of them.");
    let description = description.route(Method::Post, "/cache/warmup", checked(warm_up)).route(
        Method::Delete,
        "/cache/users/{id}",
        of_user(forget),
    );
    KEEPERS.into_iter().fold(description, |description, (name, keeper)| {
        let (about, missing) = match keeper {
            Keeper::Nothing => ("From the database each time.", "There is no such user."),
            Keeper::Redis => ("From Redis, where there is one.", "There is no such user, or no Redis."),
            Keeper::Process => ("From the memory of the process.", "There is no such user."),
        };
        let shown = operation(format!("kept_{}", name.replace('-', "_")), "Shows a user from a cache")
            .about(about)
            .answers::<KeptUser>(Status::Ok, "The user.")
            .refuses(Status::NotFound, missing)
            .waits_for_postgres();
        description.route(Method::Get, &format!("/cache/users/{{id}}/{name}"), of_user(shown))
    })
}

fn access(description: Description) -> Description {
    let login = |id, about| {
        let login = operation(id, "Logs a user in, without a password").about(about);
        let login = needed(login, "user_id", whole(1, i64::MAX), "Which user.", 1);
        let login = login.answers::<Given>(Status::Ok, "A token that is valid for an hour.");
        checked(login.refuses(Status::NotFound, "There is no such user."))
    };
    let protected = |id, about| {
        let protected = operation(id, "Admits a logged-in user").about(about).needs_login();
        protected.answers::<Access>(Status::Ok, "Come in.")
    };
    let public = operation("public", "Admits everybody").answers::<Public>(Status::Ok, "Come in.");
    let signed = "The signature and the expiry of the token are checked.";
    let with_user = "The same, and the user is read from the database.";
    let session = "The session and its user are read from the database.";
    description
        .route(Method::Get, "/auth/public", public)
        .route(Method::Post, "/auth/login/jwt", login("login_by_token", "With a signed token."))
        .route(Method::Post, "/auth/login/session", login("login_by_session", "With a row in the database."))
        .route(Method::Get, "/auth/protected/jwt", protected("protected_by_token", signed))
        .route(
            Method::Get,
            "/auth/protected/jwt-user",
            protected("protected_by_token_and_user", with_user).waits_for_postgres(),
        )
        .route(
            Method::Get,
            "/auth/protected/session",
            protected("protected_by_session", session).waits_for_postgres(),
        )
}

fn bulk(description: Description) -> Description {
    let clean_up = operation("clean_up", "Deletes the rows that were written")
        .answers::<Count>(Status::Ok, "The number of rows.")
        .waits_for_postgres();
    let description = description.route(Method::Delete, "/bulk-operations/cleanup", clean_up);
    Writing::ALL.into_iter().fold(description, |description, way| {
        let (about, verb) = match way {
            Writing::InsertIndividual => ("A statement and a commit for each row.", "Adds"),
            Writing::InsertBatch => ("One transaction, 1,000 rows a statement.", "Adds"),
            Writing::InsertRaw => ("One statement.", "Adds"),
            Writing::UpdateIndividual => ("A statement and a commit for each row.", "Changes"),
            Writing::UpdateBulk => ("One statement.", "Changes"),
        };
        let count = whole(1, bulk::LARGEST_COUNT).default(Some(json!(bulk::DEFAULT_COUNT)));
        let id = format!("bulk_{}", way.name().replace('-', "_"));
        let written = operation(id, &format!("{verb} many rows"))
            .about(about)
            .query("count", count, "How many rows.")
            .answers::<Written>(Status::Ok, "The number of rows that were written.")
            .refuses(Status::Conflict, "There is no user 1, the owner of the rows.");
        description.route(Method::Post, &format!("/bulk-operations/{}", way.name()), checked(written))
    })
}

fn aggregation(description: Description) -> Description {
    let description = ["orm", "raw"].into_iter().fold(description, |description, name| {
        let count = operation(format!("count_{name}"), "Counts the articles")
            .answers::<Count>(Status::Ok, "The number of articles.")
            .waits_for_postgres();
        description.route(Method::Get, &format!("/aggregation/count/{name}"), count)
    });
    STATISTICS.into_iter().fold(description, |description, (place, _)| {
        let limit = whole(1, aggregation::LARGEST_LIMIT).default(Some(json!(aggregation::DEFAULT_LIMIT)));
        let groups = operation(format!("groups_{}", place.replace('/', "_")), "Counts the articles by group")
            .about("`raw` counts them, `kept` reads what a trigger has counted.")
            .query("limit", limit, "How many groups.")
            .answers::<Groups>(Status::Ok, "Those with the most articles, then by key.");
        description.route(Method::Get, &format!("/aggregation/stats/{place}"), checked(groups))
    })
}

fn search(description: Description) -> Description {
    let of_query = |name, schema: ObjectBuilder, about, example: &str| {
        let parameter = parameter(ParameterIn::Query, name, schema, about).required(Required::True);
        parameter.example(Some(example.into())).build()
    };
    let wanted = text().min_length(Some(1)).max_length(Some(search::QUERY_CHARS));
    let mode = text().enum_values(Some(["like", "trgm", "fts"]));
    let limit = whole(1, search::LARGEST_LIMIT).default(Some(json!(search::DEFAULT_LIMIT)));
    let found = operation("search", "Finds users by name or e-mail")
        .parameter(of_query("q", wanted, "What is searched for.", "ana"))
        .parameter(of_query("mode", mode, "By a part of a text, or by whole words (`fts`).", "like"))
        .query("limit", limit, "How many users.")
        .answers::<Found>(Status::Ok, "The first of them by id.")
        .refuses(Status::BadRequest, "A parameter is not percent-encoded UTF-8.");
    description.route(Method::Get, "/search/users", checked(found))
}
