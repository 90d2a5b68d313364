#!/bin/bash
# Starts Postgres; at the first start makes the cluster, the role and the database `pouco` before, and those
# of POSTGRES_DATABASES, names with blanks between. POSTGRES_PASSWORD is the role's from this start on, for
# who comes over TCP. What it is called with are further options of postgres(1), for a stack that has other
# needs than the file's.
set -euo pipefail

readonly home=/var/lib/postgresql
readonly data=$home/17
readonly unfinished=$home/17.unfinished
readonly config=/etc/pouco-postgres/postgresql.conf

say() { printf 'entrypoint: %s\n' "$*" >&2; }

# One container a volume. Postgres's own guard (postmaster.pid) goes by process numbers, which mean nothing
# across containers. The lock stays with descriptor 9, which Postgres inherits, until the last of its
# processes is gone.
exec 9>"$home/.lock"
if ! flock --nonblock 9; then
  say "another container is using this volume; it must stop first"
  exit 1
fi

if [ ! -e "$data" ]; then
  # All of the first start happens next to the final place and is moved there in one step at its end: a kill
  # at any moment leaves either nothing, which is made again, or a complete cluster.
  rm -rf "$unfinished"
  say "first start: making the cluster"
  # UTF8 with Postgres's builtin collation provider: text compares by code point (fast, and the same on every
  # machine and after every upgrade of the C library), upper and lower case work for all of Unicode.
  # LC_CTYPE is C.UTF-8 as well, not C: pg_trgm goes by it to tell letters, and with C would index no letter
  # beyond ASCII.
  initdb --pgdata="$unfinished" --username=postgres --auth=peer --encoding=UTF8 \
    --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C --lc-ctype=C.UTF-8 >/dev/null
  # A single-user session needs neither socket nor authentication. The role owns its database and no more than
  # that.
  read -ra databases <<<"pouco ${POSTGRES_DATABASES:-}"
  { echo 'CREATE ROLE pouco LOGIN'; printf 'CREATE DATABASE "%s" OWNER pouco\n' "${databases[@]}"; } |
    postgres --single -D "$unfinished" -c config_file="$config" postgres >/dev/null
  sync --file-system "$unfinished"
  mv "$unfinished" "$data"
  sync "$home"
  say "first start: done"
fi

if [ -n "${POSTGRES_PASSWORD:-}" ]; then
  # A statement is a line here.
  case $POSTGRES_PASSWORD in *$'\n'*) say "POSTGRES_PASSWORD has more than one line"; exit 2 ;; esac
  quote="'"
  echo "ALTER ROLE pouco PASSWORD '${POSTGRES_PASSWORD//$quote/$quote$quote}'" |
    postgres --single -D "$data" -c config_file="$config" postgres >/dev/null
fi
# The server's children need not know it.
unset POSTGRES_PASSWORD

exec postgres -D "$data" -c config_file="$config" "$@"
