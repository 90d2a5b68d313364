#!/usr/bin/env bash
# The stack from its sources to its end: build, start, a short form of the contest's stress test, the tests
# that need containers, the probe of a replica and through nginx, and with Redis those of the edge API. It
# takes the stack down before and after, with its data. Port 9999 must be free.
#
#   tests/stack/whole.sh [SECONDS]       30 s of load unless told; ENGINE=docker for docker, then as root
#   tests/stack/whole.sh SECONDS HALF    `stack` is all but the edge API, `edge` the edge API alone
#   POUCO_PROBE                          a probe that is built already; it is built here by default
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/../.."

readonly seconds=${1:-30} half=${2:-both}
case $half in stack | edge | both) ;; *) echo "$half: stack, edge or both is allowed" >&2; exit 2 ;; esac
export ENGINE=${ENGINE:-podman}
export CONTAINER_ENGINE=$ENGINE
# Neither the checkout nor anybody's ~/bin.
readonly tools=${XDG_CACHE_HOME:-$HOME/.cache}/pouco-ci

step() { printf '\n=== %s (%s)\n' "$*" "$(date -u +%H:%M:%S)"; }

compose() {
  case $ENGINE in
    docker) docker compose "$@" ;;
    *) podman-compose "$@" ;;
  esac
}
with_redis() { compose -f docker-compose.yml -f docker-compose.redis.yml "$@"; }
tear_down() { with_redis down --volumes >/dev/null 2>&1 || true; }

# The last words of whatever failed, before it is gone.
finish() {
  local status=$?
  if [ "$status" -ne 0 ]; then
    for container in pouco-nginx pouco-api1 pouco-api2 pouco-postgres pouco-redis; do
      printf '\n--- %s\n' "$container"
      "$ENGINE" logs --tail 30 "$container" 2>&1 || true
    done
  fi
  tear_down
  exit "$status"
}

without_redis() {
  step "the stack"
  tear_down
  compose up --build -d

  step "stress test, $seconds s"
  LC_ALL=C.UTF-8 stress-test/install-gatling.sh "$tools"
  GATLING_HOME="$tools/gatling-3.9.5" python3 -m unittest discover stress-test/tests -p test_lines.py
  stress-test/run-test.sh "$tools/gatling-3.9.5" --seconds "$seconds"
  stress-test/count.sh

  step "tests that need containers"
  tests/stack/run.sh

  step "HTTP's rules, by a replica on its Unix socket"
  local probe=(cargo run --profile tool --locked -p pouco-tools --bin probe --)
  if [ -n "${POUCO_PROBE:-}" ]; then probe=("$POUCO_PROBE"); fi
  local sockets
  sockets=$("$ENGINE" volume inspect --format '{{.Mountpoint}}' pouco-sockets)
  "${probe[@]}" "unix:$sockets/api1.sock" --host localhost

  step "no request is smuggled through nginx; the rest of what the probe finds is nginx's own"
  "${probe[@]}" --proxy tcp:127.0.0.1:9999
}

with_redis_too() {
  step "with Redis: the edge API"
  tear_down
  # Alone, the edge API has `/` and `/metrics`.
  POUCO_APIS=edge with_redis up --build -d
  tests/stack/edge.sh
}

trap finish EXIT
if [ "$half" != edge ]; then without_redis; fi
if [ "$half" != stack ]; then with_redis_too; fi
