#!/usr/bin/env bash
# The images of the cluster, for the workflow `delivery`; what they are built from is in
# deploy/kubernetes/lib.sh.
#
#   deploy/cd/images.sh build
#   deploy/cd/images.sh scan
#   deploy/cd/images.sh save FILE
#   deploy/cd/images.sh push FILE REGISTRY TAG    of a saved file; digests go into the overlay `production`
set -euo pipefail
export LC_ALL=C
here=$(dirname "$(readlink -f "$0")")/../kubernetes
# shellcheck source=deploy/kubernetes/lib.sh
source "$here/lib.sh"

readonly engine=docker

build() {
  local image dockerfile folder
  for image in "${!images[@]}"; do
    read -r dockerfile folder <<<"${images[$image]}"
    say "building $image"
    "$engine" build --file "$top/$dockerfile" --tag "$image" "$top/$folder"
  done
}

push() {
  local file=$1 registry=$2 tag=$3 image digest
  "$engine" load --input "$file"
  for image in "${!images[@]}"; do
    "$engine" tag "$image" "$registry/$image:$tag"
    "$engine" push "$registry/$image:$tag"
    # As the registry has it.
    digest=$("$engine" image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' \
      "$registry/$image:$tag" | grep -m1 -F "$registry/$image@")
    "$here/../cd/set-digest.sh" production "$image" "$digest"
  done
}

case ${1:-} in
  build) build ;;
  scan) ENGINE=$engine "$top/deploy/scan.sh" "${!images[@]}" ;;
  save) "$engine" save --output "${2:?a file is needed}" "${!images[@]}" ;;
  push) push "${2:?a file is needed}" "${3:?a registry is needed}" "${4:?a tag is needed}" ;;
  *) refuse "build, scan, save or push is allowed" ;;
esac
