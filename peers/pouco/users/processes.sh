#!/bin/bash
# As many processes of the server as the contest's budget has, on one port; each has its part of the
# connections to Postgres.
set -euo pipefail

readonly workers=${WORKERS:-1}
# The least that the contest allows: lookups that meet share a statement, so more are of no use here.
connections=$((${DATABASE_CONNECTIONS:-30} / workers))
least=$((${DATABASE_CONNECTIONS_MIN:-5} / workers))
least=$((least > 2 ? least : 2))
export POUCO_READ_CONNECTIONS=$((connections < least ? connections : least))
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
