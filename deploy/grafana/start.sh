#!/bin/sh
# Becomes Grafana if there is a password for it: nobody's is known beforehand.
if [ -z "${GF_SECURITY_ADMIN_PASSWORD:-}" ]; then
  echo "grafana: POUCO_GRAFANA_PASSWORD is missing: set it to a password of your own" >&2
  exit 2
fi
exec /run.sh "$@"
