//! What somebody who runs the server relies on: start and stop, the limit of descriptors, log lines, metrics.
#![allow(clippy::unwrap_used)]

use pouco_tools::support;

mod access;
mod check;
mod descriptors;
mod drain;
mod ends;
mod health;
mod lifecycle;
mod logging;
mod metrics;
mod pooler;
mod pushes;
mod replicas;
mod starts;
mod systemd;
mod upgrade;
