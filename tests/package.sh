#!/usr/bin/env bash
# The Debian package: built, installed in a container, asked, started, stopped, removed and purged. The
# program is built in the profile `tool`, whose rules are those of a release; with PROFILE=dev as `cargo
# build` does.
#
#   cargo install cargo-deb --version 3.8.0 --locked    is what builds it
set -uo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.." || exit

readonly planned=9
readonly engine=${ENGINE:-podman}
readonly profile=${PROFILE:-tool}
readonly container=pouco-package-$$
readonly image=docker.io/library/debian:trixie-slim

# shellcheck source=tests/stack/lib.sh
source tests/stack/lib.sh

scratch=$(mktemp -d)
finish() {
  "$engine" rm --force "$container" >/dev/null 2>&1
  rm -rf "$scratch"
  all_ran
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ] || exit 1
}
trap finish EXIT

command -v cargo-deb >/dev/null || { echo 'there is no cargo-deb: cargo install cargo-deb --version 3.8.0 --locked'; exit 1; }
check 'it is built' cargo deb --quiet --locked --package pouco --profile "$profile" --output "$scratch/pouco.deb"
chmod 755 "$scratch"

"$engine" run --detach --init --name "$container" --network none --volume "$scratch:/package:ro" "$image" \
  sleep 600 >/dev/null || exit 1
inside() { "$engine" exec "$container" "$@"; }
# As the service runs: a user of no rights.
as_nobody() { "$engine" exec --user nobody --env POUCO_APIS=edge "$container" "$@"; }
installed() { inside dpkg --install /package/pouco.deb; }
check 'it is installed' installed
check 'its files are where they belong' equal \
  "$(inside sh -c 'stat --format="%a %U %n" /usr/bin/pouco /etc/pouco/pouco.env /usr/lib/systemd/system/pouco.*')" \
  "755 root /usr/bin/pouco
640 root /etc/pouco/pouco.env
644 root /usr/lib/systemd/system/pouco.service
644 root /usr/lib/systemd/system/pouco.socket"
check 'it runs' equal "$(inside pouco --version)" "pouco $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)"
check 'the machine is looked at' as_nobody pouco check
# The image has no Postgres, and the package brings none.
without() {
  local said
  said=$(inside pouco serve 2>&1)
  equal "$? $said" "2 pouco: this build has no embedded Postgres: set DATABASE_URL"
}
check 'a start without a database says so' without
served() {
  as_nobody pouco serve >"$scratch/served" 2>&1 &
  local server=$!
  wait_for 30 as_nobody pouco health || { cat "$scratch/served"; return 1; }
  # shellcheck disable=SC2016 # the container's shell is to expand it
  inside sh -c 'kill -TERM $(cat /proc/[0-9]*/stat | sed -n "s/^\([0-9]*\) (pouco).*/\1/p")'
  wait "$server"
}
check 'it serves, and ends in order' served
removed() {
  inside dpkg --remove pouco || return 1
  inside sh -c '! [ -e /usr/bin/pouco ] && [ -e /etc/pouco/pouco.env ]'
}
check 'it is removed, and its settings stay' removed
purged() {
  inside dpkg --purge pouco || return 1
  local left
  left=$(inside find / -xdev \( -path /proc -o -path /package \) -prune -o -name '*pouco*' -print)
  equal "$left" ''
}
check 'it is purged without a rest' purged
