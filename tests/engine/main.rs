//! The HTTP engine as its clients meet it, over real sockets.
#![allow(clippy::unwrap_used)]

use pouco_tools::support;

mod addresses;
mod conditional;
mod ending;
mod fair;
mod guards;
mod hops;
mod interface;
mod json_depth;
mod json_members;
mod limits;
mod properties;
mod rates;
mod requests;
mod routing;
mod slow_readers;
mod streaming;
