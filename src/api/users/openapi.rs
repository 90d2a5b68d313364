//! The API described for OpenAPI.

use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use super::super::describe::{Description, operation, uuid, whole};
use super::model::User;
use super::routes::{DEFAULT_LIMIT, LARGEST_LIMIT};
use crate::http::{Method, Status};

const ABOUT: &str = "Users by id and in pages. They are only read: rows come from elsewhere, or from a seed.";
const ID: &str = "123e4567-e89b-42d3-a456-426614174000";

/// A page, in the order of ids. It has `offset`, or `after` and `next`, as it was asked for.
#[derive(ToSchema)]
#[schema(as = users::Page)]
#[allow(dead_code, reason = "only its form is wanted: pages are rendered by hand")]
struct Page {
    items: Vec<User<'static>>,
    limit: i64,
    #[schema(nullable = false)]
    offset: Option<i64>,
    #[schema(nullable = false, format = Uuid)]
    after: Option<String>,
    /// The `after` of the next page, or null.
    #[schema(format = Uuid)]
    next: Option<String>,
    /// How many users there are.
    total: i64,
}

/// Every route with its statuses.
pub(super) fn describe() -> OpenApi {
    let limit = whole(1, LARGEST_LIMIT).default(Some(json!(DEFAULT_LIMIT)));
    Description::new(super::API.name, ABOUT)
        .route(
            Method::Get,
            "/users/{id}",
            operation("by_id", "Shows a user")
                .path_parameter("id", uuid(), "The user's id.", ID)
                .answers::<User<'_>>(Status::Ok, "The user.")
                .refuses(Status::BadRequest, "The id is not a UUID.")
                .refuses(Status::NotFound, "There is no such user.")
                .waits_for_postgres(),
        )
        .route(
            Method::Get,
            "/users",
            operation("list", "Shows a page of users")
                .about(
                    "With `offset`, or with `after`, for which every page costs the same; never with both.",
                )
                .query("limit", limit, "The users of a page.")
                .query("offset", whole(0, i64::MAX), "How many users are skipped.")
                .query("after", uuid(), "The page begins with the first id after this one.")
                .answers::<Page>(Status::Ok, "The page.")
                .refuses(Status::BadRequest, "A parameter is not allowed.")
                .waits_for_postgres(),
        )
        .finish()
}
