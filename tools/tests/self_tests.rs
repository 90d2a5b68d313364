//! A judge that finds nothing proves nothing: both must find what is planted.
#![allow(clippy::unwrap_used)]

use pouco_tools::faults::{self_test, self_test_hostile, self_test_orders};
use pouco_tools::probe;

#[test]
fn the_checker_of_histories_finds_what_is_planted() {
    self_test::run().unwrap();
    self_test_orders::run().unwrap();
    self_test_hostile::run().unwrap();
}

#[test]
fn the_probe_finds_what_is_wrong_with_servers() {
    assert_eq!(probe::self_test::run(), Ok(true));
}
