#!/usr/bin/env bash
# deploy/roll.sh on a stack of its own, under load: another image is rolled in, one that does not start and
# one that fails only in service are put back, and in all of that no request fails. The stack is
# docker-compose.yml and nginx.conf with other names and free ports, so it runs beside any other. Three
# quarters of a minute.
#
#   tests/stack/roll.sh            with the stack's images; ENGINE=docker for docker
set -uo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/../.." || exit

readonly planned=15
readonly engine=${ENGINE:-podman}
readonly prefix=pouco-roll-$$

# shellcheck source=tests/stack/lib.sh
source tests/stack/lib.sh

scratch=$(mktemp -d)
load=""
compose() {
  case $engine in
    docker) (cd "$scratch" && docker compose "$@") ;;
    *) (cd "$scratch" && podman-compose "$@") ;;
  esac
}

# The verdict is the last line, however the script ends.
finish() {
  [ -z "$load" ] || kill -KILL "$load" 2>/dev/null
  if [ "$failed" -gt 0 ]; then
    for container in api1 api2 nginx postgres; do
      printf -- '--- %s\n' "$container"
      "$engine" logs --tail 8 "$prefix-$container" 2>&1
    done
  fi
  compose down --volumes >/dev/null 2>&1
  for image in server good broken fickle; do "$engine" rmi --force "$prefix-$image" >/dev/null 2>&1; done
  rm -rf "$scratch"
  all_ran
  printf 'roll: %d passed, %d failed, in %d s\n' "$passed" "$failed" "$SECONDS"
  [ "$failed" -eq 0 ] || exit 1
}
trap finish EXIT

for tool in "$engine" curl awk python3; do
  command -v "$tool" >/dev/null || { echo "FAIL  $tool is missing"; exit 1; }
done
for image in pouco-server pouco-postgres pouco-nginx; do
  "$engine" image inspect "$image" >/dev/null 2>&1 ||
    { echo "FAIL  there is no image $image: podman-compose build"; exit 1; }
done

# --- The stack, and three images
# ------------------------------------------------------------------------------------

read -r public internal < <(python3 -c '
import socket
free = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*[it.getsockname()[1] for it in free])')
sed -e "s/^name: pouco$/name: $prefix/" -e "s/\(container_name\|    name\): pouco-/\1: $prefix-/" \
  -e "s/image: pouco-server$/image: $prefix-server/" docker-compose.yml >"$scratch/docker-compose.yml"
sed -e "s/listen 9999 /listen 127.0.0.1:$public /" -e "s/127\.0\.0\.1:9998/127.0.0.1:$internal/" nginx.conf \
  >"$scratch/nginx.conf"
"$engine" tag pouco-server "$prefix-server"
# image NAME COMMAND…: of the server, with something else as its first process.
image() {
  local name=$1
  mkdir -p "$scratch/$name"
  printf '#!/bin/sh\n%s\n' "$2" >"$scratch/$name/start"
  chmod 755 "$scratch/$name/start"
  printf 'FROM %s\nCOPY start /usr/local/bin/start\nENTRYPOINT ["start"]\nCMD ["serve"]\n' "$prefix-server" \
    >"$scratch/$name/Dockerfile"
  "$engine" build --quiet --tag "$prefix-$name" "$scratch/$name" >/dev/null
}
image good 'exec pouco "$@"'
image broken 'echo "this image is broken"; exit 1'
# Well where it is tried, which is not where it would serve.
# shellcheck disable=SC2016 # its own shell's
image fickle 'case $POUCO_LISTEN in tcp:*) exec pouco "$@" ;; *) echo "not here"; exit 1 ;; esac'

compose up --detach >"$scratch/up" 2>&1 || cat "$scratch/up"
ready() { [ "$(status "http://127.0.0.1:$internal/$1/readyz?traffic")" = 200 ]; }
check "api1 is ready within 60 s" wait_for 60 ready api1
check "api2 is ready within 60 s" wait_for 60 ready api2
[ "$failed" -eq 0 ] || exit 1

# roll IMAGE: its exit code, and what it says as a part of what a failed test shows.
roll() {
  local ended=0
  (cd "$scratch" && ENGINE=$engine NAME=$prefix ADMIN=http://127.0.0.1:$internal \
    "$top/deploy/roll.sh" "$1") >"$scratch/roll" 2>&1 || ended=$?
  sed 's/^/      /' "$scratch/roll" >&3
  echo "$ended"
}
readonly top=$PWD
exec 3>&1

image_of() { "$engine" inspect --format '{{.Image}}' "$1"; }
images_are() { equal "$(image_of "$prefix-api1") $(image_of "$prefix-api2")" "$1 $1"; }
first=$(image_of "$prefix-api1")
good=$("$engine" image inspect --format '{{.Id}}' "$prefix-good")

check "an image that nobody has is refused with code 2" equal "$(roll localhost/no-such-image-$$)" 2
check "and nothing is changed" images_are "$first"

tests/stack/load.py 127.0.0.1 "$public" 4 kept >"$scratch/load" 2>"$scratch/reasons" &
load=$!
served() {
  [ "$(http "http://127.0.0.1:$internal/$1/metrics" |
    awk '/^http_requests_total/ {n += $NF} END {print n + 0}')" -gt 100 ]
}
check "both replicas are asked" wait_for 30 served api1
check "both replicas are asked" wait_for 30 served api2

# --- Under load
# -----------------------------------------------------------------------------------------------------

check "one that does not start is put back, with code 1" equal "$(roll "$prefix-broken")" 1
check "both replicas run the image before" images_are "$first"
check "one that is well on trial and not in service is put back, with code 1" \
  equal "$(roll "$prefix-fickle")" 1
check "both replicas run the image before" images_are "$first"
check "a good one is rolled in, with code 0" equal "$(roll "$prefix-good")" 0
check "both replicas run it" images_are "$good"
check "and both serve" eval 'wait_for 30 served api1 && wait_for 30 served api2'
check "the same one again changes nothing, with code 0" equal "$(roll "$prefix-good")" 0

kill -TERM "$load"
wait "$load"
ended=$?
load=""
sed 's/^/      /' "$scratch/load"
check "of all requests none has failed, and whoever was stored is found" \
  equal "$ended $(cat "$scratch/reasons")" "0 "
