#!/bin/bash
# Postgres's archive_command: copies a finished file of the write-ahead log into the archive, whole or not at
# all.
#
#   archive-wal PATH NAME
set -euo pipefail

readonly source=$1 name=$2 archive=${BACKUPS:-/var/lib/pouco-backups}/wal
mkdir -p "$archive"
if [ -e "$archive/$name" ]; then
  # After a crash Postgres may not know that it was archived. What another server has written stays.
  if cmp --silent "$source" "$archive/$name"; then exit 0; fi
  echo "archive-wal: $name is in the archive with other content" >&2
  exit 1
fi
unfinished=$archive/.$name.${HOSTNAME:-it}.$$
trap 'rm -f "$unfinished"' EXIT
cp "$source" "$unfinished"
sync "$unfinished"
mv --no-clobber "$unfinished" "$archive/$name"
sync "$archive"
