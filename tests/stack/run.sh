#!/usr/bin/env bash
# Tests the running stack (`podman-compose up --build -d` first): limits, isolation, durability settings, the
# way of a request through nginx to both replicas and Postgres, crashes, and orderly stops. Nothing here is
# ever skipped: what cannot be tested fails. People are added to the database and stay there. With podman the
# last test lays the observability overlay over the stack.
#
#   tests/stack/run.sh             ENGINE=docker tests/stack/run.sh for docker
set -uo pipefail
export LC_ALL=C

readonly engine=${ENGINE:-podman}
# The number of tests below. A test that did not run for whatever reason is a failure. The last one is
# podman's alone.
planned=78
if [ "$engine" = podman ]; then planned=79; fi
readonly planned
readonly containers=(pouco-postgres pouco-api1 pouco-api2 pouco-nginx)
readonly replicas=(pouco-api1 pouco-api2)
readonly grace_s=30

# shellcheck source=tests/stack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scratch=$(mktemp -d)

# The verdict is the last line, however the script ends.
verdict() {
  rm -rf "$scratch"
  all_ran
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ] || exit 1
}
trap verdict EXIT

for tool in "$engine" curl awk python3; do
  command -v "$tool" >/dev/null || { echo "FAIL  $tool is missing"; exit 1; }
done
for container in "${containers[@]}"; do
  running "$container" || { echo "FAIL  $container is not running: podman-compose up --build -d"; exit 1; }
done
sockets=$("$engine" volume inspect --format '{{.Mountpoint}}' pouco-sockets)
readonly sockets

# Names that no earlier run has used.
run_id=$(date +%s)$$
readonly run_id
nick() { printf 'stack%s%s' "$run_id" "$1"; }

serving() { [ "$(status "$base/contagem-pessoas")" = 200 ]; }
replica_serving() { by_socket "$1.sock" /contagem-pessoas --fail; }
all_serving() { serving && replica_serving api1 && replica_serving api2; }

check "the stack serves within 60 s" wait_for 60 all_serving
# Without that, all of the rest would only fail, slowly.
[ "$failed" -eq 0 ] || exit 1

# --- Limits, by the kernel ----------------------------------------------------------------------------------

cpu_sum=0
memory_sum=0
for container in "${containers[@]}"; do
  cpu=$(cpu_limit_millis "$container")
  memory=$(memory_limit_bytes "$container")
  check "$container: the kernel bounds its CPU (${cpu:-no limit} m)" test -n "$cpu"
  check "$container: the kernel bounds its memory (${memory:-no limit} bytes)" test -n "$memory"
  cpu_sum=$((cpu_sum + ${cpu:-1000000}))
  memory_sum=$((memory_sum + ${memory:-1000000000000}))
done
check "all CPU limits sum to at most 1.5 ($cpu_sum m)" at_most "$cpu_sum" 1500
check "all memory limits sum to at most 3 GB ($memory_sum bytes)" at_most "$memory_sum" 3000000000

# --- Isolation ----------------------------------------------------------------------------------------------

# shellcheck disable=SC2016 # awk's
interfaces() { in_namespace awk -F: 'NR > 2 {gsub(/ /, "", $1); print $1}' "/proc/$(state "$1" Pid)/net/dev"; }
for container in pouco-postgres "${replicas[@]}"; do
  check "$container: no network but its own loopback" equal "$(interfaces "$container")" lo
done

# no_root CONTAINER: no process of it is root, has a capability, or could gain one.
no_root() {
  local pid pids bad=0 mine
  mine=$(id -u)
  pids=$(processes "$1")
  [ -n "$pids" ] || return 1
  for pid in $pids; do
    # A health check that has just ended.
    [ -r "/proc/$pid/status" ] || continue
    awk -v mine="$mine" '
      /^Name:/ {name = $2}
      # Without root, the container of a plain user shows its own root as that user.
      /^Uid:/ && ($2 == 0 || $3 == 0 || $2 == mine) {print name " runs as " $2; bad = 1}
      /^CapEff:/ && $2 !~ /^0+$/ {print name " has capabilities " $2; bad = 1}
      /^NoNewPrivs:/ && $2 != 1 {print name " may gain privileges"; bad = 1}
      END {exit bad}' "/proc/$pid/status" || bad=1
  done
  return "$bad"
}
for container in "${containers[@]}"; do
  check "$container: no process is root or privileged" no_root "$container"
  check "$container: its file system is read-only" equal "$("$engine" inspect --format '{{.HostConfig.ReadonlyRootfs}}' "$container")" true
  check "$container: healthy" healthy "$container"
done
# shellcheck disable=SC2016 # awk's
open_files() { in_namespace awk '/^Max open files/ {print $4}' "/proc/$(processes "$1" | tail -n 1)/limits"; }
check "nginx: at most 20,000 open files" at_most "$(open_files pouco-nginx)" 20000
for container in "${replicas[@]}"; do
  check "$container: 20,000 open files" equal "$(open_files "$container")" 20000
done
listeners() { awk '$4 == "0A" {print $2}' /proc/net/tcp | grep -E ':(270E|270F)$' | sort; }
check "listens on 0.0.0.0:9999 and on 127.0.0.1:9998, no wider" equal "$(listeners | tr '\n' ' ')" "00000000:270F 0100007F:270E "

# --- Postgres -----------------------------------------------------------------------------------------------

for setting in fsync full_page_writes synchronous_commit; do
  check "Postgres: $setting is on" equal "$(psql pouco "SHOW $setting")" on
done
check "Postgres: listens on no address" equal "$(psql pouco 'SHOW listen_addresses')" ""
# shellcheck disable=SC2016 # the dollars are SQL's quotes
check "Postgres: UTF8, builtin provider, C.UTF-8" equal \
  "$(psql pouco 'SELECT current_setting($$server_encoding$$), datlocprovider, datlocale FROM pg_database WHERE datname = current_database()')" \
  "UTF8|b|C.UTF-8"
check "Postgres: the role owns its database and is no superuser" equal \
  "$(psql pouco 'SELECT d.datdba = r.oid, r.rolsuper FROM pg_database d, pg_roles r WHERE datname = current_database() AND rolname = current_user')" "t|f"
check "Postgres: whoever is in its container may administer it" equal "$(psql postgres 'SELECT current_user')" postgres

# --- The API, through nginx and past it ---------------------------------------------------------------------

count_before=$(http "$base/contagem-pessoas")
answer=$(post "$(person "$(nick a)" 'José Ünïcode 漢字')")
location=${answer#* }
check "a creation answers 201 with a Location" contains "$answer" "201 /pessoas/"
check "nginx returns the person" contains "$(http "$base$location")" "\"apelido\":\"$(nick a)\""
check "replica 1 returns the person" contains "$(by_socket api1.sock "$location")" "José Ünïcode 漢字"
check "replica 2 returns the person" contains "$(by_socket api2.sock "$location")" "José Ünïcode 漢字"
found() { contains "$(http --get --data-urlencode "t=$1" "$base/pessoas")" "$(nick a)"; }
check "a search finds the person by nick, within 2 s on any replica" wait_for 2 found "$(nick a)"
check "a taken nick is 422" equal "$(post "$(person "$(nick a)")")" "422 "
check "nome null is 422" equal "$(post "{\"apelido\":\"$(nick b)\",\"nome\":null,\"nascimento\":\"1990-01-01\"}")" "422 "
check "no calendar date is 422" equal "$(post "{\"apelido\":\"$(nick b)\",\"nome\":\"b\",\"nascimento\":\"1990-02-29\"}")" "422 "
check "nome a number is 400" equal "$(post "{\"apelido\":\"$(nick b)\",\"nome\":1,\"nascimento\":\"1990-01-01\"}")" "400 "
check "broken JSON is 400" equal "$(post '{"apelido":')" "400 "
check "a search without a term is 400" equal "$(status "$base/pessoas")" 400
check "an unknown person is 404" equal "$(status "$base/pessoas/00000000-0000-7000-8000-000000000000")" 404
check "the count went up by one" equal "$(http "$base/contagem-pessoas")" $((count_before + 1))
check "and is the table's own" equal "$(http "$base/contagem-pessoas")" "$(psql pouco 'SELECT count(*) FROM people')"
head -c 70000 /dev/zero | tr '\0' x >"$scratch/large"
check "a body above the limit is 413, as JSON" contains \
  "$(http --write-out ' %{http_code}' --data-binary "@$scratch/large" "$base/pessoas")" '"}'" 413"
# raw REQUEST: as many bytes as asked for, in no HTTP client's words.
# shellcheck disable=SC2016 # $1 is the inner shell's
raw() { timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9999 && printf "$1" >&3 && cat <&3' raw "$1"; }
check "what is no HTTP is 400, as JSON" contains "$(raw 'HELLO\r\n\r\n')" '{"error":'
check "a client of HTTP/1.0 that names no host is served" contains "$(raw 'GET /contagem-pessoas HTTP/1.0\r\n\r\n')" ' 200 OK'
for replica in api1 api2; do
  check "metrics of $replica on the internal port" contains "$(http --fail "$admin/$replica/metrics")" pouco_
  check "health of $replica on the internal port" equal "$(status "$admin/$replica/healthz")" 200
done

# --- A crash of a replica -----------------------------------------------------------------------------------

# Creations one after another, as a client would send them, with a replica killed under them. What was
# acknowledged must be there afterwards; a 502 for a request that was in the dead process's hands is allowed,
# and only for that one.
statuses=$scratch/statuses
creations() {
  local i
  for i in $(seq 1 60); do post "$(person "$(nick "c$i")")" >>"$statuses"; done
}
answered() { [ "$(wc -l <"$statuses")" -ge 15 ]; }
all_found() {
  local code path
  while read -r code path; do
    [ "$code" = 201 ] || continue
    equal "$(by_socket api1.sock "$path" --output /dev/null --write-out '%{http_code}')" 200 || return 1
  done <"$statuses"
}
pid=$(state pouco-api1 Pid)
: >"$statuses"
creations &
wait_for 15 answered
sigkill pouco-api1
wait $!
check "replica 1 killed: the other went on, at most one creation of 60 failed" at_most "$(grep -vc '^201 ' "$statuses")" 1
check "replica 1 is restarted by its policy within 15 s" wait_for 15 restarted_since pouco-api1 "$pid"
check "replica 1 serves on the same socket within 15 s" wait_for 15 replica_serving api1
check "every acknowledged person is found there" all_found

"$engine" kill pouco-api2 >/dev/null
check "replica 2 stopped by kill: service goes on" equal "$(post "$(person "$(nick d)")" | cut -c1-3)" 201
"$engine" start pouco-api2 >/dev/null 2>&1
check "replica 2 serves again on the same socket" wait_for 15 replica_serving api2
check "and has what was stored while it was away" contains \
  "$(by_socket api2.sock "/pessoas?t=$(nick d)")" "$(nick d)"

# --- More requests at once than the balancer takes ----------------------------------------------------------

crowd=$("$(dirname "${BASH_SOURCE[0]}")/crowd.py" 9999 2550 1)
check "beyond 2,500 requests under way of one address its next gets a 429 with Retry-After" equal "$(head -n 1 <<<"$crowd")" "429 1"
check "and when they are gone it is served again" equal "$(tail -n 1 <<<"$crowd")" 200
crowd=$("$(dirname "${BASH_SOURCE[0]}")/crowd.py" 9999 5050 3)
check "beyond 5,000 requests under way the next gets a 503 with Retry-After" equal "$(head -n 1 <<<"$crowd")" "503 1"
check "and when they are gone it is served" equal "$(tail -n 1 <<<"$crowd")" 200

# --- A crash of Postgres ------------------------------------------------------------------------------------

count_before=$(http "$base/contagem-pessoas")
pid=$(state pouco-postgres Pid)
sigkill pouco-postgres
check "Postgres killed: restarted by its policy within 30 s" wait_for 30 restarted_since pouco-postgres "$pid"
check "the whole stack serves again within 30 s" wait_for 30 all_serving
check "with all that was stored" equal "$(http "$base/contagem-pessoas")" "$count_before"

# --- Orderly stops ------------------------------------------------------------------------------------------

# stops CONTAINER: within the grace period, by itself (a kill would leave 137), and with exit code 0.
stops() {
  local started
  started=$(now_ms)
  "$engine" stop --time "$grace_s" "$1" >/dev/null
  at_most $(($(now_ms) - started)) $(((grace_s - 1) * 1000)) && equal "$(state "$1" ExitCode)" 0
}
count_before=$(http "$base/contagem-pessoas")
for container in pouco-nginx pouco-api1 pouco-api2 pouco-postgres; do
  check "$container stops within $grace_s s with exit code 0" stops "$container"
done
# In the worst order: nginx before any socket is served, the replicas before Postgres.
for container in pouco-nginx pouco-api1 pouco-api2 pouco-postgres; do
  "$engine" start "$container" >/dev/null 2>&1
done
check "started again in any order, the stack serves within 30 s" wait_for 30 all_serving
check "with all that was stored" equal "$(http "$base/contagem-pessoas")" "$count_before"

# --- The observability overlay ------------------------------------------------------------------------------

# Its exporter does not know docker's containers, which docs/observability.md says.
if [ "$engine" = podman ]; then
  "$(dirname "${BASH_SOURCE[0]}")/observability.sh" && observed=yes || observed=no
  check "the observability overlay passes its own tests, above" equal "$observed" yes
fi
