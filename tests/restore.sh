#!/usr/bin/env bash
# Base backup, archive and restore of deploy/ha: people and orders are created, a base backup is taken
# meanwhile, more are created, all three nodes are lost with their data, and the cluster begins again at a
# moment in between. Exactly what was acknowledged by then must be there, and the replicas, which run all the
# while, must know nothing else.
#
#   tests/restore.sh        about a minute and a half; needs the same as tests/failover.sh
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
readonly top

# shellcheck source=tests/failover/lib.sh
source "$top/tests/failover/lib.sh"

finish() {
  local ended=$?
  cluster_down "$ended"
  exit "$ended"
}
trap finish EXIT
cluster_up
python3 "$top/tests/failover/restore.py" "$POUCO_HA_NAME" "$POUCO_HA_NET"
printf 'restore: exactly what was acknowledged by then, in %d s\n' "$SECONDS"
