//! The API described for OpenAPI. The types are for that alone: answers are written by hand, for their
//! amounts.

use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use super::super::describe::{Description, Operation, operation, text, whole};
use crate::http::{Method, Status};

const ABOUT: &str = "Accounts, products, their stock, and orders that cannot oversell. Register, log in, and the page \
                     sends the token with every request.";
const EMAIL: &str = "ana@example.com";
const PASSWORD: &str = "correct horse";

macro_rules! forms {
    ($($(#[$about:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $type:ty,)+ })+) => {
        $(
            #[derive(ToSchema)]
            $(#[$about])*
            #[allow(dead_code, reason = "only its form is wanted")]
            struct $name { $($(#[$of])* $field: $type,)+ }
        )+
    };
}

forms! {
    /// An account to be.
    #[schema(as = inventory::NewAccount)]
    NewAccount {
        #[schema(format = Email, max_length = 254)]
        email: String,
        /// 8 characters to 72 bytes.
        #[schema(format = Password, min_length = 8, max_length = 72)]
        password: String,
        full_name: String,
    }
    /// An account.
    #[schema(as = inventory::Account)]
    Account { id: i64, email: String, full_name: String, is_active: bool, }
    /// A login.
    #[schema(as = inventory::Login)]
    Login {
        /// The e-mail.
        username: String,
        #[schema(format = Password)]
        password: String,
    }
    /// A refresh token, which is good once.
    #[schema(as = inventory::Refresh)]
    Refresh { refresh_token: String, }
    /// Tokens.
    #[schema(as = inventory::Tokens)]
    Tokens {
        access_token: String,
        refresh_token: String,
        token_type: String,
        /// In seconds.
        expires_in: i64,
    }
    /// A product to be.
    #[schema(as = inventory::NewProduct)]
    NewProduct {
        #[schema(max_length = 200)]
        name: String,
        /// At most two decimals.
        #[schema(minimum = 0, maximum = 9_999_999_999.99)]
        price: f64,
        #[schema(max_length = 64)]
        sku: String,
        #[schema(max_length = 2000)]
        description: Option<String>,
    }
    /// What is to be different; what is left out stays.
    #[schema(as = inventory::ProductChange)]
    ProductChange {
        #[schema(nullable = false, max_length = 200)]
        name: Option<String>,
        #[schema(nullable = false, minimum = 0, maximum = 9_999_999_999.99)]
        price: Option<f64>,
        #[schema(nullable = false, max_length = 64)]
        sku: Option<String>,
        #[schema(max_length = 2000)]
        description: Option<String>,
    }
    /// A product.
    #[schema(as = inventory::Product)]
    Product {
        id: i64,
        name: String,
        #[schema(required)]
        description: Option<String>,
        price: f64,
        sku: String,
        owner_id: i64,
    }
    /// So much of a product.
    #[schema(as = inventory::Quantity)]
    Quantity {
        product_id: i64,
        #[schema(minimum = 1)]
        quantity: i32,
    }
    /// How much of a product is in stock.
    #[schema(as = inventory::Stock)]
    Stock { id: i64, product_id: i64, quantity: i64, last_updated: String, }
    /// An order to be.
    #[schema(as = inventory::NewOrder)]
    NewOrder {
        #[schema(min_items = 1, max_items = 100)]
        items: Vec<Quantity>,
    }
    /// The next step of an order.
    #[schema(as = inventory::Step)]
    Step {
        /// `confirmed`, `shipped`, `delivered` or `cancelled`.
        status: String,
    }
    /// A line of an order, with the name and the price of that time.
    #[schema(as = inventory::Line)]
    Line { id: i64, order_id: i64, product_id: i64, name: String, quantity: i64, unit_price: f64, }
    /// An order.
    #[schema(as = inventory::Order)]
    Order {
        id: i64,
        customer_id: i64,
        status: String,
        total_amount: f64,
        created_at: String,
        updated_at: String,
        items: Vec<Line>,
    }
}

/// What each list takes and gives.
fn list<T: ToSchema>(id: &str, summary: &str) -> Operation {
    operation(id, summary)
        .needs_login()
        .query("limit", whole(1, 100).default(Some(json!(100))), "How many there are at most.")
        .query("skip", whole(0, i64::MAX).default(Some(json!(0))), "How many are skipped.")
        .query("after", whole(0, i64::MAX), "The page begins with the first id after this one.")
        .answers_list::<T>(Status::Ok, "The page, in the order of ids.")
        .refuses(Status::UnprocessableContent, "A parameter is not allowed.")
        .waits_for_postgres()
}

fn with_id(id: &str, summary: &str) -> Operation {
    operation(id, summary)
        .needs_login()
        .path_parameter("id", whole(1, i64::MAX), "The id.", 1)
        .refuses(Status::NotFound, "There is none.")
        .waits_for_postgres()
}

fn with_body(operation: Operation) -> Operation {
    operation
        .refuses(Status::BadRequest, "The body is not JSON.")
        .refuses(Status::UnprocessableContent, "A member is missing or wrong.")
}

fn with_key(operation: Operation, short: &str) -> Operation {
    operation
        .needs_login()
        .header_parameter("Idempotency-Key", text(), "The same key and body give the same answer, for a day.")
        .refuses(Status::BadRequest, short)
        .refuses(Status::NotFound, "There is no such product.")
        .refuses(Status::Conflict, "A request with this key is under way.")
        .refuses(
            Status::UnprocessableContent,
            "A member is missing or wrong, or the key was another request's.",
        )
        .waits_for_postgres()
}

/// Every route with its statuses.
pub(super) fn describe() -> OpenApi {
    let api = Description::new(super::API.name, ABOUT);
    orders(stock(products(accounts(api)))).finish()
}

fn accounts(api: Description) -> Description {
    let who = json!({ "username": EMAIL, "password": PASSWORD });
    let register = operation("register", "Makes an account")
        .takes::<NewAccount>(json!({ "email": EMAIL, "password": PASSWORD, "full_name": "Ana" }))
        .answers::<Account>(Status::Created, "The account.")
        .refuses(Status::Conflict, "The e-mail is taken.")
        .waits_for_postgres();
    let login = operation("login", "Logs in")
        .takes::<Login>(who.clone())
        .takes_form::<Login>(who)
        .answers::<Tokens>(Status::Ok, "Tokens.")
        .refuses(Status::Unauthorized, "There is no such account, or it has another password.")
        .refuses(Status::TooManyRequests, "Too many logins have failed lately.")
        .with_header("Retry-After", "in so many seconds")
        .waits_for_postgres();
    let refresh = operation("refresh", "Exchanges a refresh token for a new pair")
        .about("A token that is used twice ends all tokens of its login.")
        .takes::<Refresh>(json!({ "refresh_token": "what the login has answered" }))
        .answers::<Tokens>(Status::Ok, "Tokens.")
        .refuses(Status::Unauthorized, "The token is not valid, or not any more.")
        .waits_for_postgres();
    let me = operation("me", "Shows the account of the token")
        .needs_login()
        .answers::<Account>(Status::Ok, "The account.")
        .waits_for_postgres();
    api.route(Method::Post, "/api/v1/auth/register", with_body(register))
        .route(Method::Post, "/api/v1/auth/login", with_body(login))
        .route(Method::Post, "/api/v1/auth/refresh", with_body(refresh))
        .route(Method::Get, "/api/v1/auth/me", me)
}

fn products(api: Description) -> Description {
    let tea = json!({ "name": "Tea", "price": 4.5, "sku": "TEA-1", "description": "green" });
    let create = operation("create_product", "Adds a product")
        .needs_login()
        .takes::<NewProduct>(tea)
        .answers::<Product>(Status::Created, "The product.")
        .refuses(Status::Conflict, "Another product has the SKU.")
        .waits_for_postgres();
    let change = with_id("change_product", "Changes a product")
        .takes::<ProductChange>(json!({ "price": 5.25 }))
        .answers::<Product>(Status::Ok, "The product, as it is now.")
        .refuses(Status::Conflict, "Another product has the SKU.");
    let invalid =
        |operation: Operation| operation.refuses(Status::UnprocessableContent, "The id is not a number.");
    let archive = with_id("archive_product", "Archives a product")
        .about("It is gone from lists, and its SKU is free. Orders keep it.")
        .answers::<Product>(Status::Ok, "The product, as it was.");
    let one = with_id("product", "Shows a product").answers::<Product>(Status::Ok, "The product.");
    api.route(Method::Get, "/api/v1/products", list::<Product>("products", "Shows a page of products"))
        .route(Method::Post, "/api/v1/products", with_body(create))
        .route(Method::Get, "/api/v1/products/{id}", invalid(one))
        .route(Method::Put, "/api/v1/products/{id}", with_body(change))
        .route(Method::Delete, "/api/v1/products/{id}", invalid(archive))
}

fn stock(api: Description) -> Description {
    let change = |id: &str, summary: &str| {
        with_key(operation(id, summary), "The body is not JSON, or there is less in stock.")
            .takes::<Quantity>(json!({ "product_id": 1, "quantity": 10 }))
            .answers::<Stock>(Status::Ok, "What is in stock now.")
    };
    api.route(Method::Get, "/api/v1/inventory", list::<Stock>("stock", "Shows what is in stock"))
        .route(Method::Post, "/api/v1/inventory/add", change("add_stock", "Adds to the stock of a product"))
        .route(
            Method::Post,
            "/api/v1/inventory/remove",
            change("remove_stock", "Takes from the stock of a product"),
        )
}

fn orders(api: Description) -> Description {
    let place =
        with_key(operation("place_order", "Places an order"), "The body is not JSON, or a product is short.")
            .about("All of it or nothing, at the catalogue's prices.")
            .takes::<NewOrder>(json!({ "items": [{ "product_id": 1, "quantity": 1 }] }))
            .answers::<Order>(Status::Created, "The order.")
            .with_header("Location", "where it is");
    let one = with_id("order", "Shows an order")
        .answers::<Order>(Status::Ok, "The order.")
        .refuses(Status::Forbidden, "It is another customer's.")
        .refuses(Status::UnprocessableContent, "The id is not a number.");
    let change = with_id("change_order", "Takes an order to its next step")
        .about("pending, confirmed, shipped, delivered; or cancelled, which gives the stock back.")
        .takes::<Step>(json!({ "status": "confirmed" }))
        .answers::<Order>(Status::Ok, "The order, as it is now.")
        .refuses(Status::Forbidden, "It is another customer's.")
        .refuses(Status::Conflict, "That step is not allowed from its present status.");
    api.route(Method::Get, "/api/v1/orders", list::<Order>("orders", "Shows a page of your orders"))
        .route(Method::Post, "/api/v1/orders", place)
        .route(Method::Get, "/api/v1/orders/{id}", one)
        .route(Method::Patch, "/api/v1/orders/{id}", with_body(change))
}
