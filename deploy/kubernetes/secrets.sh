#!/usr/bin/env bash
# Writes the Secrets as manifests to standard output: Grafana's password as GRAFANA_PASSWORD says, and
# whatever only programs say to each other at random. Nothing has a default, and nothing is printed but the
# manifests.
#
#   GRAFANA_PASSWORD=… deploy/kubernetes/secrets.sh | kubectl apply --namespace pouco --filename -
#
# Called again it makes others: a database takes new passwords with its next start, and so do its clients.
set -euo pipefail
export LC_ALL=C

if [ -z "${GRAFANA_PASSWORD:-}" ]; then
  echo "secrets: GRAFANA_PASSWORD is not set, and there is no default password" >&2
  exit 2
fi

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# secret NAME KEY VALUE…, of the type $type
secret() {
  printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\ntype: %s\ndata:\n' "$1" "${type:-Opaque}"
  shift
  while [ $# -gt 0 ]; do
    printf '  %s: %s\n' "$1" "$(printf %s "$2" | base64 --wrap=0)"
    shift 2
  done
}

pouco=$(random) fastapi=$(random) express=$(random)
secret postgres POUCO_PASSWORD "$pouco" FASTAPI_PASSWORD "$fastapi" EXPRESS_PASSWORD "$express"
# The same for an operator of Postgres, which wants each with its name.
type=kubernetes.io/basic-auth secret postgres-pouco username pouco password "$pouco"
type=kubernetes.io/basic-auth secret postgres-fastapi username fastapi password "$fastapi"
type=kubernetes.io/basic-auth secret postgres-express username express password "$express"
secret pouco DATABASE_URL "host=postgres user=pouco password=$pouco dbname=pouco" POUCO_JWT_SECRET "$(random)"
secret fastapi DATABASE_URL "postgresql+asyncpg://fastapi:$fastapi@postgres/fastapi" JWT_SECRET "$(random)"
secret express PGPASSWORD "$express" JWT_SECRET "$(random)"
secret grafana ADMIN_PASSWORD "$GRAFANA_PASSWORD"
secret influxdb INFLUXDB_ADMIN_USER admin INFLUXDB_ADMIN_PASSWORD "$(random)" \
  INFLUXDB_WRITE_USER jmeter INFLUXDB_WRITE_USER_PASSWORD "$(random)" \
  INFLUXDB_READ_USER grafana INFLUXDB_READ_USER_PASSWORD "$(random)"
