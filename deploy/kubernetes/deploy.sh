#!/usr/bin/env bash
# Brings the overlay into the cluster and waits, in this order, for Postgres, the monitoring, the back ends,
# people with its nginx, InfluxDB's database; then asks each. All is applied at once, since each part waits
# for what it needs by itself.
#
#   GRAFANA_PASSWORD=… deploy/kubernetes/deploy.sh [kind|production]       kind by default
#
#   GRAFANA_PASSWORD  needed the first time: there is no default. Secrets that only programs use are
#                     random. Secrets that exist stay as they are (secrets.sh makes others)
#   CONTEXT           a context of kubectl's, instead of that of kind's cluster; production needs one
#   PATIENCE_S        for each step; 300 by default
#
# Exit code 2: something is missing, and nothing was changed.
set -euo pipefail
export LC_ALL=C
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=deploy/kubernetes/lib.sh
source "$here/lib.sh"

overlay=kind
for argument in "$@"; do
  case $argument in
    kind | production) overlay=$argument ;;
    -h|--help) help; exit 0 ;;
    *) refuse "unknown argument: $argument (try --help)" ;;
  esac
done
if [ "$overlay" = production ] && [ -z "${CONTEXT:-}" ]; then
  refuse "production needs CONTEXT, a context of kubectl's"
fi
use_cluster
readonly patience=${PATIENCE_S:-300}

secrets_are_there() {
  local secret
  for secret in postgres postgres-pouco pouco fastapi express grafana influxdb; do exists secret "$secret" || return 1; done
}
if ! secrets_are_there && [ -z "${GRAFANA_PASSWORD:-}" ]; then
  refuse "GRAFANA_PASSWORD is not set, and there is no default password"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
kubectl kustomize "$here/overlays/$overlay" >"$scratch/all.yml"
if grep -q 'registry\.example\|sha256:0000000000' "$scratch/all.yml"; then
  refuse "overlays/$overlay names registry.example or an empty digest: name your registry, and deliver first"
fi

# step WHAT: the parts that are waited for, by their kind and name.
step() {
  local what=$1 part
  shift
  say "$what"
  for part in "$@"; do
    k rollout status "$part" --timeout="${patience}s" --request-timeout=0 || {
      k get pods
      fail "$part did not become ready within $patience s; the pods are above"
    }
  done
}

say "namespace and Secrets"
kubectl ${context:+--context "$context"} apply --server-side --filename "$here/base/namespace.yml"
if secrets_are_there; then
  say "the Secrets are there, and stay"
else
  "$here/secrets.sh" | k apply --server-side --filename -
fi
say "everything else"
k apply --server-side --filename "$scratch/all.yml" >"$scratch/applied"
say "$(wc -l <"$scratch/applied") objects"

if [ "$overlay" = kind ]; then
  step "Postgres" statefulset/postgres
else
  say "Postgres"
  k wait --for=condition=Ready --timeout=600s --request-timeout=0 cluster.postgresql.cnpg.io/postgres
fi
step "monitoring" deployment/kube-state-metrics deployment/prometheus statefulset/influxdb deployment/grafana
step "back ends" deployment/inventory deployment/fastapi deployment/express
step "people and edge" deployment/redis deployment/people deployment/nginx

say "InfluxDB's database"
# shellcheck disable=SC2016 # the shell's in the pod
k exec statefulset/influxdb -- sh -c \
  'influx -username "$INFLUXDB_READ_USER" -password "$INFLUXDB_READ_USER_PASSWORD" -execute "SHOW DATABASES"' |
  grep -qx jmeter || fail "InfluxDB has no database jmeter"

if [ "$overlay" = kind ]; then
  say "does each answer?"
  for part in inventory fastapi express people; do
    page=/healthz
    curl --silent --show-error --fail --retry 20 --retry-delay 1 --retry-all-errors --max-time 5 \
      --output /dev/null "http://127.0.0.1:${ports[$part]}$page" || fail "$part does not answer on port ${ports[$part]}"
    say "$part: http://127.0.0.1:${ports[$part]}"
  done
  say "Grafana: http://127.0.0.1:${ports[grafana]}, as admin with your password"
fi
say "done"
