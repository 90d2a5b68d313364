//! The API described for OpenAPI. Most types are forms: answers are written by hand.
#![allow(dead_code, reason = "only the forms of the types are wanted")]

mod optimizations;

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::{OpenApi, Required};

use super::model::{NAME_CHARS, User};
use super::protected::{REQUEST_ID_BYTES, TOKEN_BYTES};
use super::upload::FIELD;
use crate::api::describe::{Description, Operation, operation, parameter, text, whole};
use crate::http::{Method, Status};

const ABOUT: &str = "One endpoint for each kind of work that a backend does, by which frameworks are \
                     compared. Rows come from the database at each request.";

/// The derive takes literals alone.
const _: () = assert!(NAME_CHARS == 100 && TOKEN_BYTES == 10 && REQUEST_ID_BYTES == 128);

/// That the process answers.
#[derive(ToSchema)]
#[schema(as = bench::Health)]
struct Health {
    status: String,
    server: String,
}

/// What is to be echoed.
#[derive(ToSchema)]
#[schema(as = bench::Message)]
struct Message {
    message: String,
    /// A number or a text.
    timestamp: Value,
    data: Data,
}

/// What is echoed.
#[derive(ToSchema)]
#[schema(as = bench::Echo)]
struct Echo {
    message: String,
    data: Data,
}

/// Any object; usually it has these members.
#[derive(ToSchema)]
#[schema(as = bench::Data)]
struct Data {
    #[schema(nullable = false)]
    items: Option<Vec<Value>>,
    #[schema(nullable = false)]
    nested: Option<Value>,
}

/// A user to be.
#[derive(ToSchema)]
#[schema(as = bench::NewUser)]
struct NewUser {
    #[schema(max_length = 100)]
    name: String,
    /// Which no other user has.
    #[schema(format = Email, max_length = 254)]
    email: String,
}

/// What is to be different; what is left out stays.
#[derive(ToSchema)]
#[schema(as = bench::UserChange)]
struct UserChange {
    #[schema(nullable = false, max_length = 100)]
    name: Option<String>,
    #[schema(nullable = false, format = Email, max_length = 254)]
    email: Option<String>,
}

/// What somebody else would have said.
#[derive(ToSchema)]
#[schema(as = bench::External)]
struct External {
    source: String,
    /// How long it took.
    latency_ms: f64,
    data: Value,
}

/// That somebody may come in.
#[derive(ToSchema)]
#[schema(as = bench::Granted)]
struct Granted {
    message: String,
    user: String,
}

/// A file that was read.
#[derive(ToSchema)]
#[schema(as = bench::Uploaded)]
struct Uploaded {
    filename: String,
    /// In bytes.
    size: i64,
    content_type: String,
}

/// Every route with its statuses.
pub(super) fn describe() -> OpenApi {
    let data = json!({ "items": [1, 2], "nested": { "key": "value" } });
    let message = json!({ "message": "hello", "timestamp": 1_700_000_000, "data": data });
    let request_id =
        parameter(ParameterIn::Header, "X-Request-Id", text(), "Of 1 to 128 visible characters.");
    let description = Description::new(super::API.name, ABOUT)
        .route(
            Method::Get,
            "/health",
            operation("health", "Says that the process answers").answers::<Health>(Status::Ok, "It does."),
        )
        .route(
            Method::Post,
            "/echo",
            operation("echo", "Parses JSON and serializes it again")
                .takes::<Message>(message)
                .answers::<Echo>(Status::Ok, "What came.")
                .refuses(Status::BadRequest, "It is no JSON.")
                .refuses(Status::UnprocessableContent, "A member is missing, or of another type."),
        )
        .route(
            Method::Get,
            "/external",
            operation("external", "Waits as long as a call to another service")
                .answers::<External>(Status::Ok, "After POUCO_BENCH_EXTERNAL_MS."),
        )
        .route(
            Method::Get,
            "/protected",
            operation("protected", "Admits a request with a token and a request id")
                .about("Any token of 10 characters is valid: only the work is compared.")
                .needs_login()
                .parameter(request_id.required(Required::True).example(Some("a-request".into())).build())
                .answers::<Granted>(Status::Ok, "Come in.")
                .with_header("X-Request-Id", "the request's"),
        )
        .route(
            Method::Post,
            "/upload",
            operation("upload", "Counts the bytes of a file")
                .about("The file is read as it comes, and kept nowhere.")
                .takes_file(FIELD, "The file, with its name.", "what is in the file")
                .answers::<Uploaded>(Status::Ok, "What it was.")
                .refuses(Status::BadRequest, "The form is broken.")
                .refuses(Status::RequestTimeout, "It came too slowly.")
                .refuses(Status::UnsupportedMediaType, "It is not a form with a boundary.")
                .refuses(Status::UnprocessableContent, "There is no file, or more than one."),
        );
    optimizations::describe(users(description)).finish()
}

fn users(description: Description) -> Description {
    let ana = json!({ "name": "Ana", "email": "ana@example.com" });
    let one = |operation: Operation| {
        operation
            .path_parameter("id", whole(1, i64::MAX), "The user's id.", 1)
            .refuses(Status::BadRequest, "The id is not a whole number, or the body is not JSON.")
            .refuses(Status::NotFound, "There is no such user.")
            .waits_for_postgres()
    };
    description
        .route(
            Method::Get,
            "/users",
            operation("list", "Shows all users")
                .about("In the order of their ids. A large table is sent while it is read.")
                .answers_list::<User<'_>>(Status::Ok, "All of them.")
                .waits_for_postgres(),
        )
        .route(
            Method::Post,
            "/users",
            operation("create", "Creates a user")
                .about("The answer comes after the commit.")
                .takes::<NewUser>(ana.clone())
                .answers::<User<'_>>(Status::Created, "The user is stored.")
                .with_header("Location", "the path of the user")
                .refuses(Status::BadRequest, "It is no JSON.")
                .refuses(Status::Conflict, "Another user has the e-mail.")
                .refuses(Status::UnprocessableContent, "A member is missing, or breaks a rule.")
                .waits_for_postgres(),
        )
        .route(
            Method::Get,
            "/users/{id}",
            one(operation("user", "Shows a user").answers::<User<'_>>(Status::Ok, "The user.")),
        )
        .route(
            Method::Put,
            "/users/{id}",
            one(operation("change", "Changes a user")
                .takes::<UserChange>(ana)
                .answers::<User<'_>>(Status::Ok, "The user, as it is now.")
                .refuses(Status::Conflict, "Another user has the e-mail.")
                .refuses(Status::UnprocessableContent, "A member breaks a rule.")),
        )
        .route(
            Method::Delete,
            "/users/{id}",
            one(operation("delete", "Deletes a user")
                .answers_empty(Status::NoContent, "It is gone.")
                .refuses(Status::Conflict, "Rows of other tables belong to the user.")),
        )
}
