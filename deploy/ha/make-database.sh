#!/bin/bash
# Makes the server's role and database on the first primary of a cluster, unless they came with a backup, and
# gives the role its password. Patroni calls it with how to connect.
set -euo pipefail

# No standby is there yet, for which a commit could wait. A password is quoted by psql.
PGOPTIONS='-c synchronous_commit=local' psql -X --quiet --set ON_ERROR_STOP=1 --set password="$POUCO_PASSWORD" \
  "$1" <<'SQL'
SELECT 'CREATE ROLE pouco LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pouco') \gexec
ALTER ROLE pouco PASSWORD :'password';
SELECT 'CREATE DATABASE pouco OWNER pouco'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'pouco') \gexec
SQL

# A moment is restored once: whoever loses the cluster again says to which one.
readonly wish=${BACKUPS:-/var/lib/pouco-backups}/restore-to
if [ -e "$wish" ]; then mv "$wish" "$wish.done"; fi
