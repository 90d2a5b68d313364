#!/usr/bin/env bash
# The images of the cluster, for the workflow `delivery`; what they are built from is in
# deploy/kubernetes/lib.sh.
#
#   deploy/cd/images.sh bases FILE      what the tags of the base images mean today, by digest, into FILE
#   deploy/cd/images.sh build [FILE]    from exactly those; without a file from what the tags mean
#   deploy/cd/images.sh scan
#   deploy/cd/images.sh sbom FOLDER     what each of them is made of
#   deploy/cd/images.sh save FILE
#   deploy/cd/images.sh push FILE REGISTRY TAG    of a saved file; digests go into the overlay `production`
#
# ENGINE=podman for podman.
set -euo pipefail
export LC_ALL=C
here=$(dirname "$(readlink -f "$0")")/../kubernetes
# shellcheck source=deploy/kubernetes/lib.sh
source "$here/lib.sh"

readonly engine=${ENGINE:-docker}
# Those that the overlay names: lib.sh also has one for tests.
mapfile -t names < <(sed -n 's/^  - name: //p' "$here/overlays/production/kustomization.yml")

# NAME=IMAGE of each build argument that a FROM takes its image from.
arguments() {
  local image dockerfile _
  for image in "${names[@]}"; do
    read -r dockerfile _ <<<"${images[$image]}"
    sed -n 's/^ARG \([A-Z]*_IMAGE=.*\)$/\1/p' "$top/$dockerfile"
  done | sort -u
}

# One line for each of them, NAME=IMAGE@DIGEST. An engine has a digest of an image once it was pulled.
bases() {
  local file=$1 argument image digest
  for argument in $(arguments); do
    image=${argument#*=}
    "$engine" pull --quiet "$image" >/dev/null
    digest=$("$engine" image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$image" |
      sed -n 's/^.*@\(sha256:[0-9a-f]\{64\}\)$/\1/p' | head -n 1)
    [ -n "$digest" ] || fail "$image has no digest"
    say "$image is $digest" >&2
    printf '%s=%s@%s\n' "${argument%%=*}" "${image%:*}" "$digest"
  done >"$file.partial"
  mv "$file.partial" "$file"
}

# Every image tells its commit and, by the names of the OCI's annotations, what it is built on.
build() {
  local file=${1:-} image dockerfile folder line options revision tag
  revision=$(git -C "$top" rev-parse HEAD)
  for image in "${names[@]}"; do
    read -r dockerfile folder <<<"${images[$image]}"
    options=(--label "org.opencontainers.image.revision=$revision")
    while read -r line; do
      # Docker objects to an argument that no line of the Dockerfile takes.
      grep -q "^ARG ${line%%=*}=" "$top/$dockerfile" || continue
      options+=(--build-arg "$line")
      # The one that every image here ends on.
      if [[ $line = DEBIAN_IMAGE=* ]]; then
        tag=$(sed -n 's/^ARG DEBIAN_IMAGE=//p' "$top/$dockerfile")
        options+=(--label "org.opencontainers.image.base.name=$tag"
          --label "org.opencontainers.image.base.digest=${line##*@}")
      fi
    done < <([ -z "$file" ] || cat "$file")
    say "building $image"
    "$engine" build "${options[@]}" --file "$top/$dockerfile" --tag "$image" "$top/$folder"
  done
}

push() {
  local file=$1 registry=$2 tag=$3 image digest
  "$engine" load --input "$file"
  for image in "${names[@]}"; do
    "$engine" tag "$image" "$registry/$image:$tag"
    "$engine" push "$registry/$image:$tag"
    # As the registry has it.
    digest=$("$engine" image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' \
      "$registry/$image:$tag" | grep -m1 -F "$registry/$image@")
    "$here/../cd/set-digest.sh" production "$image" "$digest"
  done
}

case ${1:-} in
  bases) bases "${2:?a file is needed}" ;;
  build) build "${2:-}" ;;
  scan) ENGINE=$engine "$top/deploy/scan.sh" "${names[@]}" ;;
  sbom) ENGINE=$engine "$top/deploy/sbom.sh" "${2:?a folder is needed}" "${names[@]}" ;;
  save) "$engine" save --output "${2:?a file is needed}" "${names[@]}" ;;
  push) push "${2:?a file is needed}" "${3:?a registry is needed}" "${4:?a tag is needed}" ;;
  *) refuse "bases, build, scan, sbom, save or push is allowed" ;;
esac
