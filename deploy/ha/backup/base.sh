#!/bin/bash
# Takes a base backup of the Postgres of this node, and checks it. A standby's is as good as the primary's.
#
#   base-backup [--keep NUMBER]    older ones, and the log that only they need, are removed
#
# It is called by the moment at which it ended: from then on a restore may use it.
set -euo pipefail
export LC_ALL=C

keep=0
case ${1:-} in
  "") ;;
  --keep) keep=${2:?how many} ;;
  *) echo "base-backup: --keep NUMBER or nothing is allowed" >&2; exit 2 ;;
esac
readonly backups=${BACKUPS:-/var/lib/pouco-backups}
readonly base=$backups/base
mkdir -p "$base"
unfinished=$(mktemp -d "$base/.unfinished.XXXXXX")
trap 'rm -rf "$unfinished"' EXIT

pg_basebackup --pgdata="$unfinished/data" --host=/run/postgresql --username=replicator --no-password \
  --checkpoint=fast --wal-method=stream
pg_verifybackup --quiet "$unfinished/data"
sync --file-system "$base"
# The next whole second: it has ended for certain by then.
ended=$(date --utc --date='+1 second' +%Y%m%dT%H%M%SZ)
mv --no-target-directory "$unfinished/data" "$base/$ended"
sync "$base"
echo "$base/$ended"

if [ "$keep" -gt 0 ]; then
  # Names in the order of their times.
  mapfile -t all < <(find "$base" -mindepth 1 -maxdepth 1 -name '2*Z' | sort)
  for old in "${all[@]:0:$((${#all[@]} > keep ? ${#all[@]} - keep : 0))}"; do rm -rf "$old"; done
  oldest=$(find "$base" -mindepth 1 -maxdepth 1 -name '2*Z' | sort | head -n 1)
  needed=$(sed -n 's/^START WAL LOCATION: .* (file \([0-9A-F]*\))$/\1/p' "$oldest/backup_label")
  pg_archivecleanup "$backups/wal" "$needed"
fi
