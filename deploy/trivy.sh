# Trivy in a container. Sourced by what calls it, which sets -e.
# shellcheck shell=bash

# By its digest: in March 2026 tags of Trivy's were moved to images that stole credentials.
readonly trivy=docker.io/aquasec/trivy:0.72.0@sha256:cffe3f5161a47a6823fbd23d985795b3ed72a4c806da4c4df16266c02accdd6f
readonly engine=${ENGINE:-podman}

trivy_scratch=$(mktemp -d)
trap 'rm -rf "$trivy_scratch"' EXIT
# One download of the data base for all calls.
mkdir "$trivy_scratch/cache"

# trivy_sees FOLDER COMMAND ARGUMENT…: it sees one folder, as /scanned and read-only, and no socket of the
# engine, with which it could do whatever root can.
trivy_sees() {
  local folder=$1
  shift
  "$engine" run --rm --volume "$folder:/scanned:ro,z" --volume "$trivy_scratch/cache:/cache:z" "$trivy" \
    --quiet --timeout 15m --cache-dir /cache "$@"
}

# with_image IMAGE FUNCTION ARGUMENT…: the function with the folder in which the image lies as image.tar, and
# the arguments. Once per image.
with_image() {
  local image=$1 folder=$trivy_scratch/image status=0
  shift
  mkdir "$folder"
  "$engine" save --output "$folder/image.tar" "$image"
  "$1" "$folder" "${@:2}" || status=$?
  rm -r "$folder"
  return "$status"
}
