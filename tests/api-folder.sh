#!/usr/bin/env bash
# Does what docs/add-an-api.md says, to the letter, in a copy of the checkout: the files of its blocks, and
# its line. The users API and its line are taken out of the same copy. What is left has to be well-formed,
# pass the tests of every room of the library that an API can reach, start on an embedded Postgres and answer.
#
#   CARGO_TARGET_DIR  where an earlier `cargo test` has compiled the dependencies, to use them again
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=stress-test/stresslib/direct.sh
. stress-test/stresslib/direct.sh

readonly lines_allowed=60
folder=$(mktemp -d)
# As root, Postgres runs as somebody else, who has to reach its data.
chmod 755 "$folder"
server=
# Only what was started here.
end() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" || true
  fi
  rm -rf "$folder"
}
trap end EXIT
fail() { echo "FAIL  $*"; exit 1; }

readonly copy=$folder/copy
mkdir "$copy"
git ls-files -z --cached --others --exclude-standard -- src benches examples exposition lab/Cargo.toml \
  tools/Cargo.toml 'Cargo.*' tests fuzz rustfmt.toml clippy.toml |
  while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
  xargs -0 cp --parents -t "$copy"

# Of the lab and the tools their manifests are enough, so that the dependencies have the features that they
# were compiled with.
mkdir -p "$copy/lab/src/bin" "$copy/tools/src/bin"
echo '//! Nothing.' | tee "$copy/tools/src/lib.rs" >"$copy/lab/src/lib.rs"
echo 'fn main() {}' | tee "$copy/lab/src/main.rs" "$copy"/tools/src/bin/{faults,idle,late,probe}.rs \
  >"$copy/lab/src/bin/pouco-meters.rs"

# Links and no copies. But what is of this workspace goes: cargo would write into those files, which are
# the earlier build's too, and that would be compiled once more.
target=${CARGO_TARGET_DIR:-$PWD/target}
if [ -d "$target/debug" ]; then
  mkdir "$folder/target"
  cp -al "$target/debug" "$folder/target/" 2>/dev/null || cp -a "$target/debug" "$folder/target/"
  find "$folder/target/debug" -mindepth 1 -maxdepth 1 ! -name deps ! -name build ! -name .fingerprint \
    -exec rm -r {} +
  rm -rf "$folder"/target/debug/{deps/{,lib}pouco*,.fingerprint/pouco*,build/pouco*}
fi
export CARGO_TARGET_DIR=$folder/target

# The page's blocks, by the file that each is for. One line is added to a file that is there.
awk -v copy="$copy" '
  /^```[a-z]+ [^ ]+$/ { file = copy "/" $2; inside = 1; if ($2 == "src/api/mod.rs") file = copy "/line"; next }
  /^```/ { inside = 0 }
  inside { system("mkdir -p \"$(dirname \"" file "\")\""); print >file }
' docs/add-an-api.md
[ "$(wc -l <"$copy/line")" = 1 ] || fail "more than one line outside the folder"
lines=$(grep -vc '^ *$' "$copy/src/api/notes/mod.rs")
[ "$lines" -le "$lines_allowed" ] || fail "$lines lines, $lines_allowed are allowed"
sed -i -e "/^apis! {/r $copy/line" -e '/^ *\(pub \)\?mod users;$/d' "$copy/src/api/mod.rs"
rm -r "$copy/src/api/users" "$copy/line"
grep -q '^    mod notes;$' "$copy/src/api/mod.rs" || fail "the line is not in the table"

cd "$copy"
cargo fmt --check -- src/api/*/mod.rs
# For the same features the whole workspace is named, and an example, so that those for tests are among them.
# Two rooms know of no API (tests/repository/rooms.rs holds that) and have the longest tests.
cargo test --quiet --locked --workspace --lib -- --skip cache:: --skip waiting::
cargo build --quiet --locked --workspace --bin pouco --example hello

POUCO_LISTEN=tcp:127.0.0.1:0 POUCO_ADMIN_LISTEN=off POUCO_DATA_DIR="$folder/data" POUCO_NOTES_LONGEST=20 \
  "$CARGO_TARGET_DIR/debug/pouco" >"$folder/log" 2>&1 &
server=$!
# It says its address when it serves; it has ended if it will not.
until address=$(grep -om1 'http://127.0.0.1:[0-9]*' "$folder/log"); do
  kill -0 "$server" 2>/dev/null || { cat "$folder/log"; exit 1; }
  sleep 0.2
done

# expect STATUS PATH [BODY]
expect() {
  local status
  status=$(curl -sS -D "$folder/head" -o "$folder/body" -w '%{http_code}' "$address$2" ${3:+-d "$3"})
  [ "$status" = "$1" ] || { cat "$folder/head" "$folder/body" "$folder/log"; fail "$2 $3: $status, not $1"; }
}
expect 201 /notes '"a text"'
location=$(tr -d '\r' <"$folder/head" | awk 'tolower($1) == "location:" { print $2 }')
expect 200 "$location"
[ "$(cat "$folder/body")" = '"a text"' ] || fail "another text"
expect 409 /notes '"a text"'
expect 422 /notes '"longer than the setting has it"'
expect 400 /notes '{"text":1}'
expect 404 /notes/00000000-0000-0000-0000-000000000000
expect 404 /users
expect 200 /api/v1/openapi.json
grep -q '"/notes/{id}":{"get":{"tags":\["notes"\]' "$folder/body" || fail "the OpenAPI document lacks a route"
expect 200 /docs
expect 200 /healthz
expect 201 /pessoas '{"apelido":"ana","nome":"Ana","nascimento":"2000-10-01"}'
expect 200 /static-text
[ "$(DATABASE_URL="host=$folder/data/run user=pouco dbname=pouco" "$CARGO_TARGET_DIR/debug/pouco" count notes)" = 1 ] ||
  fail "count"
echo "an API in a folder of $lines lines and one line outside: passed"
