//! What the repository promises of itself: its form, its workflows, its dashboards.
#![allow(clippy::unwrap_used)]

mod balancer;
mod observability;
mod rooms;
mod supply;
mod tidy;
mod workflows;
