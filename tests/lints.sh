#!/usr/bin/env bash
# The form of the Rust code and its lints, with both sets of features: what `cargo run` has, and what the
# images have.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

cargo fmt --check
# They are declared in a macro, where rustfmt does not see them.
cargo fmt --check -- src/api/*/mod.rs
cargo clippy --workspace --all-targets --locked -- -D warnings
cargo clippy --workspace --exclude pouco-tools --locked --no-default-features --lib --bins -- -D warnings
