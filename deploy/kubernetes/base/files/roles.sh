#!/bin/bash
# Alongside Postgres, in its pod: a role and a database for each back end, with the passwords of the Secret
# `postgres` (POUCO_PASSWORD, FASTAPI_PASSWORD, EXPRESS_PASSWORD). Whatever is there already stays; the
# password is set again.
set -euo pipefail

# psql as the superuser, by the pod's own socket. A statement that waits for a lock ends, and is tried again.
ask() { PGOPTIONS='-c statement_timeout=10s' psql -X -q -v ON_ERROR_STOP=1 -U postgres -d postgres; }

make() {
  local role=$1 password=$2
  # The password comes by the environment of psql: no process list and no log of statements shows it.
  PASSWORD=$password ask >/dev/null <<SQL
\getenv password PASSWORD
SET log_min_error_statement = panic;
SET log_min_duration_statement = -1;
SELECT 'CREATE ROLE $role LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$role')
\gexec
ALTER ROLE $role LOGIN PASSWORD :'password';
SELECT 'CREATE DATABASE $role OWNER $role' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$role')
\gexec
SQL
}

until pg_isready --quiet --username=postgres; do sleep 0.5; done
for role in pouco fastapi express; do
  variable=${role^^}_PASSWORD
  until make "$role" "${!variable:?the Secret postgres lacks it}"; do sleep 1; done
done
touch /tmp/roles-are-made
echo "roles.sh: pouco, fastapi and express have their databases and passwords"
# Ends at once when it is told to; as the first process of its container it would otherwise hear of nothing.
trap 'exit 0' TERM INT
sleep infinity &
wait
