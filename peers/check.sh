#!/usr/bin/env bash
# Checks the sources of contestants with the tools of their languages: form, lints, tests. What is in a folder
# says which. The images have their own checks when they are built; the rules of a contest are the lab's
# matter.
#
#   peers/check.sh [NAME…]         every contestant by default
#
# Needs, for what is checked: cargo, go, node with npm, or python3 (ruff is fetched with pip).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

readonly python_tools=$PWD/common/requirements.txt
tools=${XDG_CACHE_HOME:-$HOME/.cache}/pouco-ci/ruff-$(sed -n 's/^ruff==\([0-9.]*\).*/\1/p' "$python_tools")
readonly tools

fail() { printf 'check: %s\n' "$*" >&2; exit 1; }

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || fail "$tool is missing"
  done
}

check_rust() {
  need cargo
  cargo fmt --check
  cargo clippy --locked --all-targets -- -D warnings
  cargo test --locked
}

check_go() {
  need go gofmt
  local unformatted
  unformatted=$(gofmt -l .)
  [ -z "$unformatted" ] || fail "gofmt would change: $unformatted"
  go vet ./...
  go test ./...
}

check_node() {
  need node npm
  npm ci --ignore-scripts --no-audit --no-fund
  npm test
}

check_python() {
  need python3
  if [ ! -x "$tools/bin/ruff" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --only-binary :all: --no-deps --require-hashes -r "$python_tools"
  fi
  # What is wrong, and not how it looks; the same whatever ruff's defaults become.
  "$tools/bin/ruff" check --isolated --no-cache --select E4,E7,E9,F .
}

# check FOLDER
check() {
  printf '\n=== %s\n' "$1"
  cd "$1"
  if [ -f Cargo.toml ]; then check_rust; fi
  if [ -f go.mod ]; then check_go; fi
  if [ -f package.json ]; then check_node; fi
  if [ -f requirements.txt ]; then check_python; fi
}

# The folders of a contestant that hold sources: one, or one for each contest.
sources_of() {
  find "$1" \( -name target -o -name node_modules \) -prune -o \
    \( -name Cargo.toml -o -name go.mod -o -name package.json -o -name requirements.txt \) -printf '%h\n' | sort -u
}

names=("$@")
if [ "${#names[@]}" -eq 0 ]; then mapfile -t names < <(find . -name contestant.toml | cut -d / -f 2 | sort -u); fi
for name in "${names[@]}"; do
  [ -d "$name" ] || fail "no contestant $name: there is no folder peers/$name"
  folders=$(sources_of "$name")
  [ -n "$folders" ] || echo "$name has no sources of its own"
  for folder in $folders; do
    # A shell of its own for each: it works in the contestant's folder.
    (check "$folder")
  done
done
