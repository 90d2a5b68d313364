#!/bin/bash
# As many processes of the server as the contest's budget has, on one port; each has its part of the connections to Postgres.
set -euo pipefail

readonly workers=${WORKERS:-1}
# More than these are of no use to a process: look-ups that meet share a statement, and a list does not stand in their way.
readonly useful=2

connections=$((${DATABASE_CONNECTIONS:-30} / workers))
export POUCO_READ_CONNECTIONS=$((connections < useful ? connections : useful))
if [ "$workers" -eq 1 ]; then
  exec pouco serve
fi

export POUCO_SHARE_PORT=on
processes=()
stop() { kill -TERM "${processes[@]}" 2>/dev/null || true; }
stopped=
trap 'stopped=yes; stop' TERM INT
for _ in $(seq "$workers"); do
  pouco serve &
  processes+=("$!")
done
# One that ends, for whatever reason, ends them all: the engine starts all of them again.
status=0
wait -n || status=$?
stop
wait || true
[ -z "$stopped" ] || status=0
exit "$status"
