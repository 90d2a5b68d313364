#!/usr/bin/env bash
# Runs the JMeter plan in the cluster against back ends, one after the other: a Job each, whose samples go to
# InfluxDB.
#
#   deploy/kubernetes/run-tests.sh [inventory|fastapi|express]…
#
#   all three unless told; python and node are accepted too
#
#   THREADS, RAMP, LOOPS   10, 30 s and 100 by default
#   PATIENCE_S             for each; 1800 by default
#   CONTEXT                a context of kubectl's, instead of that of kind's cluster
#
# Exit code 1: a request failed, or a Job did. 2: something is missing.
set -euo pipefail
export LC_ALL=C
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=deploy/kubernetes/lib.sh
source "$here/lib.sh"

names=()
for argument in "$@"; do
  case $argument in
    inventory | fastapi | express) names+=("$argument") ;;
    python) names+=(fastapi) ;;
    node) names+=(express) ;;
    -h|--help) help; exit 0 ;;
    *) refuse "unknown argument: $argument (try --help)" ;;
  esac
done
[ "${#names[@]}" -gt 0 ] || names=(inventory fastapi express)
for number in "${THREADS:=10}" "${RAMP:=30}" "${LOOPS:=100}" "${PATIENCE_S:=1800}"; do
  [[ $number =~ ^[0-9]{1,6}$ ]] || refuse "$number: THREADS, RAMP, LOOPS and PATIENCE_S are whole numbers"
done
use_cluster
exists secret influxdb || refuse "nothing is deployed in $context: deploy.sh first"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
failed=0
for name in "${names[@]}"; do
  port=9999
  case $name in fastapi) port=8000 ;; express) port=8001 ;; esac
  say "$name: $THREADS threads, $LOOPS loops"
  kubectl kustomize "$here/jmeter" |
    sed -e "s/jmeter-BACKEND$/jmeter-$name/" -e "s/value: BACKEND$/value: $name/" \
      -e "s/value: PORT$/value: \"$port\"/" \
      -e "s/value: THREADS$/value: \"$THREADS\"/" -e "s/value: RAMP$/value: \"$RAMP\"/" \
      -e "s/value: LOOPS$/value: \"$LOOPS\"/" -e "s/value: PASSWORD$/value: \"$password\"/" \
      -e "s/value: jmeter@example.com$/value: jmeter-$password@example.com/" >"$scratch/job.yml"
  k delete job "jmeter-$name" --ignore-not-found --wait
  k apply --server-side --filename "$scratch/job.yml" >/dev/null
  for ((waited = 0; waited < PATIENCE_S; waited += 2)); do
    ended=$(k get job "jmeter-$name" --output 'jsonpath={.status.conditions[?(@.status=="True")].type}')
    case $ended in *Complete* | *Failed*) break ;; esac
    sleep 2
  done
  k logs "job/jmeter-$name" --tail 20 || true
  case $ended in
    *Complete*) say "$name: every request was answered as the plan says" ;;
    *) failed=1; say "$name: failed, or did not end within $PATIENCE_S s" ;;
  esac
done
exit "$failed"
