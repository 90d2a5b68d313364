#!/usr/bin/env bash
# Eight replicas on Unix sockets behind this machine's nginx, under load: two are drained and two added, and
# no request fails; three are killed, one after the other, and nothing fails but creations that were under
# way there. At the end each replica knows everybody who was acknowledged, by id and by search. Half a minute.
#
#   tests/replicas.sh          POUCO names a program that is built already
set -uo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.." || exit

readonly planned=25 replicas=8 clients=8
# shellcheck source=tests/stack/lib.sh
source tests/stack/lib.sh

folder=$(mktemp -d)
# As root, Postgres runs as somebody else, who has to reach its data.
chmod 755 "$folder"
declare -A pids=()

# Only what was started here. The verdict is the last line, however the script ends.
finish() {
  local name
  # The keeper's Postgres and nginx's worker end with them only if they are told.
  for name in "${!pids[@]}"; do
    case $name in
      keeper | nginx) kill "${pids[$name]}" 2>/dev/null ;;
      *) kill -KILL "${pids[$name]}" 2>/dev/null ;;
    esac
  done
  wait 2>/dev/null
  [ "$failed" -eq 0 ] || tail -n 5 "$folder"/*.log
  rm -rf "$folder"
  all_ran
  printf 'replicas: %d passed, %d failed, in %d s\n' "$passed" "$failed" "$SECONDS"
  [ "$failed" -eq 0 ] || exit 1
}
trap finish EXIT

PATH=$PATH:/usr/sbin
for tool in nginx curl python3; do
  command -v "$tool" >/dev/null || { echo "FAIL  $tool is missing"; exit 1; }
done
pouco=${POUCO:-}
if [ -z "$pouco" ]; then
  cargo build --quiet --profile tool --locked --bin pouco || exit
  pouco=${CARGO_TARGET_DIR:-$PWD/target}/tool/pouco
fi

# --- The stack ----------------------------------------------------------------------------------------------

# start NAME SETTINGS…
start() {
  local name=$1
  shift
  env POUCO_LISTEN="unix:$folder/$name.sock" POUCO_ADMIN_LISTEN="unix:$folder/$name-admin.sock" \
    POUCO_READ_CONNECTIONS=2 "$@" "$pouco" >>"$folder/$name.log" 2>&1 &
  pids[$name]=$!
}
# The database is its; it knows no people.
start keeper POUCO_APIS=users "POUCO_DATA_DIR=$folder/data"
readonly database="host=$folder/data/run user=pouco dbname=pouco"
replica() { start "$1" POUCO_APIS=people "DATABASE_URL=$database" "POUCO_PUSH_LISTEN=unix:$folder/$1-push.sock"; }

admin() { curl --silent --fail --max-time 5 --unix-socket "$folder/$1-admin.sock" "http://localhost$2"; }
metric() { admin "$1" /metrics | awk -v name="$2" '$1 == name { print $2 }'; }
ready() { admin "$1" '/readyz?traffic'; }
served() { [ "$(admin "$1" /metrics | awk '/^http_requests_total/ { n += $NF } END { print n + 0 }')" -gt "$2" ]; }
# All others send to it: it is where a new person is at once.
complete() { [ "$(metric "$1" pouco_push_complete)" = 1 ]; }
each() {
  local command=$1 name
  shift
  for name in "${names[@]}"; do "$command" "$name" "$@" || return; done
}

names=()
for ((number = 1; number <= replicas; number++)); do names+=("api$number"); done
check "the keeper has a database" wait_for 60 ready keeper
for name in "${names[@]}"; do replica "$name"; done
check "all replicas are ready" wait_for 60 each ready
check "each sends to each" wait_for 60 each complete
numbers() { for name in "${names[@]}"; do metric "$name" pouco_replica_number; done | sort -n | uniq | wc -l; }
check "each has a number of its own" equal "$(numbers)" "$replicas"

port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
{
  [ "$EUID" -ne 0 ] || echo "user root;"
  cat <<CONF
worker_processes 1;
daemon off;
error_log $folder/nginx.log crit;
pid $folder/nginx.pid;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host \$host;
    proxy_next_upstream error;
    upstream replicas {
        keepalive 64;
        keepalive_timeout 1s;
        keepalive_time 1s;
CONF
  for name in "${names[@]}"; do echo "        server unix:$folder/$name.sock max_fails=0;"; done
  cat <<CONF
    }
    server {
        listen 127.0.0.1:$port;
        location / { proxy_pass http://replicas; }
    }
}
CONF
} >"$folder/nginx.conf"
nginx -e "$folder/nginx.log" -c "$folder/nginx.conf" &
pids[nginx]=$!
answers() { [ "$(curl --silent --output "$folder/answer" --write-out '%{http_code}' "http://127.0.0.1:$port/contagem-pessoas")" = 200 ]; }
check "nginx answers" wait_for 30 answers

# load NAME: goes on until SIGTERM.
load() {
  LOAD_STORED=$folder/stored tests/stack/load.py 127.0.0.1 "$port" "$clients" kept \
    >"$folder/$1" 2>"$folder/$1-reasons" &
  pids[load]=$!
}
end_load() {
  kill -TERM "${pids[load]}"
  wait "${pids[load]}"
  unset "pids[load]"
  sed 's/^/      /' "$folder/$1"
}

# --- Drained and added --------------------------------------------------------------------------------------

unconnected() { [ "$(metric "$1" pouco_connections_open)" = 0 ]; }

load first
check "all are asked" wait_for 60 each served 20
# As deploy/roll.sh: no new connection leads to it, the kept ones end, and then it does.
for name in api2 api7; do
  rm "$folder/$name.sock"
  wait_for 30 unconnected "$name"
  kill -TERM "${pids[$name]}"
  ended=0
  wait "${pids[$name]}" || ended=$?
  check "$name is drained, and ends by itself" equal "$ended" 0
done
gone() { [ "$(metric api1 pouco_replica_others)" = $((replicas - 2)) ]; }
check "the others know that they are gone" wait_for 30 gone
for name in api2 api7; do
  replica "$name"
  check "$name is added" wait_for 60 ready "$name"
  check "$name is asked" wait_for 30 served "$name" 20
done
check "each sends to each again" wait_for 60 each complete
end_load first
check "no request has failed" equal "$(cat "$folder/first-reasons")" ""

# --- Killed -------------------------------------------------------------------------------------------------

load second
for name in api3 api5 api8; do
  kill -KILL "${pids[$name]}"
  wait "${pids[$name]}" 2>/dev/null
  replica "$name"
  check "$name is killed, and back" wait_for 60 ready "$name"
  check "and is asked" wait_for 30 served "$name" 20
done
end_load second
unknown=$(grep -c ': POST /pessoas: ' "$folder/second-reasons")
printf '      %d creations were under way on a replica that was killed\n' "$unknown"
check "nothing has failed but creations on replicas that were killed" \
  equal "$(grep -v ': POST /pessoas: 502 ' "$folder/second-reasons")" ""

# --- Nobody is lost, and nobody is invisible
# ------------------------------------------------------------------------

count=$(DATABASE_URL=$database POUCO_APIS=people "$pouco" count)
stored=$(wc -l <"$folder/stored")
between() {
  [ "$2" -le "$1" ] && [ "$1" -le "$3" ] && return
  echo "$1 is not between $2 and $3"
  return 1
}
check "the table has who was acknowledged, and at most those of whom nobody knew" \
  between "$count" "$stored" $((stored + unknown))
knows_all() { equal "$(metric "$1" pouco_search_index_people)" "$count"; }
check "each replica knows as many" wait_for 30 each knows_all
find_all() {
  python3 - "$folder/stored" "${names[@]/#/$folder/}" <<'PY'
import socket, sys
stored = [line.split() for line in open(sys.argv[1], encoding="utf-8")]
lost = 0
for place in sys.argv[2:]:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(place + ".sock")
    answers = connection.makefile("rb")
    asked = [(path, nick) for path, nick in stored] + [(f"/pessoas?t={nick}", nick) for _, nick in stored]
    for begin in range(0, len(asked), 50):
        part = asked[begin : begin + 50]
        connection.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path, _ in part))
        for path, nick in part:
            status = answers.readline().split()[1]
            length = 0
            while (line := answers.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = answers.read(length)
            if status != b"200" or f'"apelido":"{nick}"'.encode() not in body:
                lost += 1
                print(place, path, status, body[:200])
sys.exit(1 if lost or not stored else 0)
PY
}
check "each finds everybody who was acknowledged, by id and by search" find_all
