#!/bin/sh
# Makes the skeleton of a cargo workspace for a cached layer of dependencies: every manifest and the lock file
# as they are, and in place of each file that cargo takes for a target's root one empty program. An image that
# copies the skeleton builds all dependencies, and keeps them until a manifest changes, whatever happens to
# the sources. New members of the workspace are found by themselves. What is below peers/ are workspaces of
# their own.
#
#   stub-workspace.sh SOURCES SKELETON
set -eu
sources=$1
skeleton=$2

cd "$sources"
find . \( -name target -o -path ./peers \) -prune -o -type f \( \
    -name Cargo.toml -o -name Cargo.lock \
    -o -path '*/src/main.rs' -o -path '*/src/lib.rs' -o -path '*/src/bin/*.rs' \
    -o -path '*/benches/*.rs' -o -path '*/tests/*.rs' -o -path '*/examples/*.rs' -o -path '*/fuzz_targets/*.rs' \
    -o -path ./fuzz/replay.rs -o -path ./fuzz/checks/mod.rs -o -name build.rs \
  \) -print |
while IFS= read -r file; do
  mkdir -p "$skeleton/$(dirname "$file")"
  case $file in
    *.rs) echo 'fn main() {}' >"$skeleton/$file" ;;
    *)    cp "$file" "$skeleton/$file" ;;
  esac
done

# A layer is found in the cache by its content, and a file's time is part of that: one time for all of them.
find "$skeleton" -exec touch -h -d @0 {} +
