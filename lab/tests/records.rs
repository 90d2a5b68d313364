//! Records of contests, and what is made of them.
#![allow(clippy::unwrap_used)]

mod sample;

mod records {
    mod archive;
    mod compare;
    mod report;
    mod report_picture;
    mod schema;
    mod shop;
}
