#!/bin/bash
# Runs a node: etcd, and Patroni which runs Postgres. etcd is started again whenever it ends. Where Patroni
# ends the node ends, and Postgres with it: one that nobody watches over must not go on as a primary.
#
#   NODE     what this one is called, as all know it
#   NODES    all of them, with blanks between
#   ADMIN_PASSWORD   of the superuser, of who replicates, and of Patroni's own interface
#   POUCO_PASSWORD   of the role of the server
set -euo pipefail

readonly home=/var/lib/postgresql
say() { printf 'node: %s\n' "$*" >&2; }
for needed in NODE NODES ADMIN_PASSWORD POUCO_PASSWORD; do
  [ -n "${!needed:-}" ] || { say "$needed is not set"; exit 2; }
done

# One container a volume, as the single Postgres has it (deploy/postgres/entrypoint.sh): the lock is inherited
# by all that runs here, and is gone with the last of it. What a killed container has left would name
# processes of this one.
exec 9>"$home/.lock"
flock --nonblock 9 || { say "another container is using this volume; it must stop first"; exit 1; }
rm -f "$home/17/postmaster.pid" /run/postgresql/.s.PGSQL.*

members="" hosts=""
for one in $NODES; do
  members+="${members:+,}$one=http://$one:2380"
  hosts+="${hosts:+, }\"$one:2379\""
done

# The first node to come makes the cluster: from nothing, or where somebody has written down a moment, from a
# backup.
method=initdb
if [ -s "${BACKUPS:-/var/lib/pouco-backups}/restore-to" ]; then method=restore; fi

# On a tmpfs, for patronictl too. A quote in YAML's quotes is two.
quote="'"
text=$(</etc/pouco-ha/patroni.yml)
text=${text//@NODE@/"$NODE"}
text=${text//@HOSTS@/"$hosts"}
text=${text//@METHOD@/"$method"}
text=${text//@PASSWORD@/"${ADMIN_PASSWORD//$quote/$quote$quote}"}
(umask 077 && printf '%s\n' "$text" >"$PATRONICTL_CONFIG_FILE")

# A disk that is busy with Postgres may hold a heartbeat up: five times what etcd's defaults are.
agree() {
  local etcd=""
  trap 'kill -TERM "$etcd" 2>/dev/null; wait "$etcd"; exit 0' TERM
  while :; do
    etcd --name "$NODE" --data-dir "$home/etcd" --logger zap --log-level warn \
      --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls "http://$NODE:2379" \
      --listen-peer-urls http://0.0.0.0:2380 --initial-advertise-peer-urls "http://$NODE:2380" \
      --initial-cluster "$members" --initial-cluster-token pouco \
      --heartbeat-interval 500 --election-timeout 2500 \
      --auto-compaction-mode revision --auto-compaction-retention 1000 &
    etcd=$!
    wait "$etcd" || true
    say "etcd has ended and is started again"
    sleep 1
  done
}

# Patroni asks once what etcd can do. Before the members have found each other that is less than they can, and
# it would look at the lock every `loop_wait` instead of being told.
version() {
  exec 3<>/dev/tcp/127.0.0.1/2379 && printf 'GET /version HTTP/1.0\r\n\r\n' >&3 && cat <&3
}
have_agreed() { (version) 2>/dev/null | grep -q '"etcdcluster":"3\.[1-9]'; }

agree &
agreeing=$!
# Without a majority there is none to wait for.
until have_agreed || [ "$SECONDS" -ge 60 ]; do sleep 0.2; done
patroni "$PATRONICTL_CONFIG_FILE" &
patroni=$!

# etcd goes last: with it Patroni gives its lock back.
stop() {
  kill -TERM "$patroni" 2>/dev/null || true
  wait "$patroni" || true
  kill -TERM "$agreeing" 2>/dev/null || true
  wait "$agreeing" || true
}
trap 'stop; exit 0' TERM INT
wait "$patroni" || true
say "Patroni has ended"
stop
exit 1
