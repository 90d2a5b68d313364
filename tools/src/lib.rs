//! What asks, breaks and measures a server, for its own programs (`src/bin/`), for the tests and for the
//! benchmarks. No part of the server is in it, and the server has no part of it.
#![allow(missing_docs, clippy::unwrap_used)] // for this repository alone; a test that cannot go on fails

pub mod answer;
pub mod bench;
pub mod client;
pub mod faults;
pub mod probe;
pub mod support;

use std::path::{Path, PathBuf};

/// The server as cargo has built it, for a test, a benchmark or a program beside it.
pub fn server() -> PathBuf {
    // Cargo says it to what it starts itself; tests/beside.sh starts the same programs.
    if let Some(program) = std::env::var_os("CARGO_BIN_EXE_pouco") {
        return program.into();
    }
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap();
    // Tests and benchmarks are a folder deeper.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(Path::new("")) } else { folder };
    folder.join("pouco")
}
