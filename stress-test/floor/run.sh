#!/usr/bin/env bash
# floor/run.sh GATLING_HOME [options of run-test.sh]: the stress test against the stack's nginx before an
# upstream that answers constants. Needs the images of the stack (podman-compose build), and the stack itself
# to be down. What it says about counts is meant to differ: nothing is stored.
# shellcheck disable=SC2317 # functions that only the trap calls
set -euo pipefail

floor=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
here=$(dirname "$floor")
# shellcheck source-path=SCRIPTDIR source=../stresslib/common.sh
. "$here/stresslib/common.sh"

case $(basename "${CONTAINER_ENGINE:-podman}") in
  docker*) compose=("${CONTAINER_ENGINE:-docker}" compose) ;;
  *) compose=(podman-compose) ;;
esac
compose+=(-f "$floor/docker-compose.yml")

tear_down() { "${compose[@]}" down --volumes >/dev/null 2>&1 || warn "the floor's containers could not be removed"; }

main() {
  if [ $# -eq 0 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 2
  fi
  require python3 curl
  require_free_port
  trap tear_down EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  "${compose[@]}" up -d >/dev/null
  "$here/run-test.sh" "$@"
}

main "$@"
