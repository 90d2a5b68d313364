#!/usr/bin/env bash
# A rolling upgrade with two real programs: replicas of the version before and of this one beside each other
# on one database, each finding what the other creates, and a replica of the version before started once more
# on tables that this one has taken over. Builds for minutes unless POUCO_BEFORE is given, so .ci/run has only
# tests/operations/upgrade.rs.
#
#   tests/upgrade.sh [COMMIT]     the version before, 5ebd590 unless told
#   POUCO_BEFORE, POUCO           programs of both versions that are built already
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=stress-test/stresslib/direct.sh
. stress-test/stresslib/direct.sh

readonly commit=${1:-5ebd590}
folder=$(mktemp -d)
# As root, Postgres runs as somebody else, who has to reach its data.
chmod 755 "$folder"
declare -A pids=()

# Only what was started here.
end() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait || true
  if [ -d "$folder/before" ]; then git worktree remove --force "$folder/before"; fi
  rm -rf "$folder"
}
trap end EXIT

target=${CARGO_TARGET_DIR:-$PWD/target}
if [ -z "${POUCO:-}" ]; then cargo build --quiet --profile tool --locked --bin pouco; fi
if [ -z "${POUCO_BEFORE:-}" ]; then
  git worktree add --quiet --detach "$folder/before" "$commit"
  (cd "$folder/before" &&
    CARGO_TARGET_DIR="$target/upgrade" cargo build --quiet --profile tool --locked --bin pouco)
fi
readonly after=${POUCO:-$target/tool/pouco} before=${POUCO_BEFORE:-$target/upgrade/tool/pouco}

declare -A at=()
# start NAME PROGRAM SETTINGS…: waits until it serves.
start() {
  local name=$1 program=$2
  shift 2
  env POUCO_LISTEN=tcp:127.0.0.1:0 POUCO_ADMIN_LISTEN=off "$@" "$program" >"$folder/$name.log" 2>&1 &
  pids[$name]=$!
  until at[$name]=$(grep -om1 'http://127.0.0.1:[0-9]*' "$folder/$name.log"); do
    kill -0 "${pids[$name]}" 2>/dev/null || { cat "$folder/$name.log"; exit 1; }
    sleep 0.2
  done
}
stop() {
  kill "${pids[$1]}"
  wait "${pids[$1]}"
  unset "pids[$1]" "at[$1]"
}

created=()
# create AT NAME: a person, who is remembered.
create() {
  local location
  location=$(curl -sS -D - -o /dev/null "${at[$1]}/pessoas" \
    -d "{\"apelido\":\"$2\",\"nome\":\"$2\",\"nascimento\":\"2000-10-01\"}" |
    tr -d '\r' | awk 'tolower($1) == "location:" { print $2 }')
  [ -n "$location" ] || { echo "FAIL  $2 is not created by $1"; exit 1; }
  created+=("$2 $location")
}
# finds URL NAME: the search does.
finds() { curl -sSf "$1/pessoas?t=$2" | grep -q "\"apelido\":\"$2\""; }
# Each replica finds each person, by id at once and by search within seconds.
find_all() {
  local name one tries
  for name in "${!at[@]}"; do
    for one in "${created[@]}"; do
      curl -sSf -o /dev/null "${at[$name]}${one#* }" || { echo "FAIL  $name lacks $one"; exit 1; }
      tries=100
      until finds "${at[$name]}" "${one%% *}"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "FAIL  $name does not find $one"; exit 1; }
        sleep 0.1
      done
    done
  done
  printf 'ok    %s: %d people are found by %s\n' "$1" "${#created[@]}" "$(printf '%s\n' "${!at[@]}" | sort | paste -sd' ')"
}

# The first one has the database, so it stays to the end.
start keeper "$before" "POUCO_DATA_DIR=$folder/data"
readonly database="host=$folder/data/run user=pouco dbname=pouco"
start old "$before" "DATABASE_URL=$database"
create keeper ann
create old bea
find_all "before the upgrade"
start new "$after" "DATABASE_URL=$database"
create new cid
create old dan
find_all "both versions side by side"
stop old
start old "$before" "DATABASE_URL=$database"
create old eve
create new fay
find_all "the version before, started once more"
stop new
stop old
start new "$after" "DATABASE_URL=$database"
start newer "$after" "DATABASE_URL=$database"
create newer gus
find_all "after the upgrade"
[ "$(DATABASE_URL="$database" "$after" count)" = "${#created[@]}" ] || { echo "FAIL  rows"; exit 1; }
echo "a rolling upgrade: passed"
