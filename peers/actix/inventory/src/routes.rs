//! The requests of the contest.

use actix_web::HttpResponse;
use actix_web::Resource;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::web::{
    self, Data, Json, Path, PathConfig, PayloadConfig, Query, QueryConfig, ServiceConfig, delete, get, post,
    put, resource,
};
use serde_json::{Value, json};

use crate::accounts::{Accounts, Caller};
use crate::database::Database;
use crate::input::{Body, Change, Credentials, NewOrder, NewProduct, Page, Quantity, Registration};
use crate::model::{Item, Order, Product};
use crate::rejection::Rejection;

const BODY_BYTES: usize = 64 << 10;

const NO_NUMBER: Rejection =
    Rejection::new(StatusCode::UNPROCESSABLE_ENTITY, "limit, skip and after: whole numbers are allowed");
const NO_ID: Rejection =
    Rejection::of_field(StatusCode::UNPROCESSABLE_ENTITY, "expected a positive whole number", "id");
const NOTHING: Rejection = Rejection::new(StatusCode::NOT_FOUND, "there is nothing here");
const NO_METHOD: Rejection = Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "there is no such method here");

type Answer<T> = Result<Json<T>, Rejection>;

pub(crate) fn routes(service: &mut ServiceConfig) {
    service
        .app_data(PathConfig::default().error_handler(|_, _| NO_ID.into()))
        .app_data(QueryConfig::default().error_handler(|_, _| NO_NUMBER.into()))
        .app_data(PayloadConfig::new(BODY_BYTES))
        .service(at("/").route(get().to(root)))
        .service(at("/healthz").route(get().to(health)))
        .service(at("/api/v1/auth/register").route(post().to(register)))
        .service(at("/api/v1/auth/login").route(post().to(login)))
        .service(at("/api/v1/products").route(get().to(products)).route(post().to(add_product)))
        .service(
            at("/api/v1/products/{id}")
                .route(get().to(product))
                .route(put().to(change_product))
                .route(delete().to(archive_product)),
        )
        .service(at("/api/v1/inventory").route(get().to(stock)))
        .service(at("/api/v1/inventory/add").route(post().to(add_stock)))
        .service(at("/api/v1/inventory/remove").route(post().to(remove_stock)))
        .service(at("/api/v1/orders").route(get().to(orders)).route(post().to(place_order)))
        .service(at("/api/v1/orders/{id}").route(get().to(order)))
        .default_service(web::to(nothing));
}

fn at(path: &str) -> Resource {
    resource(path).default_service(web::to(no_method))
}

async fn nothing() -> Result<HttpResponse, Rejection> {
    Err(NOTHING)
}

async fn no_method() -> Result<HttpResponse, Rejection> {
    Err(NO_METHOD)
}

async fn root() -> Json<Value> {
    Json(json!({ "message": "inventory" }))
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn register(
    database: Data<Database>,
    accounts: Data<Accounts>,
    new: Body<Registration>,
) -> Result<HttpResponse, Rejection> {
    Ok(HttpResponse::Created().json(accounts.register(&database, new.0).await?))
}

async fn login(
    database: Data<Database>,
    accounts: Data<Accounts>,
    login: Body<Credentials>,
) -> Result<HttpResponse, Rejection> {
    let token = accounts.login(&database, login.0).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(token))
}

async fn products(_: Caller, database: Data<Database>, page: Query<Page>) -> Answer<Vec<Product>> {
    database.products(&page.into_inner().checked()?).await.map(Json)
}

async fn add_product(
    caller: Caller,
    database: Data<Database>,
    new: Body<NewProduct>,
) -> Result<HttpResponse, Rejection> {
    Ok(HttpResponse::Created().json(database.add_product(caller.0, &new.0).await?))
}

async fn product(_: Caller, database: Data<Database>, id: Path<i64>) -> Answer<Product> {
    database.product(positive(&id)?).await.map(Json)
}

async fn change_product(
    _: Caller,
    database: Data<Database>,
    id: Path<i64>,
    change: Body<Change>,
) -> Answer<Product> {
    database.change_product(positive(&id)?, &change.0).await.map(Json)
}

async fn archive_product(_: Caller, database: Data<Database>, id: Path<i64>) -> Answer<Product> {
    database.archive_product(positive(&id)?).await.map(Json)
}

async fn stock(_: Caller, database: Data<Database>, page: Query<Page>) -> Answer<Vec<Item>> {
    database.stock(&page.into_inner().checked()?).await.map(Json)
}

async fn add_stock(_: Caller, database: Data<Database>, by: Body<Quantity>) -> Answer<Item> {
    database.add_stock(&by.0).await.map(Json)
}

async fn remove_stock(_: Caller, database: Data<Database>, by: Body<Quantity>) -> Answer<Item> {
    database.remove_stock(&by.0).await.map(Json)
}

async fn orders(caller: Caller, database: Data<Database>, page: Query<Page>) -> Answer<Vec<Order>> {
    database.orders(caller.0, &page.into_inner().checked()?).await.map(Json)
}

async fn place_order(
    caller: Caller,
    database: Data<Database>,
    new: Body<NewOrder>,
) -> Result<HttpResponse, Rejection> {
    let order = database.place_order(caller.0, &new.0.wanted()).await?;
    let location = format!("/api/v1/orders/{}", order.id);
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(order))
}

async fn order(caller: Caller, database: Data<Database>, id: Path<i64>) -> Answer<Order> {
    database.order(caller.0, positive(&id)?).await.map(Json)
}

fn positive(id: &i64) -> Result<i64, Rejection> {
    Some(*id).filter(|id| *id > 0).ok_or(NO_ID)
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::Method;
    use actix_web::middleware::NormalizePath;
    use actix_web::test::{TestRequest, call_service, init_service, read_body_json};

    use super::*;

    /// Postgres is away: what is refused is refused before that is noticed.
    #[actix_web::test]
    async fn what_is_refused() {
        let config = "host=/nonexistent user=pouco dbname=pouco".parse().unwrap();
        let database = Data::new(Database::new(&config, 1).unwrap());
        let accounts = Data::new(Accounts::new("0123456789abcdef0123456789abcdef", 4).unwrap());
        let token = accounts.token_of(7);
        let app = App::new().wrap(NormalizePath::trim()).app_data(database).app_data(accounts);
        let app = init_service(app.configure(routes)).await;
        let large = format!("\"{}\"", "x".repeat(70_000));
        let order = r#"{"items":[{"product_id":1,"quantity":1}]}"#;
        let cases = [
            (Method::GET, "/", "", 200),
            (Method::GET, "/healthz", "", 200),
            (Method::GET, "/nothing", "", 404),
            (Method::GET, "/api/v1/nothing", "", 404),
            (Method::DELETE, "/api/v1/inventory", "", 405),
            (Method::GET, "/api/v1/products", "", 503),
            (Method::GET, "/api/v1/products/1/", "", 503),
            (Method::GET, "/api/v1/products?limit=100&skip=9223372036854775807", "", 503),
            (Method::GET, "/api/v1/products?limit=0", "", 422),
            (Method::GET, "/api/v1/products?limit=101", "", 422),
            (Method::GET, "/api/v1/products?limit=ten", "", 422),
            (Method::GET, "/api/v1/products?limit=", "", 422),
            (Method::GET, "/api/v1/inventory?skip=-1", "", 422),
            (Method::GET, "/api/v1/orders?after=9223372036854775808", "", 422),
            (Method::GET, "/api/v1/products/tea", "", 422),
            (Method::GET, "/api/v1/orders/0", "", 422),
            (Method::GET, "/api/v1/orders/9223372036854775808", "", 422),
            (Method::POST, "/api/v1/products", "", 400),
            (Method::POST, "/api/v1/products", "{\"name\":", 400),
            (Method::POST, "/api/v1/products", "[]", 422),
            (Method::POST, "/api/v1/products", &large, 413),
            (Method::POST, "/api/v1/orders", "{\"items\":[]}", 422),
            (Method::POST, "/api/v1/orders/", order, 503),
            (Method::POST, "/api/v1/inventory/add", "{\"product_id\":1,\"quantity\":0}", 422),
            (Method::POST, "/api/v1/auth/login", "username=a%40b.c&password=p", 503),
        ];
        for (method, path, body, status) in cases {
            let request =
                TestRequest::default().method(method.clone()).uri(path).set_payload(body.to_owned());
            let request = request.insert_header(("authorization", format!("Bearer {token}")));
            let response = call_service(&app, request.to_request()).await;
            assert_eq!(response.status(), status, "{method} {path} {body:.60}");
            let said: Value = read_body_json(response).await;
            assert_eq!(said["error"].is_string(), status >= 400, "{method} {path}: {said}");

            if path.starts_with("/api/v1/") && !path.contains("auth") && ![404, 405].contains(&status) {
                let request = TestRequest::default().method(method.clone()).uri(path).to_request();
                let response = call_service(&app, request).await;
                assert_eq!(response.status(), 401, "{method} {path} without a token");
                assert_eq!(response.headers().get("www-authenticate").unwrap(), "Bearer");
            }
        }
    }
}
