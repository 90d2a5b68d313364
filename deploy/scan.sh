#!/usr/bin/env bash
# Looks for known vulnerabilities with Trivy: in images, and in what the lock files of the repository name. Fails on one
# that is CRITICAL and has a fix; prints those without a fix and the HIGH ones too, since somebody should know.
#
#   deploy/scan.sh [IMAGE…]        the three images of the stack unless told; ENGINE=docker for docker
#
# The images must be there (`podman-compose build`). Needs a registry of images, and Trivy's data base from one.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.."

# By its digest: in March 2026 tags of Trivy's were moved to images that stole credentials.
readonly trivy=docker.io/aquasec/trivy:0.72.0@sha256:cffe3f5161a47a6823fbd23d985795b3ed72a4c806da4c4df16266c02accdd6f
readonly engine=${ENGINE:-podman}
readonly time_limit=15m

images=("$@")
[ "${#images[@]}" -gt 0 ] || images=(pouco-server pouco-postgres pouco-nginx)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# One download of the data base for all scans.
mkdir "$scratch/cache"

# scan WHAT FOLDER COMMAND ARGUMENT…: it sees one folder, read-only, and no socket of the engine, with which it could do
# whatever root can.
scan() {
  local what=$1 folder=$2
  shift 2
  local run=("$engine" run --rm --volume "$folder:/scanned:ro,z" --volume "$scratch/cache:/cache:z" "$trivy"
    --quiet --timeout "$time_limit" --cache-dir /cache)
  printf '\n=== %s\n' "$what"
  "${run[@]}" "$@" --scanners vuln --severity HIGH,CRITICAL
  "${run[@]}" "$@" --scanners vuln --severity CRITICAL --ignore-unfixed --exit-code 1 >/dev/null && return
  printf 'scan: %s has a CRITICAL vulnerability, or could not be scanned\n' "$what" >&2
  return 1
}

failed=0
for image in "${images[@]}"; do
  mkdir "$scratch/image"
  "$engine" save --output "$scratch/image/image.tar" "$image"
  scan "$image" "$scratch/image" image --input /scanned/image.tar || failed=1
  rm -r "$scratch/image"
done
# Crates, Go modules, npm and Python packages: the server's, and those of every contestant.
scan "lock files" "$PWD" fs --skip-dirs '**/target' --skip-dirs '**/node_modules' /scanned || failed=1
exit "$failed"
