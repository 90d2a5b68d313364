#!/usr/bin/env bash
# The cluster of deploy/ha under load while something happens to its primary; afterwards everybody who was
# acknowledged is asked for, through each replica and in the table, and every order too. Replica `a` is behind
# HAProxy, `b` has all three hosts in its URL.
#
#   tests/failover.sh [OPTION…] FAULT…
#
#   postmaster   the primary's postmaster is killed
#   node         all of the primary's node is killed
#   frozen       the primary's node stands still for 40 s
#   cut          the primary's node is cut off from all for 45 s
#   peers        ... from the other nodes only, and the replicas reach it
#   switchover   the lead is handed over in order, by patronictl
#   handover     ... because the primary's node is stopped in order
#   etcd         two of three etcd stand still for 40 s
#   leaderless   ... and a standby too, for LEADERLESS_S (60): nobody may lead
#   all          each of these, about 16 minutes
#
#   --out FOLDER   faults.txt and faults.json
#   --targets      a time over its target is an error, as a broken promise is
#   --rate N       creations a second through each replica, 50 by default
#
# Needs podman as root, iptables, nsenter, and the images pouco-server and pouco-postgres. Other names,
# networks and ports than the cluster's own are used. `switchover` is what CI runs.
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
readonly top

out=- targets=no rate=50 faults=()
fail() { printf 'failover: %s\n' "$*" >&2; exit 2; }
while [ "$#" -gt 0 ]; do
  case $1 in
    --out) out=${2:?a folder}; shift ;;
    --rate) rate=${2:?a number}; shift ;;
    --targets) targets=yes ;;
    all) faults+=(postmaster node frozen cut peers switchover handover etcd leaderless) ;;
    postmaster | node | frozen | cut | peers | switchover | handover | etcd | leaderless) faults+=("$1") ;;
    *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
  esac
  shift
done
[ "${#faults[@]}" -gt 0 ] || fail "which fault? (--help)"

# shellcheck source=tests/failover/lib.sh
source "$top/tests/failover/lib.sh"

finish() {
  local ended=$?
  cluster_down "$ended"
  exit "$ended"
}
trap finish EXIT
cluster_up
python3 "$top/tests/failover/run.py" "$POUCO_HA_NAME" "$POUCO_HA_NET" "$out" "$targets" "$rate" "${faults[@]}"
printf 'failover: nothing lost, doubled, invisible or oversold, in %d s\n' "$SECONDS"
