#!/usr/bin/env bash
# What the crates bring with them, in every workspace of the repository: licences, sources, versions more than
# once (cargo-deny, by deny.toml), and known vulnerabilities (cargo-audit, which fetches RustSec's data base).
# The first run compiles both tools, which takes minutes.
#
#   tests/dependencies.sh [--without-advisories]
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

readonly deny_version=0.20.2
readonly audit_version=0.22.2
readonly tools=${XDG_CACHE_HOME:-$HOME/.cache}/pouco-ci

advisories=yes
case ${1:-} in
  '') ;;
  --without-advisories) advisories=no ;;
  *) echo "usage: tests/dependencies.sh [--without-advisories]" >&2; exit 2 ;;
esac

# tool NAME VERSION: a place of its own for each version; no file of the user's is changed.
tool() {
  local root=$tools/$1-$2
  if [ ! -x "$root/bin/$1" ]; then cargo install --locked --quiet --root "$root" --version "$2" "$1"; fi
  export PATH=$root/bin:$PATH
}

# Those that the lab or an image builds. A folder `target` may hold lock files of others.
mapfile -t locks < <(git ls-files '*Cargo.lock')

tool cargo-deny "$deny_version"
for lock in "${locks[@]}"; do
  printf '\n=== %s: licences, bans, sources\n' "$lock"
  cargo deny --manifest-path "${lock%lock}toml" --locked check --config "$PWD/deny.toml" licenses bans sources
done

if [ "$advisories" = yes ]; then
  tool cargo-audit "$audit_version"
  for lock in "${locks[@]}"; do
    printf '\n=== %s: advisories\n' "$lock"
    cargo audit --file "$lock"
  done
fi
