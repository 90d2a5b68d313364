//! Records of contests, and what is made of them.
#![allow(clippy::unwrap_used)]

#[path = "../../../tests/support/browser.rs"]
mod browser;
#[path = "../sample/mod.rs"]
mod sample;

mod archive;
mod compare;
mod report;
mod report_picture;
mod schema;
mod shop;
