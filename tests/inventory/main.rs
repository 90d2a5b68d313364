//! The inventory API over real sockets and a real Postgres.
#![allow(clippy::unwrap_used)]

use pouco_tools::support;

mod accounts;
mod bearer;
mod client;
mod flood;
mod lost_answers;
mod orders;
mod products;
mod refresh;
mod shopper;
