#!/usr/bin/env bash
# Asks a server built from this checkout, on an embedded Postgres, the questions of the probe, over TCP.
# (Over a Unix socket tests/stack/whole.sh asks the image's server.) Any broken MUST or SHOULD fails. First
# the probe shows that it finds what is wrong with servers that are.
#
#   tests/probe.sh [REPORT]        a file for the report, none unless told
#   POUCO, POUCO_PROBE             a server and a probe that are built already; they are built here by default
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

readonly report=${1:-}
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

target=${CARGO_TARGET_DIR:-target}/tool
if [ -z "${POUCO:-}" ] || [ -z "${POUCO_PROBE:-}" ]; then
  cargo build --profile tool --locked -p pouco -p pouco-tools --bin pouco --bin probe
fi
readonly pouco=${POUCO:-$target/pouco} probe=${POUCO_PROBE:-$target/probe}
"$probe" --self-test

POUCO_LISTEN=tcp:127.0.0.1:0 POUCO_ADMIN_LISTEN=off POUCO_DATA_DIR="$folder/data" \
  "$pouco" >"$folder/log" 2>&1 &
server=$!
# It says its address when it serves; it has ended if it will not.
until address=$(grep -om1 'http://127.0.0.1:[0-9]*' "$folder/log"); do
  kill -0 "$server" || { cat "$folder/log"; exit 1; }
  sleep 0.2
done

options=()
if [ -n "$report" ]; then options=(--markdown "$report"); fi
"$probe" "tcp:${address#http://}" --host localhost "${options[@]}"
