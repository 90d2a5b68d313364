//! The API described for OpenAPI. The types are forms: people are parsed and rendered by hand (`model.rs`).
#![allow(dead_code, reason = "only the forms of the types are wanted")]

use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa::openapi::Required;
use utoipa::openapi::path::ParameterIn;

use super::super::describe::{Description, operation, parameter, text, uuid};
use super::model::{NAME_CHARS, SHORT_CHARS, STACK_ELEMENTS};
use crate::http::{Method, Status};

const ABOUT: &str = "People with a unique nickname. They are found by id or by a part of any of their texts, \
                     and never change.";
const ID: &str = "019a0000-0000-7000-8000-000000000001";

/// The derive takes literals alone.
const _: () = assert!(SHORT_CHARS == 32 && NAME_CHARS == 100 && STACK_ELEMENTS == 128);

/// A person to be created.
#[derive(ToSchema)]
#[schema(as = people::NewPerson)]
struct NewPerson {
    /// The nickname, which nobody else has.
    #[schema(max_length = 32)]
    apelido: String,
    /// The name.
    #[schema(max_length = 100)]
    nome: String,
    /// The date of birth, a day of the calendar.
    #[schema(format = Date)]
    nascimento: String,
    /// Words for what the person knows, of at most 32 characters each and 4 KiB in all.
    #[schema(max_items = 128)]
    stack: Option<Vec<String>>,
}

/// A person.
#[derive(ToSchema)]
#[schema(as = people::Person)]
struct Person {
    #[schema(format = Uuid)]
    id: String,
    apelido: String,
    nome: String,
    #[schema(format = Date)]
    nascimento: String,
    #[schema(required = true)]
    stack: Option<Vec<String>>,
}

/// Every route with its statuses.
pub(super) fn describe() -> OpenApi {
    let ana =
        json!({ "apelido": "ana", "nome": "Ana", "nascimento": "2000-10-01", "stack": ["Rust", "SQL"] });
    let term = parameter(ParameterIn::Query, "t", text(), "The part of a text, ignoring case.");
    Description::new(super::API.name, ABOUT)
        .route(
            Method::Post,
            "/pessoas",
            operation("create", "Creates a person")
                .about("The answer comes after the commit.")
                .takes::<NewPerson>(ana)
                .answers_empty(Status::Created, "The person is stored.")
                .with_header("Location", "the path of the person")
                .refuses(Status::BadRequest, "It is not JSON, or a type is wrong.")
                .refuses(Status::UnprocessableContent, "A rule is broken, or the nickname is taken.")
                .waits_for_postgres(),
        )
        .route(
            Method::Get,
            "/pessoas/{id}",
            operation("by_id", "Shows a person")
                .path_parameter("id", uuid(), "The person's id.", ID)
                .answers::<Person>(Status::Ok, "The person.")
                .refuses(Status::NotFound, "There is no such person.")
                .waits_for_postgres(),
        )
        .route(
            Method::Get,
            "/pessoas",
            operation("search", "Finds people")
                .about("At most 50 people one of whose texts contains the term, oldest first.")
                .parameter(term.required(Required::True).example(Some("rust".into())).build())
                .answers_list::<Person>(Status::Ok, "The people, or an empty list.")
                .refuses(Status::BadRequest, "There is no term, or it is not UTF-8.")
                .waits_for_postgres(),
        )
        .route(
            Method::Get,
            "/contagem-pessoas",
            operation("count", "Counts the people in the database")
                .answers_text(Status::Ok, "The number.", "text/plain; charset=utf-8")
                .waits_for_postgres(),
        )
        .finish()
}
