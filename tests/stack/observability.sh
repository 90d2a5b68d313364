#!/usr/bin/env bash
# The observability overlay on a real stack: every target is up, no query of a dashboard is empty, the rules
# are loaded and tested, and a replica that goes away is noticed. Starts the stack if it does not run, and
# leaves what it found. Nothing is skipped. With podman only: the exporter knows no other engine's containers
# (docs/observability.md).
#
#   tests/stack/observability.sh
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

readonly planned=38
readonly engine=podman
readonly overlay=(pouco-prometheus pouco-meters)
readonly prometheus=http://127.0.0.1:9090
readonly dashboards=deploy/grafana/dashboards
# Scrapes once a second, so that rates have their samples soon.
export POUCO_PROMETHEUS_INTERVAL=1s

# shellcheck source=tests/stack/lib.sh
source tests/stack/lib.sh

compose() { podman-compose -f docker-compose.yml -f docker-compose.observability.yml "$@"; }

scratch=$(mktemp -d)
found_running=no
if running pouco-nginx; then found_running=yes; fi

# As it was before; the verdict is the last line, however the script ends.
finish() {
  rm -f "$scratch/traffic"
  wait
  if [ "$found_running" = yes ]; then
    "$engine" rm --force "${overlay[@]}" >/dev/null 2>&1
    "$engine" volume rm --force pouco-prometheus >/dev/null 2>&1
  else
    compose down --volumes >/dev/null 2>&1
  fi
  rm -rf "$scratch"
  all_ran
  printf 'observability: %d passed, %d failed, in %d s after the build\n' "$passed" "$failed" $((SECONDS - ${built:-0}))
  [ "$failed" -eq 0 ] || exit 1
}
trap finish EXIT

for tool in "$engine" curl awk python3; do
  command -v "$tool" >/dev/null || { echo "FAIL  $tool is missing"; exit 1; }
done

asked() { python3 tests/stack/prometheus.py "$prometheus" "$@"; }
refused() { ! "$@"; }

# Where the stack runs already, it is as somebody built it.
services=()
if [ "$found_running" = yes ]; then services=(prometheus meters); fi
if ! compose build "${services[@]}" >"$scratch/build" 2>&1; then tail -n 30 "$scratch/build"; fi
built=$SECONDS
compose up -d >"$scratch/up" 2>&1 || tail -n 30 "$scratch/up"
serving() { [ "$(status "$base/contagem-pessoas")" = 200 ]; }
check "the stack serves within 60 s" wait_for 60 serving
check "five targets, and every one is up" asked targets 5
[ "$failed" -eq 0 ] || exit 1

# --- Configuration and rules --------------------------------------------------------------------------------

# promtool ARGUMENTS…: in an own container of Prometheus's image. Limits as podman without rights to raise
# them needs them.
promtool() {
  "$engine" run --rm --network none --ulimit nofile=20000:20000 --ulimit nproc=4096:4096 \
    --volume "$PWD/deploy/prometheus:/rules:ro,z" --volume "$scratch:/scratch:ro,z" --entrypoint promtool pouco-prometheus "$@"
}
chmod 755 "$scratch"
check "promtool: the configuration" promtool check config /rules/prometheus.yml
"$engine" exec pouco-prometheus cat /tmp/prometheus/prometheus.yml >"$scratch/prometheus.yml"
cp deploy/prometheus/alerts.yml "$scratch/"
check "promtool: the configuration as it runs" promtool check config /scratch/prometheus.yml
check "and it scrapes once a second, as it was told" contains "$(cat "$scratch/prometheus.yml")" "scrape_interval: 1s"
check "promtool: the rules" promtool check rules /rules/alerts.yml
check "promtool: what autoscalers go by" promtool test rules /rules/autoscaling_test.yml
check "promtool: every rule fires in one case and is silent in another" promtool test rules /rules/alerts_test.yml
sed 's/max_over_time/min_over_time/' deploy/prometheus/alerts.yml >"$scratch/alerts.yml"
cp deploy/prometheus/alerts_test.yml "$scratch/"
check "and a rule that is broken on purpose fails there" refused promtool test rules /scratch/alerts_test.yml

# --- Limits and isolation -----------------------------------------------------------------------------------

for container in "${overlay[@]}"; do
  cpu=$(cpu_limit_millis "$container")
  memory=$(memory_limit_bytes "$container")
  check "$container: the kernel bounds its CPU (${cpu:-no limit} m)" at_most "${cpu:-1000000}" 250
  check "$container: the kernel bounds its memory (${memory:-no limit} bytes)" at_most "${memory:-1000000000000}" 402653184
  # shellcheck disable=SC2016 # awk's
  check "$container: neither root nor privileged" equal \
    "$(awk '/^Uid:/ {printf "%s ", ($2 >= 10000)} /^CapEff:/ {printf "%s", $2}' "/proc/$(state "$container" Pid)/status")" "1 0000000000000000"
  check "$container: its file system is read-only" equal "$("$engine" inspect --format '{{.HostConfig.ReadonlyRootfs}}' "$container")" true
done
listeners() { awk '$4 == "0A" {print $2}' /proc/net/tcp /proc/net/tcp6 | grep -E ':(2382|238D)$' | sort; }
check "they listen on the loopback interface alone" equal "$(listeners | tr '\n' ' ')" "0100007F:2382 0100007F:238D "
check "pouco-prometheus: healthy" wait_for 20 healthy pouco-prometheus

# --- Dashboards ---------------------------------------------------------------------------------------------

# What every API is asked for while the queries are run. Those of APIs that are not served are a 404, and do
# no harm.
run_id=$(date +%s)$$
traffic() {
  local number=0 answer path
  while [ -e "$scratch/traffic" ]; do
    number=$((number + 1))
    answer=$(post "$(person "o$run_id$number" "Maria $number")")
    post "$(person "o$run_id$number")" >/dev/null
    for path in "${answer#* }" "/pessoas?t=maria" /pessoas /contagem-pessoas /nowhere \
      "/users?limit=5" "/users?limit=500" /users/00000000-0000-4000-8000-000000000000 \
      /static-text /time /memory/time /nginx/time /redis/time; do
      status "$base$path" >/dev/null
    done
  done
}
touch "$scratch/traffic"
traffic 2>/dev/null &
for file in "$dashboards"/*.json; do
  name=$(basename "$file" .json)
  # A dashboard that no API here bears the name of, and that is of the whole server, is always full.
  case $name in
    users | edge)
      if [ -d "src/api/$name" ]; then
        check "dashboard $name: no query is empty" asked dashboard "$file"
      else
        check "dashboard $name: every query is understood (there is no such API in this tree)" asked parse "$file"
      fi
      ;;
    *) check "dashboard $name: no query is empty" asked dashboard "$file" ;;
  esac
done
sed 's/http_requests_total/http_request_total/' "$dashboards/people.json" >"$scratch/broken.json"
check "a dashboard that asks for what is not there is found" contains \
  "$(PATIENCE_S=1 asked dashboard "$scratch/broken.json" 2>&1)" "unknown to Prometheus: ['http_request_total']"

# --- Rules, on what is there --------------------------------------------------------------------------------

check "all rules are loaded, evaluated, and on metrics that exist" asked rules deploy/prometheus/alerts.yml
check "none of them fires" equal "$(asked value 'count(ALERTS{alertstate="firing"}) or vector(0)')" 0

# --- What autoscalers go by, on what is there ---------------------------------------------------------------

# as_adapter_asks: the query of prometheus-adapter, with the rule that it rests on in the place of its name.
as_adapter_asks() {
  local rule query
  rule=$(sed -n 's/^ *expr: //p' deploy/prometheus/autoscaling.yml)
  query=$(sed -n "s/^ *metricsQuery: '\(.*\)'$/\1/p" deploy/kubernetes/overlays/production/queue-age.yml)
  query=${query//<<.GroupBy>>/instance}
  printf '%s' "${query//<<.Series>>\{<<.LabelMatchers>>\}/($rule)}"
}
# figures COMPARISON: how many replicas have one.
# shellcheck disable=SC2329 # by wait_for
figures() { asked value "(count($(as_adapter_asks)) or vector(0)) $1"; }
check "autoscalers have a figure of each replica" wait_for 40 figures "== 2"
# The traffic's own creation may wait at the other one.
to_postgres() { processes pouco-postgres | in_namespace xargs kill "-$1"; }
to_postgres STOP
post "$(person "q$run_id")" >/dev/null 2>&1 &
check "and none of one whose rows wait for a Postgres that stands still" wait_for 25 figures "< 2"
to_postgres CONT

# --- The figures are those of the kernel --------------------------------------------------------------------

for container in pouco-nginx pouco-api1; do
  check "$container: the CPU limit that is exported is the kernel's" equal \
    "$(asked value "1000 * container_spec_cpu_quota{name=\"$container\"} / container_spec_cpu_period")" "$(cpu_limit_millis "$container")"
done
check "pouco-api1: and so is its memory limit" equal \
  "$(asked value 'container_spec_memory_limit_bytes{name="pouco-api1"}')" "$(memory_limit_bytes pouco-api1)"
check "every container of the stack and of the overlay is told of" equal \
  "$(asked value 'count(container_last_seen{name=~"pouco-(nginx|api1|api2|postgres|prometheus|meters)"})')" 6
by_path() { asked value 'sum(http_total_requests{path="/pessoas",method="POST"}) >= 10'; }
check "creations of both replicas are counted by path" wait_for 20 by_path
computed() { equal "$(asked value 'count(sum by (cache) (pouco_edge_computed_total{cache=~"memory|nginx|redis"}) > 0)')" 3; }
check "pages were computed for each of the three caches" wait_for 20 computed

# --- A replica goes away ------------------------------------------------------------------------------------

rm -f "$scratch/traffic"
wait
noticed() { asked value 'ALERTS{alertname="ReplicaDown",instance="api2"}'; }
"$engine" stop pouco-api2 >/dev/null
check "a replica that is stopped is noticed within 15 s" wait_for 15 noticed
check "and the other one is still seen" equal "$(asked value 'up{job="pouco",instance="api1"}')" 1
"$engine" start pouco-api2 >/dev/null 2>&1
check "when it is back, every target is up again" asked targets 5
