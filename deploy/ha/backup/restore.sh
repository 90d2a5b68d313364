#!/bin/bash
# Makes a data folder that Postgres, once it is started on it, brings to a moment, from the last base backup
# before it and the archive. What was committed later is not in it. Patroni calls this where `restore-to` is
# in the folder of backups, and no cluster is there yet.
#
#   restore-backup --datadir=FOLDER [--to=TIME]      TIME as date(1) reads it; that of `restore-to` by default
set -euo pipefail
export LC_ALL=C

readonly backups=${BACKUPS:-/var/lib/pouco-backups}
to="" data=""
for argument in "$@"; do
  case $argument in
    --datadir=*) data=${argument#*=} ;;
    --to=*) to=${argument#*=} ;;
    # Patroni names its cluster.
    --scope=*) ;;
    *) echo "restore-backup: unknown: $argument" >&2; exit 2 ;;
  esac
done
: "${data:?--datadir is not given}"
[ -n "$to" ] || read -r to <"$backups/restore-to"
moment=$(date --utc --date="$to" '+%Y-%m-%d %H:%M:%S.%6N+00')
second=$(date --utc --date="$to" +%Y%m%dT%H%M%SZ)
if [ -n "$(ls -A "$data" 2>/dev/null)" ]; then
  echo "restore-backup: $data is not empty" >&2
  exit 1
fi

newest=""
while read -r one; do
  if [[ ! $one > $second ]]; then newest=$one; fi
done < <(find "$backups/base" -mindepth 1 -maxdepth 1 -name '2*Z' -printf '%f\n' | sort)
[ -n "$newest" ] || { echo "restore-backup: no base backup had ended by $moment" >&2; exit 1; }
echo "restore-backup: $newest, and the archive until $moment" >&2

mkdir -p "$data"
cp --archive "$backups/base/$newest/." "$data/"
chmod 700 "$data"
# Of the standby that the backup was taken on.
rm -f "$data/standby.signal"
# Patroni takes these lines out again with the first restart.
cat >>"$data/postgresql.auto.conf" <<CONF
restore_command = 'cp "$backups/wal/%f" "%p"'
recovery_target_time = '$moment'
recovery_target_action = 'promote'
CONF
touch "$data/recovery.signal"
