#!/usr/bin/env bash
# Tests the edge API on the running stack with its Redis
# (`POUCO_APIS=edge podman-compose -f docker-compose.yml -f docker-compose.redis.yml up --build -d` first):
# each cache through nginx, what is computed once over both replicas, a Redis that is killed and one that
# stands still, and old pages while both replicas are away. Takes two minutes: an entry of nginx has to grow
# old. Nothing here is ever skipped: what cannot be tested fails.
#
#   tests/stack/edge.sh            ENGINE=docker tests/stack/edge.sh for docker
set -uo pipefail
export LC_ALL=C

# The number of tests below. A test that did not run for whatever reason is a failure.
readonly planned=63
readonly engine=${ENGINE:-podman}
readonly containers=(pouco-postgres pouco-api1 pouco-api2 pouco-redis pouco-nginx)
readonly replicas=(api1 api2)
readonly clients=500

# shellcheck source=tests/stack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

verdict() {
  all_ran
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ] || exit 1
}
trap verdict EXIT

for tool in "$engine" curl awk python3; do
  command -v "$tool" >/dev/null || { echo "FAIL  $tool is missing"; exit 1; }
done
for container in "${containers[@]}"; do
  running "$container" || {
    echo "FAIL  $container is not running: POUCO_APIS=edge podman-compose -f docker-compose.yml -f docker-compose.redis.yml up --build -d"
    exit 1
  }
done
sockets=$("$engine" volume inspect --format '{{.Mountpoint}}' pouco-sockets)
readonly sockets

# told PATH [CURL-ARGUMENTS…]: status and X-Cache-Status, in one line.
told() {
  local path=$1
  shift
  http --output /dev/null --dump-header - "$@" "$base$path" | tr -d '\r' |
    awk '/^HTTP\// {status = $2; cache = "-"} tolower($1) == "x-cache-status:" {cache = $2} END {print status " " cache}'
}
tells() { equal "$(told "$1")" "$2"; }
hits() { tells "$1" "200 HIT"; }

# metric NAME-WITH-LABELS: the sum over both replicas.
metric() {
  local replica
  for replica in "${replicas[@]}"; do http --fail "$admin/$replica/metrics"; done |
    awk -v name="$1" 'index($0, name " ") == 1 {sum += $NF} END {printf "%d\n", sum}'
}
computed() { metric "pouco_edge_computed_total{cache=\"$1\",page=\"$2\"}"; }
redis() { "$engine" exec pouco-redis redis-cli -s /run/redis-socket/redis.sock "$@"; }
redis_up() { equal "$(metric pouco_redis_up)" "$1"; }
replica_serving() { by_socket "$1.sock" /static-text --fail; }
all_serving() { [ "$(status "$base/static-text")" = 200 ] && replica_serving api1 && replica_serving api2; }
together() { "$(dirname "${BASH_SOURCE[0]}")/together.py" 9999 "$1" "$clients"; }

check "the stack serves within 60 s" wait_for 60 all_serving
check "both replicas have found Redis" wait_for 30 redis_up 2
[ "$failed" -eq 0 ] || exit 1
# From a cold cache each: nginx's goes with its container, Redis's with a word.
"$engine" restart pouco-nginx >/dev/null
wait_for 15 all_serving
redis FLUSHALL >/dev/null

# --- Limits and isolation -----------------------------------------------------------------------------------

cpu_sum=0
for container in "${containers[@]}"; do
  cpu=$(cpu_limit_millis "$container")
  cpu_sum=$((cpu_sum + ${cpu:-1000000}))
done
check "all CPU limits with Redis's sum to at most 1.5 ($cpu_sum m)" at_most "$cpu_sum" 1500
check "the kernel bounds Redis's memory" at_most "$(memory_limit_bytes pouco-redis)" 67108864
# shellcheck disable=SC2016 # awk's
interfaces() { in_namespace awk -F: 'NR > 2 {gsub(/ /, "", $1); print $1}' "/proc/$(state "$1" Pid)/net/dev"; }
check "Redis has no network but its own loopback" equal "$(interfaces pouco-redis)" lo
check "Redis listens on no port" equal "$(redis CONFIG GET port | tail -n 1)" 0
check "Redis keeps at most 16 MiB" equal "$(redis CONFIG GET maxmemory | tail -n 1)" 16777216
check "Redis lets go what was not asked for the longest" equal "$(redis CONFIG GET maxmemory-policy | tail -n 1)" allkeys-lru
check "Redis is healthy" healthy pouco-redis

# --- Every page behind every cache --------------------------------------------------------------------------

for page in / /static-text /time; do
  check "/nginx$page: MISS, then HIT" equal "$(told "/nginx$page"), $(told "/nginx$page")" "200 MISS, 200 HIT"
  check "/redis$page: MISS, then HIT" equal "$(told "/redis$page"), $(told "/redis$page")" "200 MISS, 200 HIT"
  # Either replica may be asked, and each has a memory of its own.
  check "/memory$page: HIT within 5 s" wait_for 5 hits "/memory$page"
  check "$page: HIT within 5 s" wait_for 5 hits "$page"
done
check "/nginx/metrics: MISS, then HIT" equal "$(told /nginx/metrics), $(told /nginx/metrics)" "200 MISS, 200 HIT"
check "/redis/metrics: MISS, then HIT" equal "$(told /redis/metrics), $(told /redis/metrics)" "200 MISS, 200 HIT"
check "/metrics: never kept" equal "$(told /metrics), $(told /metrics)" "200 BYPASS, 200 BYPASS"
check "/nginx/time: HEAD shares the entry" equal "$(told /nginx/time --head)" "200 HIT"
check "/nginx/time: a query is the same page" equal "$(told "/nginx/time?$(now_ms)")" "200 HIT"
check "/nginx/time: POST is 405" equal "$(status --data x "$base/nginx/time")" 405
check "/nginx/nothing: 404, and not kept" equal "$(told /nginx/nothing), $(told /nginx/nothing)" "404 MISS, 404 MISS"
check "/nginx: 404, no redirection" equal "$(status "$base/nginx")" 404

public=$(http "$base/metrics")
check "the public counters are there" contains "$public" 'http_total_requests{path="/nginx/time",method="GET"}'
check "and nothing of the replica's own metrics is public" equal "$(grep -cE 'pouco_|process_|http_request_' <<<"$public")" 0
check "/healthz is the replica's, and says that it answers" equal "$(http "$base/healthz")" '{"status":"ok"}'
for path in /readyz /api1/metrics /api2/metrics; do
  check "$path is not public" equal "$(status "$base$path")" 404
done

# --- Computed once ------------------------------------------------------------------------------------------

redis FLUSHALL >/dev/null
before=$(computed redis static-text)
crowd=$(together /redis/static-text)
check "$clients at once for a cold page in Redis: all are answered" contains "$crowd" "bodies 1"
check "and it was computed once over both replicas" equal $(($(computed redis static-text) - before)) 1
check "one of them missed" contains "$crowd" "200 MISS 1"

"$engine" restart pouco-nginx >/dev/null
wait_for 15 all_serving
before=$(computed nginx static-text)
crowd=$(together /nginx/static-text)
check "$clients at once for a cold page in nginx: all are answered" contains "$crowd" "bodies 1"
check "and it was computed once over both replicas" equal $(($(computed nginx static-text) - before)) 1
check "one of them missed" contains "$crowd" "200 MISS 1"
# It grows old while Redis is looked at, and nobody asks for it before the last tests.
old=$(http "$base/nginx/time")

# --- Redis is shared, and outlives a replica ----------------------------------------------------------------

redis FLUSHALL >/dev/null
shown=$(by_socket api1.sock /redis/time)
check "what one replica computed, the other shows" equal "$(by_socket api2.sock /redis/time)" "$shown"
check "it lives for a minute" at_most "$(redis PTTL pouco:edge:time)" 60000
pid=$(state pouco-api1 Pid)
sigkill pouco-api1
wait_for 15 restarted_since pouco-api1 "$pid"
wait_for 15 replica_serving api1
wait_for 15 redis_up 2
check "a replica that was killed shows it again" equal "$(by_socket api1.sock /redis/time)" "$shown"
# A lock whose owner is gone holds nobody up for longer than it lasts.
redis FLUSHALL >/dev/null
redis SET pouco:edge:time:lock somebody PX 1000 >/dev/null
started=$(now_ms)
check "a lock that was left behind is taken over" equal "$(told /redis/time)" "200 MISS"
check "within 3 s" at_most $(($(now_ms) - started)) 3000
redis SET pouco:edge:time "no page of ours" PX 60000 >/dev/null
check "what is in Redis is what is shown" equal "$(http "$base/redis/time")" "no page of ours"

# --- Redis killed, and standing still -----------------------------------------------------------------------

# said TEXT: how many log lines of both replicas have it.
said() {
  local replica
  for replica in "${replicas[@]}"; do "$engine" logs "pouco-$replica" 2>&1; done | grep -c "$1"
}
all_bypass() { [ "$(together /redis/time | grep -v '^bodies')" = "200 BYPASS $clients" ]; }

away=$(said "Redis at .* is away")
"$engine" kill pouco-redis >/dev/null
started=$(now_ms)
for _ in $(seq 1 20); do told /redis/time; done | sort | uniq -c >/dev/null
check "Redis killed: 20 answers within 5 s" at_most $(($(now_ms) - started)) 5000
check "Redis killed: everything is computed" wait_for 5 all_bypass
check "both replicas know" wait_for 5 redis_up 0
check "and each has said so once" equal $(($(said "Redis at .* is away") - away)) 2
"$engine" start pouco-redis >/dev/null
check "Redis is back: found within 10 s" wait_for 10 redis_up 2
check "and keeps again" wait_for 5 hits /redis/time

in_namespace kill -STOP "$(state pouco-redis Pid)"
started=$(now_ms)
check "Redis stands still: answered all the same" equal "$(told /redis/time)" "200 BYPASS"
check "within 2 s" at_most $(($(now_ms) - started)) 2000
check "both replicas know after a time-out each" wait_for 10 all_bypass
in_namespace kill -CONT "$(state pouco-redis Pid)"
check "it goes on: found within 10 s" wait_for 10 redis_up 2
check "and keeps again" wait_for 5 hits /redis/time

# --- Old pages while both replicas are away -----------------------------------------------------------------

http --output /dev/null "$base/nginx/"
for replica in "${replicas[@]}"; do "$engine" stop "pouco-$replica" >/dev/null; done
check "both replicas stopped: a young page is shown" tells /nginx/ "200 HIT"
stale() { tells /nginx/time "200 STALE"; }
check "and an old one, within 75 s" wait_for 75 stale
check "it is the same" equal "$(http "$base/nginx/time")" "$old"
check "what nobody has asked for before is a 503" equal "$(status "$base/nginx/nothing")" 503
for replica in "${replicas[@]}"; do "$engine" start "pouco-$replica" >/dev/null 2>&1; done
check "started again, a new page is shown within 30 s" wait_for 30 hits /nginx/time
