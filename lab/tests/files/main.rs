//! The lab's files, and the machine that it finds.
#![allow(clippy::unwrap_used)]

mod doctor;
mod peers;
mod users;
