//! The three requests of the contest.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, PathConfig, Query, QueryConfig, ServiceConfig, get, resource};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::Database;
use crate::rejection::Rejection;
use crate::user::{Page, User};

const LIMIT_USUAL: i64 = 50;
const LIMIT_MOST: i64 = 200;

const NO_UUID: Rejection = Rejection::Invalid("the id is no UUID");
const NO_NUMBER: Rejection = Rejection::Invalid("limit and offset: whole numbers are allowed");
const BAD_LIMIT: Rejection = Rejection::Invalid("limit: a number from 1 to 200 is allowed");
const BAD_OFFSET: Rejection = Rejection::Invalid("offset: a number from 0 is allowed");

pub(crate) fn routes(service: &mut ServiceConfig) {
    service
        .app_data(PathConfig::default().error_handler(|_, _| NO_UUID.into()))
        .app_data(QueryConfig::default().error_handler(|_, _| NO_NUMBER.into()))
        .service(resource("/healthz").route(get().to(health)))
        .service(resource("/users").route(get().to(page)))
        .service(resource("/users/{id}").route(get().to(fetch)))
        .default_service(web::to(unknown));
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

async fn fetch(database: Data<Database>, id: Path<Uuid>) -> Result<Json<User>, Rejection> {
    let user = database.fetch(*id).await.map_err(unavailable)?;
    user.map(Json).ok_or(Rejection::NotFound)
}

#[derive(Deserialize)]
struct Window {
    #[serde(default = "limit_usual")]
    limit: i64,
    #[serde(default)]
    offset: i64,
}

fn limit_usual() -> i64 {
    LIMIT_USUAL
}

async fn page(database: Data<Database>, window: Query<Window>) -> Result<Json<Page>, Rejection> {
    let Window { limit, offset } = window.into_inner();
    if !(1..=LIMIT_MOST).contains(&limit) {
        return Err(BAD_LIMIT);
    }
    if offset < 0 {
        return Err(BAD_OFFSET);
    }
    database.page(limit, offset).await.map(Json).map_err(unavailable)
}

async fn unknown() -> Result<HttpResponse, Rejection> {
    Err(Rejection::NotFound)
}

/// Says in the log what the client is not told.
fn unavailable(error: impl std::fmt::Debug) -> Rejection {
    eprintln!("a request failed: {error:?}");
    Rejection::Unavailable
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::StatusCode;
    use actix_web::test::{TestRequest, call_and_read_body_json, call_service, init_service};

    use super::*;

    /// Postgres is away: what is refused is refused before that is noticed.
    fn away() -> Data<Database> {
        let config = "host=/nonexistent user=pouco dbname=pouco".parse().unwrap();
        Data::new(Database::new(&config, 1).unwrap())
    }

    #[actix_web::test]
    async fn what_is_refused() {
        const ID: &str = "123e4567-e89b-12d3-a456-426614174000";
        let app = init_service(App::new().app_data(away()).configure(routes)).await;
        let cases = [
            ("/nothing".to_owned(), StatusCode::NOT_FOUND),
            (format!("/users/{ID}"), StatusCode::SERVICE_UNAVAILABLE),
            ("/users".to_owned(), StatusCode::SERVICE_UNAVAILABLE),
            ("/users?limit=200&offset=9223372036854775807".to_owned(), StatusCode::SERVICE_UNAVAILABLE),
            ("/users/1".to_owned(), StatusCode::BAD_REQUEST),
            (format!("/users/{ID}0"), StatusCode::BAD_REQUEST),
            ("/users?limit=0".to_owned(), StatusCode::BAD_REQUEST),
            ("/users?limit=201".to_owned(), StatusCode::BAD_REQUEST),
            ("/users?limit=-1".to_owned(), StatusCode::BAD_REQUEST),
            ("/users?limit=1.0".to_owned(), StatusCode::BAD_REQUEST),
            ("/users?limit=ten".to_owned(), StatusCode::BAD_REQUEST),
            ("/users?limit=".to_owned(), StatusCode::BAD_REQUEST),
            ("/users?offset=-1".to_owned(), StatusCode::BAD_REQUEST),
            ("/users?offset=".to_owned(), StatusCode::BAD_REQUEST),
            ("/users?offset=9223372036854775808".to_owned(), StatusCode::BAD_REQUEST),
        ];
        for (path, expected) in cases {
            let request = || TestRequest::get().uri(&path).to_request();
            assert_eq!(call_service(&app, request()).await.status(), expected, "{path}");
            let body: serde_json::Value = call_and_read_body_json(&app, request()).await;
            assert!(body["error"].is_string(), "{path}: {body}");
        }
    }

    #[actix_web::test]
    async fn health_needs_no_database() {
        let app = init_service(App::new().app_data(away()).configure(routes)).await;
        let body: serde_json::Value =
            call_and_read_body_json(&app, TestRequest::get().uri("/healthz").to_request()).await;
        assert_eq!(body, serde_json::json!({ "status": "ok" }));
    }
}
