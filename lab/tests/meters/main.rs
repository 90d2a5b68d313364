//! The meters on recorded trees of the kernel's files, and on real processes.
#![allow(clippy::unwrap_used)]

mod cgroups;
mod exporter;
mod processes;
mod trees;
