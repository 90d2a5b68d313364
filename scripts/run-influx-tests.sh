#!/usr/bin/env bash
# JMeter's plan for all back ends of docker-compose.inventory.yml at once, told to its InfluxDB: for the
# dashboard that shows them side by side. They share this machine meanwhile, so nobody is ranked and
# there is no record; for that, scripts/run-jmeter-tests.sh and run-node-jmeter-tests.sh have each alone.
#
#   scripts/run-influx-tests.sh [OPTIONS of `pouco-lab load`]     --load short, --load steps
#
#   INFLUX_URL     default http://127.0.0.1:8086; INFLUX_TOKEN has the token of version 2
#   RESULTS        where samples and reports go, default lab-results/side-by-side-DATE
#   BACK_ENDS      default "python node pouco"
#
# Exit code: 0; 1 a request failed; 2 it cannot be done, and a line says why.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=scripts/stack.sh
source scripts/stack.sh

readonly influx=${INFLUX_URL:-http://127.0.0.1:8086}
readonly results=${RESULTS:-lab-results/side-by-side-$(date -u +%Y%m%d-%H%M%S)}
readonly wanted=" ${BACK_ENDS:-python node pouco} "

chosen=()
for back_end in "${back_ends[@]}"; do
  IFS=: read -r name port metrics _ <<<"$back_end"
  case $wanted in *" $name "*) ;; *) continue ;; esac
  serves "$port" || refuse "$name does not answer on port $port: scripts/inventory-stack.sh up"
  need_free "$metrics"
  chosen+=("$back_end")
done
[ "${#chosen[@]}" -gt 0 ] || refuse "BACK_ENDS=${BACK_ENDS:-}: python, node and pouco are allowed"
mkdir -p "$results"
# Built once, and not by all of them.
lab --version >/dev/null

# Only what was started here: each in a process group of its own, which is ended with all that is in it.
runs=()
# shellcheck disable=SC2317 # by the trap
end() {
  local run
  for run in "${runs[@]}"; do kill -- "-$run" 2>/dev/null || true; done
  wait
}
trap end EXIT
set -m
for back_end in "${chosen[@]}"; do
  IFS=: read -r name port metrics application <<<"$back_end"
  lab load inventory --tool jmeter --address "127.0.0.1:$port" --influx "$influx" \
    --application "$application" --jmeter-metrics "127.0.0.1:$metrics" --out "$results/$name" \
    "$@" >"$results/$name.txt" 2>&1 &
  runs+=($!)
done
set +m

worst=0
for number in "${!chosen[@]}"; do
  code=0
  wait "${runs[$number]}" || code=$?
  if [ "$code" -gt "$worst" ]; then worst=$code; fi
  name=${chosen[$number]%%:*}
  printf '\n=== %s\n' "$name"
  # Without the lines of its progress.
  tr '\r' '\n' <"$results/$name.txt" | grep -v '^ *$' | tail -n 30
done
runs=()
printf '\nsamples and reports: %s\n' "$results"
exit "$worst"
