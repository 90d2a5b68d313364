#!/usr/bin/env bash
# Writes into an overlay which image a cluster is to run: its place in a registry and its digest.
#
#   deploy/cd/set-digest.sh OVERLAY NAME PLACE@sha256:DIGEST
#
#   deploy/cd/set-digest.sh production pouco-server registry.example/pouco/pouco-server@sha256:…
#
# Exit code 2, and nothing is written: the overlay does not name the image, or the last word is not an image
# with its digest.
set -euo pipefail
export LC_ALL=C

refuse() { printf 'set-digest: %s\n' "$*" >&2; exit 2; }

case ${1:-} in -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;; esac
[ $# -eq 3 ] || refuse "overlay, name and image are needed (try --help)"
readonly overlay=$1 name=$2 image=$3
[[ $overlay =~ ^[a-z]+$ ]] || refuse "there is no overlay $overlay"
file=$(dirname "$(readlink -f "$0")")/../kubernetes/overlays/$overlay/kustomization.yml
[ -w "$file" ] || refuse "there is no overlay $overlay"
[[ $image =~ ^[a-z0-9.:/_-]+@sha256:[0-9a-f]{64}$ ]] || refuse "$image: PLACE@sha256:DIGEST is needed"
grep -qxF "  - name: $name" "$file" || refuse "the overlay $overlay does not name $name"

# The two lines behind the name, as the file is written.
made=$(awk -v name="  - name: $name" -v place="${image%@*}" -v digest="${image#*@}" '
  $0 == name { behind = 2; print; next }
  behind-- > 0 && /^    newName: / { print "    newName: " place; next }
  behind >= 0 && /^    digest: / { print "    digest: " digest; written = 1; next }
  { print }
  END { exit !written }' "$file") || refuse "the overlay $overlay has no digest of $name"
printf '%s\n' "$made" >"$file"
echo "set-digest: $overlay runs $name at ${image#*@}"
