#!/usr/bin/env bash
# The systemd units: their form, how little the service may do, and the program behind a real
# systemd-socket-activate under load. Restarts behind a socket that stays are in tests/operations/systemd.rs.
# Some seconds.
#
#   POUCO     the server; by default the one that `cargo build` makes
set -uo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/../.." || exit

readonly planned=7
readonly clients=8 requests=100
# 0 is a service that may do nothing, 100 one without any bound.
readonly most_exposure=15

# shellcheck source=tests/stack/lib.sh
source tests/stack/lib.sh

program=$(readlink -f "${POUCO:-${CARGO_TARGET_DIR:-target}/debug/pouco}")
scratch=$(mktemp -d)
server=""
finish() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null
    wait "$server"
  fi
  rm -rf "$scratch"
  all_ran
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ] || exit 1
}
trap finish EXIT

[ -x "$program" ] || cargo build --quiet --locked --package pouco --bin pouco || exit 1

# The program is where it was built, not where the package puts it.
for unit in service socket; do
  sed "s|/usr/bin/pouco|$program|" "deploy/systemd/pouco.$unit" >"$scratch/pouco.$unit"
done
# Units of this machine that it finds wrong are not ours to mend.
verified() {
  local said
  said=$(systemd-analyze verify "$scratch/pouco.service" "$scratch/pouco.socket" 2>&1 | grep -F pouco) || true
  [ -z "$said" ] || { printf '%s\n' "$said"; return 1; }
}
# What says nothing of a unit that is wrong says nothing of ours.
broken_is_found() {
  mkdir -p "$scratch/broken"
  sed 's/^Type=notify/Type=nothing/' "$scratch/pouco.service" >"$scratch/broken/pouco.service"
  contains "$(systemd-analyze verify "$scratch/broken/pouco.service" 2>&1)" nothing
}
check 'the units are right' verified
check 'a broken unit is found' broken_is_found
# The lines of docs/operation.md.
with_a_credential() {
  mkdir -p "$scratch/credential"
  sed -n '/^\x60\{3\}ini$/,/^\x60\{3\}$/{/^\x60/d;p}' docs/operation.md >"$scratch/drop-in"
  contains "$(cat "$scratch/drop-in")" LoadCredential= || return
  cat "$scratch/pouco.service" "$scratch/drop-in" >"$scratch/credential/pouco.service"
  local said
  said=$(systemd-analyze verify "$scratch/credential/pouco.service" "$scratch/pouco.socket" 2>&1 |
    grep -F pouco)
  [ -z "$said" ] || { printf '%s\n' "$said"; return 1; }
}
check 'a secret that systemd hands over, as the document has it' with_a_credential
check 'the service may do little' systemd-analyze security --offline=yes --no-pager \
  --threshold=$most_exposure "$scratch/pouco.service"

# It waits for the first client, and hands its socket over.
systemd-socket-activate --listen="$scratch/api.sock" --fdname=api \
  -E POUCO_LISTEN=systemd:api -E POUCO_APIS=edge -E POUCO_ADMIN_LISTEN=off \
  "$program" serve >"$scratch/out" 2>"$scratch/log" &
server=$!
listens() { [ -S "$scratch/api.sock" ]; }
check 'it listens before the server runs' wait_for 10 listens

# client NUMBER: requests on connections of their own; the first of all starts the server.
client() {
  local sent
  for ((sent = 0; sent < requests; sent++)); do
    curl --silent --show-error --max-time 20 --output /dev/null --write-out '%{http_code}\n' \
      --unix-socket "$scratch/api.sock" http://localhost/healthz
  done >"$scratch/client-$1" 2>&1
}
workers=()
for ((number = 0; number < clients; number++)); do
  client "$number" &
  workers+=($!)
done
wait "${workers[@]}"
check 'no client is refused' equal "$(cat "$scratch"/client-* | sort | uniq -c | xargs)" "$((clients * requests)) 200"

kill -TERM "$server"
wait "$server"
code=$?
server=""
check 'it ends in order' equal "$code" 0
