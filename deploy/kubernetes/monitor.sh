#!/usr/bin/env bash
# Shows what runs in the cluster.
#
#   deploy/kubernetes/monitor.sh          nodes, pods, Deployments, autoscalers, budgets, last warnings
#   deploy/kubernetes/monitor.sh logs     the same, and the last lines of each pod
#   deploy/kubernetes/monitor.sh watch    the same again every 5 s, until Ctrl-C
#
#   CONTEXT      a context of kubectl's, instead of that of kind's cluster
#
# Exit code 1: a pod is not ready. 2: there is no cluster, or the argument is none.
set -euo pipefail
export LC_ALL=C
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=deploy/kubernetes/lib.sh
source "$here/lib.sh"

what=${1:-once}
case $what in
  once | logs | watch) ;;
  -h|--help) help; exit 0 ;;
  *) refuse "unknown argument: $what (try --help)" ;;
esac
use_cluster

show() {
  k get nodes
  printf '\n'
  k get pods --output wide
  printf '\n'
  k get deployments,statefulsets,hpa,pdb
  # Only where a metrics server is.
  k top pods 2>/dev/null || true
  printf '\nwarnings:\n'
  k get events --field-selector type=Warning --sort-by .lastTimestamp | tail -n 10
}

# Pods that are to stay and are not ready.
unready() {
  k get pods --field-selector status.phase!=Succeeded \
    --output custom-columns='name:.metadata.name,ready:.status.conditions[?(@.type=="Ready")].status' --no-headers |
    awk 'NF && $2 != "True" {print $1}'
}

if [ "$what" = watch ]; then
  while sleep 5; do clear; show; done
fi
show
if [ "$what" = logs ]; then
  for pod in $(k get pods --output name); do
    printf '\n--- %s\n' "$pod"
    k logs "$pod" --all-containers --tail 15 || true
  done
fi
not_ready=$(unready)
[ -z "$not_ready" ] || fail "not ready: $(tr '\n' ' ' <<<"$not_ready")"
