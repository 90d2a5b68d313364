# shellcheck shell=bash
# Sourced by the scripts alongside it: one clear line and exit code 2 for what cannot be done here.

# shellcheck source=stress-test/stresslib/direct.sh
source "$(dirname "${BASH_SOURCE[0]}")/../stress-test/stresslib/direct.sh"

# Whoever made the listener of a port, in a word for its users. Of the back ends, in the order of the ports.
# shellcheck disable=SC2034 # read by those who source this
readonly back_ends=(python:8000:9270:python-backend node:8001:9271:node-backend pouco:8002:9272:pouco)

refuse() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 2
}

# compose ARGUMENTS…: with podman-compose, or with docker where ENGINE says so.
compose() {
  case ${ENGINE:-podman} in
    docker) docker compose -f docker-compose.inventory.yml "$@" ;;
    *) podman-compose -f docker-compose.inventory.yml "$@" ;;
  esac
}

need_engine() {
  local program
  case ${ENGINE:-podman} in
    docker) set -- docker ;;
    podman) set -- podman podman-compose ;;
    *) refuse "ENGINE=$ENGINE: podman or docker is allowed" ;;
  esac
  for program in "$@"; do
    command -v "$program" >/dev/null ||
      refuse "$program is missing: deploy/install-podman.sh, or ENGINE=docker"
  done
  if [ "$1" = docker ]; then
    docker info >/dev/null 2>&1 ||
      refuse "docker's engine does not answer: is it started, and may you use it?"
  fi
}

# listens PORT: whether somebody does, on any address of this machine.
listens() {
  awk -v port="$(printf ':%04X' "$1")" '
    $4 == "0A" && substr($2, length($2) - 4) == port {found = 1} END {exit !found}
  ' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# need_free PORT…
need_free() {
  local port
  for port in "$@"; do
    if listens "$port"; then refuse "port $port is in use: stop who listens there (ss -ltnp)"; fi
  done
}

# serves PORT: whether a back end answers there.
serves() {
  curl --silent --output /dev/null --fail --connect-timeout 2 --max-time 10 "http://127.0.0.1:$1/healthz"
}

# The lab: POUCO_LAB names one that is built already.
lab() {
  if [ -n "${POUCO_LAB:-}" ]; then "$POUCO_LAB" "$@"; return; fi
  command -v cargo >/dev/null || refuse "cargo is missing, and POUCO_LAB names no pouco-lab"
  cargo run --quiet --release --locked --package pouco-lab -- "$@"
}
