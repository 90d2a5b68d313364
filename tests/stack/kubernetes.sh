#!/usr/bin/env bash
# The manifests of deploy/kubernetes, without a cluster.
#
#   tests/stack/kubernetes.sh pods   the pods themselves, by podman: they answer, and one of three is replaced
#                                    under load. Needs the stack's images, and root
#   tests/stack/kubernetes.sh api    a real API server, scheduler and controller manager with nodes that kwok
#                                    plays: every manifest is accepted, the Deployments become available, a
#                                    rollout and the disruption budgets do what they say. Builds them first,
#                                    which takes half an hour
set -euo pipefail
export LC_ALL=C
here=$(dirname "$(readlink -f "$0")")

case ${1:-} in
  pods | api) exec "$here/kubernetes/$1.sh" ;;
  *) echo "kubernetes.sh: pods or api is allowed" >&2; exit 2 ;;
esac
