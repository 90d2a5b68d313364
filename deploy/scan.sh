#!/usr/bin/env bash
# Looks for known vulnerabilities with Trivy: in images, and in what the lock files of the repository name.
# Fails on one that is CRITICAL and has a fix; prints those without a fix and the HIGH ones too, since
# somebody should know.
#
#   deploy/scan.sh [IMAGE…]        the three images of the stack by default; ENGINE=docker for docker
#
# The images must be there (`podman-compose build`). Needs a registry of images, and Trivy's data base from
# one.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=deploy/trivy.sh
source deploy/trivy.sh

images=("$@")
[ "${#images[@]}" -gt 0 ] || images=(pouco-server pouco-postgres pouco-nginx)

# scan FOLDER WHAT COMMAND ARGUMENT…
scan() {
  local folder=$1 what=$2
  shift 2
  printf '\n=== %s\n' "$what"
  trivy_sees "$folder" "$@" --scanners vuln --severity HIGH,CRITICAL
  trivy_sees "$folder" "$@" --scanners vuln --severity CRITICAL --ignore-unfixed --exit-code 1 >/dev/null && return
  printf 'scan: %s has a CRITICAL vulnerability, or could not be scanned\n' "$what" >&2
  return 1
}

failed=0
for image in "${images[@]}"; do
  with_image "$image" scan "$image" image --input /scanned/image.tar || failed=1
done
# Crates, Go modules, npm and Python packages: the server's, and those of every contestant.
scan "$PWD" "lock files" fs --skip-dirs '**/target' --skip-dirs '**/node_modules' /scanned || failed=1
exit "$failed"
