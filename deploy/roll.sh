#!/usr/bin/env bash
# Brings another image of the server into the running stack of compose, one replica at a time and without a
# failed request. The new image is tried in the place of the first replica, where nginx does not see it; one
# that does not become ready, there or in service, is put back to the image before.
#
#   deploy/roll.sh IMAGE
#
#   IMAGE         its name, here or in a registry
#   ENGINE        podman or docker; podman by default
#   COMPOSE_FILE  the files that the stack was started with, in one word with colons between;
#                 docker-compose.yml by default. What else was set then (POUCO_APIS and the like) must be set
#                 now, too: .env is the place for it
#   NAME          what the containers' names begin with; pouco by default
#   ADMIN         where nginx has the replicas' health and metrics; http://127.0.0.1:9998 by default
#   PATIENCE_S    for a replica to become ready, and for nginx to let go of one; 60 by default
#
# Exit code 0: both replicas run the image. 1: it was put back, or could not be. 2: nothing was changed.
set -euo pipefail
export LC_ALL=C

# shellcheck source=stress-test/stresslib/direct.sh
source "$(dirname "$(readlink -f "$0")")/../stress-test/stresslib/direct.sh"

readonly engine=${ENGINE:-podman} name=${NAME:-pouco} patience=${PATIENCE_S:-60}
readonly admin=${ADMIN:-http://127.0.0.1:9998}
readonly files=${COMPOSE_FILE:-docker-compose.yml}
readonly replicas=(api1 api2)

say() { printf 'roll: %s\n' "$*"; }
refuse() { printf 'roll: %s\n' "$*" >&2; exit 2; }

case ${1:-} in -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;; esac
[ $# -eq 1 ] || refuse "one image is needed (try --help)"
[[ $patience =~ ^[1-9][0-9]{0,3}$ ]] || refuse "PATIENCE_S=$patience: 1 to 9999 seconds are allowed"
case $engine in
  podman) compose_command=(podman-compose) ;;
  docker) compose_command=(docker compose) ;;
  *) refuse "ENGINE=$engine: podman or docker is allowed" ;;
esac
for tool in "$engine" "${compose_command[0]}" curl awk; do
  command -v "$tool" >/dev/null || refuse "$tool is missing"
done
for file in ${files//:/ }; do
  [ -r "$file" ] || refuse "$file cannot be read: call this where the stack was started"
done

inspect() { "$engine" inspect --format "$2" "$1" 2>/dev/null; }
ask() { curl --silent --connect-timeout 2 --max-time 5 "$@"; }

# Every wait ends: await SECONDS COMMAND…
await() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}

# ready REPLICA: in service, and no other replica would do better.
ready() { [ "$(ask --output /dev/null --write-out '%{http_code}' "$admin/$1/readyz?traffic")" = 200 ]; }

# unconnected REPLICA: nginx keeps no connection to it.
unconnected() {
  ask "$admin/$1/metrics" |
    awk '$1 == "pouco_connections_open" { seen = 1; open = $2 } END { exit !(seen && open == 0) }'
}

# create REPLICA [FILE]: a container as the compose files have it, perhaps with one more of them.
create() {
  COMPOSE_FILE=$files${2:+:$2} "${compose_command[@]}" up --detach --no-deps --no-build "$1" \
    >"$scratch/up" 2>&1 && return
  cat "$scratch/up" >&2
  return 1
}

# remove REPLICA: its container, in order; 30 s are the compose file's stop_grace_period.
remove() {
  "$engine" stop --time 30 "$name-$1" >/dev/null 2>&1 || true
  "$engine" rm --force "$name-$1" >/dev/null 2>&1 || true
}

# let_go REPLICA: new connections lead to the other one, as soon as the path of its socket is gone; the kept
# ones end by nginx's keepalive_timeout and keepalive_time. Only then is the replica told to end, so no
# request is cut.
let_go() {
  leaving=$1
  "$engine" exec "$name-$1" rm -f "/run/pouco/$1.sock"
  await "$patience" unconnected "$1" || say "$1 has connections after $patience s; it ends them by itself"
  remove "$1"
}

# It was started again and again: that is not a replica that takes its time.
ends_again() { [ "$(inspect "$name-$1" '{{.RestartCount}}')" -ge 3 ] 2>/dev/null; }
ready_or_hopeless() { ready "$1" || ends_again "$1"; }

# serve REPLICA: with the image that has the stack's name now.
serve() {
  remove "$1"
  create "$1" && await "$patience" ready_or_hopeless "$1" && ready "$1" && leaving=
}

# put_back REPLICA…: these had the new image, or have nothing.
put_back() {
  local replica
  "$engine" tag "$before" "$image"
  for replica in "$@"; do
    # One that serves all the same is let go of as any other.
    if ready "$replica"; then let_go "$replica"; fi
    serve "$replica" || { say "$replica does not become ready with the image before, either"; exit 1; }
  done
  leaving=
  say "put back: $* with ${before:0:19}"
}

# asked PORT PATH: the status by which the container on trial answers, on its own loopback interface.
asked() {
  # shellcheck disable=SC2016 # the inner shell's
  "$engine" exec "$name-${replicas[0]}" bash -c '
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" "$2" >&3
    read -r -t 3 _ status _ <&3 && echo "$status"' asked "$1" "$2" 2>/dev/null
}
answers() { [ "$(asked 9998 /readyz)" = 200 ] && [ "$(asked 9999 /healthz)" = 200 ]; }
answers_or_ended() { answers || [ "$(inspect "$name-${replicas[0]}" '{{.State.Running}}')" != true ]; }

# on_trial: the first replica's container with the new image, on addresses that nginx does not know. It has
# the connections to Postgres that the replica had.
on_trial() {
  cat >"$scratch/trial.yml" <<YML
services:
  ${replicas[0]}:
    restart: "no"
    environment:
      POUCO_LISTEN: tcp:127.0.0.1:9999
      POUCO_ADMIN_LISTEN: tcp:127.0.0.1:9998
YML
  create "${replicas[0]}" "$scratch/trial.yml" && await "$patience" answers_or_ended && answers && return
  "$engine" logs --tail 10 "$name-${replicas[0]}" >&2 || true
  return 1
}

for replica in "${replicas[@]}"; do
  ready "$replica" || refuse "$replica is not ready ($admin/$replica/readyz): one must serve meanwhile"
done
"$engine" image inspect "$1" >/dev/null 2>&1 || "$engine" pull "$1" >/dev/null ||
  refuse "there is no image $1"
after=$("$engine" image inspect --format '{{.Id}}' "$1")
before=$(inspect "$name-${replicas[0]}" '{{.Image}}')
# As the compose file calls it.
image=$(inspect "$name-${replicas[0]}" '{{.Config.Image}}')
if [ "$after" = "$before" ] && [ "$after" = "$(inspect "$name-${replicas[1]}" '{{.Image}}')" ]; then
  say "both replicas run ${after:0:19} already"
  exit 0
fi

scratch=$(mktemp -d)
leaving=""
# Whoever interrupts this leaves no replica without its socket.
finish() {
  local status=$?
  trap - EXIT
  if [ -n "$leaving" ]; then
    say "interrupted"
    put_back "$leaving" || true
  fi
  rm -rf "$scratch"
  exit "$status"
}
trap finish EXIT
trap 'exit 1' INT TERM

began=$SECONDS
let_go "${replicas[0]}"
"$engine" tag "$after" "$image"
say "${after:0:19}, on trial"
if ! on_trial; then
  say "it does not become ready"
  remove "${replicas[0]}"
  put_back "${replicas[0]}"
  exit 1
fi
done=()
for replica in "${replicas[@]}"; do
  if [ "$replica" != "${replicas[0]}" ]; then let_go "$replica"; fi
  if ! serve "$replica"; then
    say "$replica does not become ready"
    remove "$replica"
    put_back "$replica" "${done[@]}"
    exit 1
  fi
  done+=("$replica")
  say "$replica serves"
done
say "done, in $((SECONDS - began)) s; the image before is ${before:0:19}"
