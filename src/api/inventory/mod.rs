//! The inventory: accounts, products, their stock, and orders that cannot oversell.
//!
//! Postgres is the only memory of it: each answer comes from there, so that no replica is older than another.
//! Writes are transactions, but for orders, which go by group commit.

mod auth;
mod keys;
mod money;
mod openapi;
mod orders;
mod outcomes;
mod paging;
mod products;
mod seed;
mod stock;
mod sweep;

use std::io;
use std::sync::Arc;
use std::thread;

use self::auth::Auth;
use self::keys::UnderWay;
use self::orders::batch::Orders;
use self::outcomes::{Outcome, Outcomes};
use self::sweep::Sweeper;
use super::{Api, Configured, Running, Services, Stored};
use crate::cache::Body;
use crate::http::{Method, Router, Slash};
use crate::limits;
use crate::metrics::Exposition;
use crate::readiness::Readiness;
use crate::settings::{ConfigError, Values};
use crate::store::commit::CommitQueue;
use crate::store::{Gather, Lane, Migration, Pool};

/// The API, as the table has it.
pub(super) static API: Api = Api {
    name: "inventory",
    in_all: true,
    example: "/api/v1/auth/register -d \
              '{\"email\":\"ana@example.com\",\"password\":\"correct horse\",\"full_name\":\"Ana\"}'",
    openapi: Some(openapi::describe),
    settings: auth::SETTINGS,
    stored: Some(Stored {
        schema: Some("inventory"),
        migrations: &[
            Migration::new("inventory accounts", include_str!("migrations/0001_accounts.sql")),
            Migration::new("inventory shop", include_str!("migrations/0002_shop.sql")),
        ],
        // The writer of orders, and occasionally the one that sweeps.
        connections: limits::WRITERS_PER_REPLICA + 1,
        seed: Some(seed::SEED),
        count: Some("SELECT count(*) FROM inventory.orders"),
    }),
    configure,
};

/// Checked settings.
struct Settings {
    auth: auth::Settings,
}

fn configure(values: &Values) -> Result<Box<dyn Configured>, ConfigError> {
    Ok(Box::new(Settings { auth: auth::Settings::read(values)? }))
}

/// What the handlers share.
struct Inventory {
    auth: Arc<Auth>,
    pool: Arc<Pool>,
    products: Gather<i64, Body>,
    orders: Arc<CommitQueue<Orders>>,
    under_way: Arc<UnderWay>,
    outcomes: Outcomes,
}

impl AsRef<Auth> for Inventory {
    fn as_ref(&self) -> &Auth {
        &self.auth
    }
}

impl Configured for Settings {
    fn check(&self, several_replicas: bool) -> Result<(), ConfigError> {
        self.auth.check(several_replicas)
    }

    fn mount(self: Box<Self>, services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>> {
        let auth = Auth::start(&self.auth, services)?;
        auth.mount(API.name, router);
        let (orders, writer) =
            CommitQueue::start(services.connector.clone(), services.commit, services.janitor)?;
        let inventory = Arc::new(Inventory {
            auth,
            pool: services.pool.clone(),
            products: Gather::new(services.pool.clone(), Lane::Lookup, products::of_ids),
            orders,
            under_way: Arc::default(),
            outcomes: Outcomes::default(),
        });
        let mut scope = router.scope(API.name, inventory.clone());
        scope
            .slash(Slash::Either)
            .nest("/api/v1")
            .guard(auth::caller::<Inventory>)
            .route(Method::Get, "/products", Inventory::products)
            .route(Method::Post, "/products", Inventory::create_product)
            .route(Method::Get, "/products/{id}", Inventory::product)
            .route(Method::Put, "/products/{id}", Inventory::change_product)
            .route(Method::Delete, "/products/{id}", Inventory::archive_product)
            .route(Method::Get, "/inventory", Inventory::stock)
            .route(Method::Post, "/inventory/add", Inventory::add_stock)
            .route(Method::Post, "/inventory/remove", Inventory::remove_stock)
            .route(Method::Get, "/orders", Inventory::own_orders)
            .route(Method::Post, "/orders", Inventory::place_order)
            .route(Method::Get, "/orders/{id}", Inventory::order)
            .route(Method::Patch, "/orders/{id}", Inventory::change_order);
        let sweeper = Sweeper::start(services.connector.clone(), &[keys::sweep])?;
        Ok(Box::new(Mounted { inventory, writer: Some(writer), sweeper }))
    }
}

struct Mounted {
    inventory: Arc<Inventory>,
    writer: Option<thread::JoinHandle<()>>,
    sweeper: Sweeper,
}

impl Running for Mounted {
    fn stop(&mut self) {
        self.inventory.orders.close();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            log::error!("the writer of orders panicked");
        }
        self.sweeper.stop();
        self.inventory.auth.stop();
    }

    fn readiness(&self, readiness: &mut Readiness) {
        readiness.age("inventory", "an order has waited for long", self.inventory.orders.oldest());
        if self.writer.as_ref().is_none_or(thread::JoinHandle::is_finished) {
            readiness.own("inventory", "the writer of orders has ended");
        }
    }

    fn expose(&self, exposition: &mut Exposition) {
        self.inventory.orders.expose("orders", exposition);
        self.inventory.outcomes.expose(exposition);
        self.inventory.auth.expose(exposition);
    }
}
