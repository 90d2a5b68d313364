#!/usr/bin/env bash
# Does what docs/inventory.md says first, line by line, against a server of its own, and looks at what comes
# back.
#
#   POUCO     the server; by default the one that `cargo build` makes
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=stress-test/stresslib/direct.sh
. stress-test/stresslib/direct.sh

readonly program=${POUCO:-${CARGO_TARGET_DIR:-target}/debug/pouco}
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
fail() { echo "FAIL  $*"; cat "$folder/out"; exit 1; }

[ -n "${POUCO:-}" ] || cargo build --quiet --locked --package pouco --bin pouco
# A machine that does much else hashes slowly.
POUCO_LISTEN=tcp:127.0.0.1:0 POUCO_ADMIN_LISTEN=off POUCO_DATA_DIR="$folder/data" POUCO_HASH_WAIT_MS=10000 \
  "$program" >"$folder/log" 2>&1 &
server=$!
# It says its address when it serves; it has ended if it will not.
until address=$(grep -om1 'http://127.0.0.1:[0-9]*' "$folder/log"); do
  kill -0 "$server" 2>/dev/null || { cat "$folder/log"; exit 1; }
  sleep 0.2
done

# The first block, without its first line, which starts a server.
awk '/^```sh/ { inside++; next } /^```/ { if (inside) exit } inside && !/^cargo run/' docs/inventory.md |
  sed "s|http://localhost:9999|$address|" >"$folder/steps"
grep -q "$address" "$folder/steps" || fail "the page asks another address"
bash -euo pipefail "$folder/steps" >"$folder/out"

# What was printed: the account, the stock, two orders that are one, an order that is refused, and all of the
# stock.
mapfile -t said <"$folder/out"
begins() { [[ ${said[$1]:-} == "$2"* ]] || fail "line $1 does not begin with $2"; }
begins 0 '{"id":1,"email":"ana@example.com",'
begins 1 '{"id":1,"product_id":1,"quantity":10,'
begins 2 '{"id":1,"customer_id":1,"status":"pending","total_amount":36.00,'
[ "${said[2]}" = "${said[3]}" ] || fail "the same key was answered otherwise"
begins 4 '{"error":"product 1 has 2 in stock","field":"items"}'
begins 5 '[{"id":1,"product_id":1,"quantity":2,'
echo "docs/inventory.md: an account, a product and an order, as it says"
