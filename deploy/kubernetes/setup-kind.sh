#!/usr/bin/env bash
# Makes a cluster of kind on this machine (a control plane and two workers; the ports 30001 to 30007 on the
# loopback interface), builds the repository's images and loads them into it.
#
#   deploy/kubernetes/setup-kind.sh [--yes] [--no-build]
#
#   --yes               a cluster of that name that is there is deleted; without it you are asked
#   --no-build          the images are there already
#   POUCO_KIND_CLUSTER  its name, instead of pouco
#   ENGINE              docker or podman: what builds the images, and what kind runs its nodes with
#
# Exit code 2: something is missing, or a cluster is there and was not to be deleted; nothing was changed
# then.
set -euo pipefail
export LC_ALL=C
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=deploy/kubernetes/lib.sh
source "$here/lib.sh"

yes=no build=yes
for argument in "$@"; do
  case $argument in
    --yes) yes=yes ;;
    --no-build) build=no ;;
    -h|--help) help; exit 0 ;;
    *) refuse "unknown argument: $argument (try --help)" ;;
  esac
done

engine=${ENGINE:-}
if [ -z "$engine" ]; then
  if command -v docker >/dev/null; then engine=docker; else engine=podman; fi
fi
case $engine in docker | podman) ;; *) refuse "ENGINE=$engine: docker or podman is allowed" ;; esac
needs kind kubectl "$engine"
if [ "$engine" = podman ]; then export KIND_EXPERIMENTAL_PROVIDER=podman; fi

if kind get clusters 2>/dev/null | grep -qxF "$cluster"; then
  ask "The cluster $cluster is there. Delete it, with its data?" ||
    refuse "the cluster $cluster is there and stays: --yes deletes it, POUCO_KIND_CLUSTER names another"
  kind delete cluster --name "$cluster"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

kind create cluster --name "$cluster" --config "$here/overlays/kind/cluster.yml" --wait 180s
for image in "${!images[@]}"; do
  read -r dockerfile folder <<<"${images[$image]}"
  if [ "$build" = yes ]; then
    say "building $image"
    "$engine" build --quiet --file "$top/$dockerfile" --tag "$image" "$top/$folder" >/dev/null
  fi
  # By its full name, which is what a cluster makes of the short one.
  "$engine" tag "$image" "docker.io/library/$image:kind"
  "$engine" save --output "$scratch/image.tar" "docker.io/library/$image:kind"
  kind load image-archive "$scratch/image.tar" --name "$cluster"
  rm "$scratch/image.tar"
done
say "done; next: GRAFANA_PASSWORD=… deploy/kubernetes/deploy.sh"
