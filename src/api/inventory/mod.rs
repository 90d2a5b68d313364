//! Inventory: accounts, and what they may do.

mod auth;

use std::io;
use std::sync::Arc;

use self::auth::Auth;
use super::{Api, Configured, Running, Services, Stored};
use crate::http::Router;
use crate::metrics::Exposition;
use crate::settings::{ConfigError, Values};
use crate::store::Migration;

/// The API, as the table has it.
pub(super) static API: Api = Api {
    name: "inventory",
    example: "/api/v1/auth/register -d \
              '{\"email\":\"ana@example.com\",\"password\":\"a long one\",\"full_name\":\"Ana\"}'",
    settings: auth::SETTINGS,
    stored: Some(Stored {
        schema: Some("inventory"),
        migrations: &[Migration::new("accounts", include_str!("migrations/0001_accounts.sql"))],
        connections: 0,
        seed: None,
        count: Some("SELECT count(*) FROM inventory.users"),
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

impl Configured for Settings {
    fn check(&self, several_replicas: bool) -> Result<(), ConfigError> {
        self.auth.check(several_replicas)
    }

    fn mount(self: Box<Self>, services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>> {
        let auth = Auth::start(&self.auth, services)?;
        auth.mount(API.name, router);
        Ok(Box::new(Mounted(auth)))
    }
}

struct Mounted(Arc<Auth>);

impl Running for Mounted {
    fn stop(&mut self) {
        self.0.stop();
    }

    fn expose(&self, exposition: &mut Exposition) {
        self.0.expose(exposition);
    }
}
