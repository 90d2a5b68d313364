//! pouco: a backend that needs little. An HTTP server on coroutines, an honest group commit into Postgres,
//! and the APIs that stand on both.
//!
//! Which room may use which is drawn in ARCHITECTURE.md, and held by a test: `api → store, cache, http`;
//! those three know nothing of each other, and all may count with `instruments` and wait with `waiting`.
//! `app` puts them together.

pub mod api;
pub mod app;
pub mod cache;
pub mod config;
pub mod database_url;
pub mod dates;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod files;
pub mod front;
pub mod http;
pub mod identity;
pub mod instruments;
pub mod limits;
pub mod logging;
pub mod process;
pub mod random;
pub mod readiness;
pub mod replicas;
pub mod settings;
pub mod store;
pub mod systemd;
pub mod waiting;

pub use pouco_exposition as metrics;
