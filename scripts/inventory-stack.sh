#!/usr/bin/env bash
# The inventory's comparison in containers: docker-compose.inventory.yml, after a look at what it needs.
#
#   scripts/inventory-stack.sh up [--grafana] [--build]   until all three back ends answer
#   scripts/inventory-stack.sh down [--volumes]           with their data
#   scripts/inventory-stack.sh logs [SERVICE…]
#
#   POUCO_GRAFANA_PASSWORD   of Grafana's `admin`; needed with --grafana, and there is no default
#   ENGINE                   podman, or docker
#   PATIENCE_S               until they must answer, default 120
#
# Exit code: 0 done; 2 it cannot be done, and one line says why.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=scripts/stack.sh
source scripts/stack.sh

readonly ports=(8000 8001 8002 8003 5432 9090 8086)

is_there() { "${ENGINE:-podman}" container inspect "pouco-inventory-$1" >/dev/null 2>&1; }

up() {
  local profile=() build=() argument grafana=no
  for argument in "$@"; do
    case $argument in
      --grafana) grafana=yes; profile=(--profile grafana) ;;
      --build) build=(--build) ;;
      *) refuse "unknown argument: $argument" ;;
    esac
  done
  if [ "$grafana" = yes ] && [ -z "${POUCO_GRAFANA_PASSWORD:-}" ]; then
    refuse "POUCO_GRAFANA_PASSWORD is missing: set it to a password of your own for Grafana's admin"
  fi
  need_engine
  # Those of a stack that is up already are its own.
  is_there nginx || need_free "${ports[@]}"
  if [ "$grafana" = yes ]; then is_there grafana || need_free 3000; fi
  compose "${profile[@]}" up -d "${build[@]}"
  local back_end name port deadline=$((SECONDS + ${PATIENCE_S:-120}))
  for back_end in "${back_ends[@]}"; do
    IFS=: read -r name port _ <<<"$back_end"
    until serves "$port"; do
      [ "$SECONDS" -lt "$deadline" ] ||
        refuse "$name does not answer on port $port: scripts/inventory-stack.sh logs $name"
      sleep 0.5
    done
    printf '%-8s http://127.0.0.1:%s\n' "$name" "$port"
  done
}

case ${1:-} in
  up) shift; up "$@" ;;
  # With every profile: whatever was started is meant.
  down) shift; need_engine; compose --profile grafana down "$@" ;;
  logs) shift; need_engine; compose logs "$@" ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
