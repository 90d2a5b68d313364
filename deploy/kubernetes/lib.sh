# What the scripts of this folder share. Sourced by them, which set $here to this folder.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154

# shellcheck source=stress-test/stresslib/direct.sh
source "$here/../../stress-test/stresslib/direct.sh"

readonly top=$here/../..
readonly namespace=pouco
readonly cluster=${POUCO_KIND_CLUSTER:-pouco}
# What an image is called by the repository's builds, and what it is built from: Dockerfile and context.
readonly -A images=(
  [pouco-server]="deploy/pouco.Dockerfile ."
  [pouco-postgres]="deploy/postgres/Dockerfile ."
  [pouco-nginx]="deploy/nginx.Dockerfile ."
  [pouco-redis]="peers/common/redis.Dockerfile peers/common"
  [pouco-prometheus]="deploy/prometheus/Dockerfile ."
  [pouco-jmeter]="deploy/jmeter/Dockerfile ."
  [pouco-lab-fastapi-inventory]="peers/fastapi/inventory/Dockerfile peers/fastapi/inventory"
  [pouco-lab-express-inventory]="peers/express/inventory/Dockerfile peers/express/inventory"
)
# The node ports of the overlay `kind`.
readonly -A ports=([fastapi]=30001 [express]=30002 [prometheus]=30003 [influxdb]=30004 [grafana]=30005
  [inventory]=30006 [people]=30007)

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*"; }
# One line, and the code for what was asked of the script or is missing here: nothing was begun.
refuse() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; exit 2; }
fail() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; exit 1; }

needs() {
  local tool
  for tool in "$@"; do command -v "$tool" >/dev/null || refuse "$tool is missing"; done
}

# ask QUESTION: yes or no from a terminal. Without one the answer is no; --yes answers before.
ask() {
  local answer
  [ "${yes:-no}" = no ] || return 0
  [ -t 0 ] || return 1
  read -r -p "$1 [y/N] " answer
  [ "$answer" = y ] || [ "$answer" = Y ]
}

# The words in the head of the script that is run, as its help.
help() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; }

# In the cluster that kubectl is pointed at, or the one of kind if there is none named.
k() { kubectl ${context:+--context "$context"} --namespace "$namespace" --request-timeout=60s "$@"; }

# reached: the cluster answers.
reached() { k version >/dev/null 2>&1; }

# kind's cluster, unless CONTEXT names another of kubectl's.
use_cluster() {
  needs kubectl
  context=${CONTEXT:-kind-$cluster}
  kubectl config get-contexts "$context" >/dev/null 2>&1 ||
    refuse "kubectl knows no context $context: setup-kind.sh makes one, or name yours by CONTEXT"
  reached || refuse "the cluster of $context does not answer"
}

exists() { k get "$@" >/dev/null 2>&1; }
