#!/usr/bin/env bash
# Fuzzes each target for a while, from the corpus in git; any crash, hang or leak fails. New inputs stay in
# fuzz/target.
#
#   fuzz/run.sh [SECONDS]       60 for each target by default
#
# Needs rustup's stable toolchain and a C++ compiler (libFuzzer is built from source). What it has found goes
# into the corpus: replay.rs goes through that with every `cargo test`, and through faults that are
# planted, without any of this.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")"

readonly targets=(request_head chunked query stream)
readonly cargo_fuzz_version=0.13.1
# The host, since cargo-fuzz would otherwise take the one it was itself built for, which may be musl.
host=$(rustc -vV | sed -n 's/^host: //p')
readonly host
readonly work=${CARGO_TARGET_DIR:-$PWD/target}/fuzzing
# Sanitizers are behind -Z, which the stable compiler takes only so. With a nightly it changes nothing.
export RUSTC_BOOTSTRAP=1

say() { printf '%s\n' "$*"; }
fail() { printf 'fuzz: %s\n' "$*" >&2; exit 1; }

need_cxx() {
  if command -v c++ >/dev/null; then return; fi
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    fail "no C++ compiler: install g++"
  fi
  say "fuzz: no C++ compiler, installing g++"
  apt-get update -q && apt-get install -y -q --no-install-recommends g++
}

need_cargo_fuzz() {
  export PATH="$work/tools/bin:$PATH"
  if cargo fuzz --version 2>/dev/null | grep -qxF "cargo-fuzz $cargo_fuzz_version"; then return; fi
  say "fuzz: installing cargo-fuzz $cargo_fuzz_version"
  # Alongside the targets: no file of the user's is changed.
  cargo install cargo-fuzz --version "$cargo_fuzz_version" --locked --root "$work/tools" --quiet
}

dictionary_of() {
  case $1 in
    query) say dictionaries/query.dict ;;
    *) say dictionaries/http.dict ;;
  esac
}

# fuzz TARGET SECONDS LOG: its exit status is libFuzzer's. The seeds are read and never written.
fuzz() {
  local found=$work/corpus/$1 artifacts=$work/artifacts/$1/
  mkdir -p "$found" "$artifacts"
  # A server that lives to the end is held by coroutine stacks, which the leak detector does not look at.
  local leaks=1
  if [ "$1" = stream ]; then leaks=0; fi
  ASAN_OPTIONS=detect_leaks=$leaks \
  cargo fuzz run --fuzz-dir . --target "$host" "$1" "$found" "corpus/$1" -- \
    -max_total_time="$2" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -detect_leaks="$leaks" \
    -dict="$(dictionary_of "$1")" -artifact_prefix="$artifacts" -print_final_stats=1 >"$3" 2>&1
}

speed() { sed -n 's/^stat::average_exec_per_sec: *//p' "$1"; }
count() { sed -n 's/^stat::number_of_executed_units: *//p' "$1"; }

# As many at a time as there are cores.
fuzz_all() {
  local target pids=() failed=() index
  for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do sleep 1; done
    fuzz "$target" "$1" "$work/$target.log" &
    pids+=($!)
  done
  for index in "${!targets[@]}"; do
    target=${targets[$index]}
    if wait "${pids[$index]}"; then
      printf '%-13s %9s executions, %7s a second, no fault\n' \
        "$target" "$(count "$work/$target.log")" "$(speed "$work/$target.log")"
    else
      tail -n 60 "$work/$target.log" >&2
      failed+=("$target")
    fi
  done
  [ "${#failed[@]}" -eq 0 ] || fail "${failed[*]} failed; the input is under $work/artifacts"
}

mkdir -p "$work"
need_cxx
need_cargo_fuzz
cargo fuzz build --fuzz-dir . --target "$host"
case ${1:-60} in
  *[!0-9]*) fail "not a number of seconds: $1" ;;
  *) fuzz_all "${1:-60}" ;;
esac
