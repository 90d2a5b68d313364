#!/usr/bin/env bash
# Removes what deploy.sh has made, with its data; with --cluster kind's whole cluster. Asks before.
#
#   deploy/kubernetes/cleanup.sh [--yes] [--cluster]
#
#   CONTEXT      a context of kubectl's, instead of that of kind's cluster
#
# Exit code 0 also if there is nothing to remove; 2 if the answer is no, or something is missing.
set -euo pipefail
export LC_ALL=C
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=deploy/kubernetes/lib.sh
source "$here/lib.sh"

yes=no whole=no
for argument in "$@"; do
  case $argument in
    --yes) yes=yes ;;
    --cluster) whole=yes ;;
    -h|--help) help; exit 0 ;;
    *) refuse "unknown argument: $argument (try --help)" ;;
  esac
done

if [ "$whole" = yes ]; then
  needs kind
  if ! kind get clusters 2>/dev/null | grep -qxF "$cluster"; then
    say "there is no cluster $cluster"
    exit 0
  fi
  ask "Delete the cluster $cluster, with its data?" || refuse "the cluster $cluster stays: --yes deletes it"
  kind delete cluster --name "$cluster"
  exit 0
fi

needs kubectl
context=${CONTEXT:-kind-$cluster}
if ! kubectl config get-contexts "$context" >/dev/null 2>&1; then
  say "there is no cluster $context"
  exit 0
fi
reached || refuse "the cluster of $context does not answer"
if ! exists namespace "$namespace"; then say "nothing is deployed in $context"; exit 0; fi
ask "Delete the namespace $namespace in $context, with its data?" ||
  refuse "$namespace stays: --yes deletes it"
k delete namespace "$namespace" --wait --timeout=300s --request-timeout=0
k delete clusterrole,clusterrolebinding pouco-prometheus --ignore-not-found
say "done"
