#!/usr/bin/env bash
# The inventory's comparison as a whole: docker-compose.inventory.yml and what cannot be done with it,
# JMeter's short plan against all three back ends and every sample of it in InfluxDB, every query of the three
# dashboards under load, and an InfluxDB that goes away meanwhile. Its ports must be free. It takes the stack
# down before and after, with its data.
#
#   tests/stack/inventory.sh
#   NO_BUILD=1    the images are there
#   POUCO_LAB     a pouco-lab that is built already; it is built here by default
#   JMETER_HOME   a JMeter; by default it is made in target/jmeter, where the lab's tests find it too
#   PICTURES      a folder for the dashboards' pictures; by default nobody keeps them
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

readonly planned=51
readonly engine=${ENGINE:-podman}
readonly prometheus=http://127.0.0.1:9090
readonly influx=http://127.0.0.1:8086
readonly dashboards=deploy/grafana/inventory/dashboards
readonly secret="nobody's, and for this test"
readonly applications=(python-backend node-backend pouco)
# Scrapes once a second, so that rates have their samples soon.
export POUCO_PROMETHEUS_INTERVAL=1s POUCO_POSTGRES_PASSWORD=$secret
# On a machine that is busy with something else.
export PATIENCE_S=${PATIENCE_S:-120} WINDOW=15s

# shellcheck source=tests/stack/lib.sh
source tests/stack/lib.sh

compose() {
  case $engine in
    docker) docker compose -f docker-compose.inventory.yml "$@" ;;
    *) podman-compose -f docker-compose.inventory.yml "$@" ;;
  esac
}

scratch=$(mktemp -d)
load=

stop_load() {
  if [ -n "$load" ]; then kill -- "-$load" 2>/dev/null; wait "$load" 2>/dev/null; fi
  load=
}

finish() {
  stop_load
  if [ "$failed" -gt 0 ]; then
    for container in python node pouco nginx postgres influxdb prometheus; do
      printf '\n--- %s\n' "$container"
      "$engine" logs --tail 15 "pouco-inventory-$container" 2>&1
    done
  fi
  compose down --volumes >/dev/null 2>&1
  rm -rf "$scratch"
  all_ran
  printf 'inventory: %d passed, %d failed, in %d s after the build\n' \
    "$passed" "$failed" $((SECONDS - ${built:-0}))
  [ "$failed" -eq 0 ] || exit 1
}
trap finish EXIT

for tool in "$engine" curl awk python3 java chromium; do
  command -v "$tool" >/dev/null || { echo "FAIL  $tool is missing"; exit 1; }
done
if [ -z "${POUCO_LAB:-}" ]; then
  cargo build --profile tool --locked --quiet --package pouco-lab || exit
  export POUCO_LAB=${CARGO_TARGET_DIR:-$PWD/target}/tool/pouco-lab
fi
export JMETER_HOME=${JMETER_HOME:-$PWD/target/jmeter}
lab/contests/inventory/jmeter/install.sh "$JMETER_HOME" || exit
compose down --volumes >/dev/null 2>&1
if [ -z "${NO_BUILD:-}" ]; then
  compose build >"$scratch/build" 2>&1 || { tail -n 30 "$scratch/build"; exit 1; }
fi
built=$SECONDS

told() { python3 tests/stack/influx.py "$influx" "$@"; }
asked() { python3 tests/stack/prometheus.py "$prometheus" "$@"; }

# --- What cannot be done: one line, and exit code 2 ---

# refused WORDS COMMAND…
refused() {
  local words=$1 said code=0
  shift
  said=$("$@" 2>&1) || code=$?
  equal "$code" 2 && equal "$(wc -l <<<"$said")" 1 && contains "$said" "$words"
}
check "up: Grafana without a password" refused "POUCO_GRAFANA_PASSWORD is missing" \
  env -u POUCO_GRAFANA_PASSWORD scripts/inventory-stack.sh up --grafana
check "up: an unknown argument" refused "unknown argument: --grafanas" \
  scripts/inventory-stack.sh up --grafanas
check "up: an engine that nobody has" refused "ENGINE=rkt" env ENGINE=rkt scripts/inventory-stack.sh up
mkdir "$scratch/bin"
for tool in bash dirname readlink; do ln -s "$(command -v "$tool")" "$scratch/bin/$tool"; done
check "up: no engine" refused "podman is missing" env PATH="$scratch/bin" scripts/inventory-stack.sh up
check "single: no engine" refused "podman is missing" env PATH="$scratch/bin" scripts/run-jmeter-tests.sh
check "side by side: nobody serves" refused "python does not answer on port 8000" scripts/run-influx-tests.sh
python3 -c 'import signal, socket
taken = [socket.create_server(("127.0.0.1", port)) for port in (8001, 9270)]
print("taken", flush=True)
signal.pause()' >"$scratch/taken" &
taker=$!
taken() { grep -q taken "$scratch/taken"; }
wait_for 60 taken
check "up: a port that is taken" refused "port 8001 is in use" scripts/inventory-stack.sh up
check "single: a port that is taken" refused "port 9270 is in use" scripts/run-jmeter-tests.sh
check "load: a port that is taken" refused "JMeter's metrics on 127.0.0.1:9270" \
  "$POUCO_LAB" load inventory --tool jmeter --address 127.0.0.1:8000 --jmeter-metrics 127.0.0.1:9270
check "load: no URL" refused "--influx localhost" \
  "$POUCO_LAB" load inventory --tool jmeter --address 127.0.0.1:8000 --influx localhost:8086
kill "$taker"
wait "$taker" 2>/dev/null

# --- The stack ---

begun=$SECONDS
check "up: all three back ends answer" scripts/inventory-stack.sh up
check "within two minutes ($((SECONDS - begun)) s)" at_most $((SECONDS - begun)) 120
[ "$failed" -eq 0 ] || exit 1
check "all three back ends are up for Prometheus" asked targets 3 backends
none_up() { equal "$(asked value 'sum(up{job="jmeter"})')" 0; }
check "and no JMeter is, since no plan runs" wait_for 60 none_up
for container in postgres pouco nginx prometheus; do
  check "$container is healthy" wait_for 120 healthy "pouco-inventory-$container"
done
# shellcheck disable=SC2016 # awk's
listeners() {
  awk '$4 == "0A" {print $2}' /proc/net/tcp /proc/net/tcp6 | grep -E ":($1)\$" | cut -d: -f1 | sort -u
}
check "all of it listens on the loopback interface alone" equal \
  "$(listeners '1F40|1F41|1F42|1F43|1538|2382|1F96')" 0100007F
over_tcp() {
  "$engine" exec --env "PGPASSWORD=$1" pouco-inventory-postgres \
    psql -w -X -At -h 127.0.0.1 -U pouco -d "$2" -c "$3"
}
check "Postgres: with the password, over TCP" equal "$(over_tcp "$secret" python 'SELECT 1')" 1
wrong() { ! over_tcp "$@"; }
check "Postgres: with another one nobody comes in" wrong another python 'SELECT 1'

# --- The short plan, and InfluxDB ---

side_by_side() { RESULTS=$scratch/$1 scripts/run-influx-tests.sh "${@:2}"; }
check "JMeter's short plan, for all at once" side_by_side short --load short
# Once a thread a login, and eleven requests in each of 20 loops.
for application in "${applications[@]}"; do
  check "$application: InfluxDB has every sample, to the last one" \
    told samples "$application" $((5 * (1 + 20 * 11)))
done
for name in python node pouco; do
  check "$name: every sample succeeded" grep -Eq '^all requests +1105 +0 ' "$scratch/short/$name.txt"
  check "$name: JMeter's own report" test -s "$scratch/short/$name/05-threads.report/index.html"
done
orders() {
  local query="SELECT count(*) FROM $2"
  equal "$("$engine" exec pouco-inventory-postgres psql -U pouco -X -At -d "$1" -c "$query")" 100
}
check "python: every order is stored" orders python orders
check "node: every order is stored" orders node orders
check "pouco: every order is stored" orders pouco inventory.orders
check "when no plan runs any more, no JMeter is up" wait_for 60 none_up

# --- Dashboards, under load ---

set -m
side_by_side load --seconds 600 >"$scratch/load.txt" 2>&1 &
load=$!
set +m
check "while a plan runs, each JMeter's own metrics are up" asked targets 3 jmeter
for name in applications runtimes jmeter; do
  check "dashboard $name: no query to Prometheus is empty" asked dashboard "$dashboards/$name.json"
done
check "dashboard jmeter: no query to InfluxDB is empty" told dashboard "$dashboards/jmeter.json"
sed 's/app_threads/app_thread/' "$dashboards/runtimes.json" >"$scratch/broken.json"
check "a query of what Prometheus has not is found" contains \
  "$(PATIENCE_S=1 asked dashboard "$scratch/broken.json" 2>&1)" "unknown to Prometheus: ['app_thread']"
sed 's/pct95.0/pct95/' "$dashboards/jmeter.json" >"$scratch/broken.json"
check "a query of what InfluxDB has not is found" contains \
  "$(PATIENCE_S=1 told dashboard "$scratch/broken.json" 2>&1)" 'p95: empty'
pictures=${PICTURES:-$scratch}
drawn() {
  tests/stack/pictures.py "$dashboards/$1.json" --prometheus "$prometheus" --influx "$influx" --minutes 3 \
    --html "$scratch/$1.html" --png "$pictures/dashboard-$1.png" && test -s "$pictures/dashboard-$1.png"
}
for name in applications runtimes jmeter; do
  check "dashboard $name: a picture, with something in each panel" drawn "$name"
done
stop_load
nobody_listens() { equal "$(listeners '2436|2437|2438')" ""; }
check "one that is stopped leaves nobody on JMeter's ports" wait_for 60 nobody_listens

# --- InfluxDB goes away ---

all_of_python="application = 'python-backend' AND transaction = 'all'"
before=$(told value "SELECT sum(\"count\") FROM jmeter WHERE $all_of_python")
set -m
"$POUCO_LAB" load inventory --tool jmeter --load short --address 127.0.0.1:8002 --influx "$influx" \
  --jmeter-metrics 127.0.0.1:9272 >"$scratch/away.txt" 2>&1 &
load=$!
set +m
samples_come() { http --fail http://127.0.0.1:9272/metrics | grep -q '^jmeter_samples_total'; }
check "a plan has begun" wait_for 120 samples_come
"$engine" stop pouco-inventory-influxdb >/dev/null 2>&1
code=0
wait "$load" || code=$?
load=
check "InfluxDB goes away: the run goes on to its end" equal "$code" 0
check "with all of its samples" grep -Eq '^all requests +1105 +0 ' "$scratch/away.txt"
check "and says so" grep -q "^warning: InfluxDB at $influx/write was not told" "$scratch/away.txt"
"$engine" start pouco-inventory-influxdb >/dev/null 2>&1
check "what it was told before is there again" told samples python-backend "$before"
