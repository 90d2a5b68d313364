//! The native generator, and what is found out with it.
#![allow(clippy::unwrap_used)]

mod load_support;

mod generator {
    mod capacity;
    mod load;
    mod load_edge;
    mod load_shop;
    mod load_users;
    mod shop;
    mod stress;
    mod tiny_shop;
}
