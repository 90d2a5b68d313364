#!/usr/bin/env bash
# archive-run.sh RUN_DIR DEST: copies what proves a run's figures into DEST, for keeping: command,
# commit, counts, percentiles, the monitor's CSV (compressed) and summary, and the machine. Not
# simulation.log and not Gatling's report, which are tens of megabytes, and no picture.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR source=stresslib/common.sh
. "$here/stresslib/common.sh"

main() {
  if [ $# -ne 2 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 2
  fi
  local run=$1 destination=$2 file
  [ -f "$run/run.json" ] || die "$run has no run.json: it is no run of run-test.sh, or was stopped at its start"
  [ -f "$run/counts.json" ] || warn "WARNING: $run has no counts.json: run count.sh while the database holds this run"
  if [ -e "$destination/run.json" ] && ! cmp -s "$run/run.json" "$destination/run.json"; then
    die "$destination holds another run already"
  fi
  mkdir -p "$destination"
  for file in run.json counts.json percentiles.json percentiles.txt; do
    [ ! -f "$run/$file" ] || cp "$run/$file" "$destination/"
  done
  if [ -d "$run/monitor" ]; then
    gzip -9n <"$run/monitor/monitor.csv" >"$destination/monitor.csv.gz"
    cp "$run/monitor/summary.json" "$destination/resources.json"
    cp "$run/monitor/summary.txt" "$destination/resources.txt"
  fi
  "$here/machine.sh" >"$destination/machine.txt"
  say "archived $(basename "$run") in $destination"
}

main "$@"
