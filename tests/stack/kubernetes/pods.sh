#!/usr/bin/env bash
# The pods of deploy/kubernetes/base, run by `podman kube play` on a network of their own: Postgres, Redis,
# three replicas of people behind nginx, and the inventory. They are asked; then one of the three is replaced
# under load, and no request may fail. What Kubernetes would do beside is done here: its probes are asked, and
# its Service's endpoints are nginx's list of replicas, from which the one that leaves is taken a second after
# it was told to end.
#
#   tests/stack/kubernetes/pods.sh          as root, with the stack's images
#   PICTURES    a folder for the dashboard's picture; by default nobody keeps it
set -uo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/../../.." || exit

readonly planned=30
readonly engine=podman
readonly prefix=pouco-kube-$$
export PREFIX=$prefix

# shellcheck source=tests/stack/lib.sh
source tests/stack/lib.sh

scratch=$(mktemp -d)
export SECRETS=$scratch/secrets.yml
load=""

# The verdict is the last line, however the script ends.
finish() {
  [ -z "$load" ] || kill -KILL "$load" 2>/dev/null
  if [ "$failed" -gt 0 ]; then
    podman ps --all --format '{{.Names}} {{.Status}}' --filter "name=$prefix"
    for name in $(podman ps --all --format '{{.Names}}' --filter "name=$prefix" | grep -v infra); do
      printf -- '--- %s\n' "$name"
      podman logs --tail 8 "$name" 2>&1
    done
  fi
  podman rm --force --time 0 "$prefix-watch-meters" "$prefix-watch-prometheus" >/dev/null 2>&1
  podman pod ls --format '{{.Name}}' --filter "name=$prefix" |
    xargs --no-run-if-empty podman pod rm --force --time 0 >/dev/null 2>&1
  podman volume ls --format '{{.Name}}' --filter "name=$prefix" |
    xargs --no-run-if-empty podman volume rm --force >/dev/null 2>&1
  podman network rm --force "$prefix" >/dev/null 2>&1
  rm -rf "$scratch"
  all_ran
  printf 'pods: %d passed, %d failed, in %d s\n' "$passed" "$failed" "$SECONDS"
  [ "$failed" -eq 0 ] || exit 1
}
trap finish EXIT

for tool in podman curl awk python3; do
  command -v "$tool" >/dev/null || { echo "FAIL  $tool is missing"; exit 1; }
done
[ "$(id -u)" -eq 0 ] || { echo "FAIL  needs root, whose network the pods are on"; exit 1; }
for image in pouco-server pouco-postgres pouco-nginx pouco-redis pouco-prometheus pouco-meters; do
  podman image exists "$image" || { echo "FAIL  there is no image $image: podman-compose build"; exit 1; }
done

manifest() { tests/stack/kubernetes/pods.py "$@"; }

# play NAME POD ALIAS: a pod of that Deployment, which the others find by the alias.
play() {
  { cat "$scratch/configmaps.yml"; echo ---; manifest pod "$1" "$prefix-$2"; } >"$scratch/$2.yml" || return
  podman kube play --network "$prefix:alias=$3" "$scratch/$2.yml" >"$scratch/$2.log" 2>&1 ||
    { cat "$scratch/$2.log"; return 1; }
}

# address POD: of its network, by the container that holds it.
address() {
  local infra
  infra=$(podman pod inspect --format '{{.InfraContainerID}}' "$prefix-$1") || return
  podman inspect --format "{{(index .NetworkSettings.Networks \"$prefix\").IPAddress}}" "$infra"
}

# probed NAME POD KIND: the probe of the manifest is answered with 200.
probed() {
  local path port
  read -r path port <<<"$(manifest probe "$1" "$3")"
  equal "$(status "http://$(address "$2"):$port$path")" 200
}

# endpoints POD…: those that nginx may ask, from now on.
endpoints() {
  local file pod
  file=$(podman volume inspect --format '{{.Mountpoint}}' "$prefix-nginx")/replicas.conf
  for pod in "$@"; do printf 'server %s:9999 max_fails=0;\n' "$pod"; done >"$file"
  podman exec "$prefix-nginx-nginx" nginx -e stderr -c /etc/pouco-nginx/nginx.conf -s reload 2>/dev/null
}

# told URL: status and X-Cache-Status.
told() {
  http --output /dev/null --dump-header - "$1" | tr -d '\r' |
    awk '/^HTTP\// {status = $2} tolower($1) == "x-cache-status:" {cache = $2} END {print status " " cache}'
}

# --- What the scripts refuse --------------------------------------------------------------------------------

# refused WORDS COMMAND…: exit code 2 and one line that has the words; nothing on standard output.
refused() {
  local why=$1 ended=0
  shift
  "$@" >"$scratch/said" 2>"$scratch/refused" </dev/null || ended=$?
  equal "$ended $(wc -l <"$scratch/refused") $(wc -l <"$scratch/said")" "2 1 0" && contains "$(cat "$scratch/refused")" "$why"
}
# Only what is named is to be found.
mkdir "$scratch/none" "$scratch/kind"
for tool in bash env dirname readlink basename grep sed podman; do ln -s "$(command -v "$tool")" "$scratch/none/$tool"; done
cp -P "$scratch/none"/* "$scratch/kind/"
# A kind that has a cluster, and writes down what else it is asked for.
printf '#!/bin/sh\n[ "$*" = "get clusters" ] && echo pouco && exit\necho "$*" >>%s\n' "$scratch/asked" >"$scratch/kind/kind"
printf '#!/bin/sh\n' >"$scratch/kind/kubectl"
chmod 755 "$scratch/kind/kind" "$scratch/kind/kubectl"
check "setup-kind.sh without kind" refused "kind is missing" env PATH="$scratch/none" deploy/kubernetes/setup-kind.sh
check "setup-kind.sh with a cluster of that name, which stays" \
  refused "the cluster pouco is there" env PATH="$scratch/kind" deploy/kubernetes/setup-kind.sh
check "nothing was asked of kind then" test ! -e "$scratch/asked"
check "secrets.sh without a password" refused "no default password" env GRAFANA_PASSWORD= deploy/kubernetes/secrets.sh

GRAFANA_PASSWORD=none-runs-here deploy/kubernetes/secrets.sh >"$SECRETS"
podman network create "$prefix" >/dev/null
# The Service `people` is the three pods here.
manifest configmaps |
  sed 's/\(server people\)\(:9999 max_fails=0;\)/\1-1\2 \1-2\2 \1-3\2/' >"$scratch/configmaps.yml"

# --- They start
# -----------------------------------------------------------------------------------------------------

check "Postgres: the pod starts" play postgres postgres postgres
check "Redis: the pod starts" play redis redis redis
for number in 1 2 3; do
  check "people $number: the pod starts" play people "people-$number" "people-$number"
done
check "inventory: the pod starts" play inventory inventory inventory
[ "$failed" -eq 0 ] || exit 1
roles_are_made() { podman exec "$prefix-postgres-roles" test -e /tmp/roles-are-made; }
check "Postgres has its roles and passwords within 60 s" wait_for 60 roles_are_made
for number in 1 2 3; do
  check "people $number is ready within 60 s, by its probe" wait_for 60 probed people "people-$number" readinessProbe
done
check "inventory is ready within 60 s, by its probe" wait_for 60 probed inventory inventory readinessProbe
check "nginx: the pod starts" play nginx nginx nginx
check "nginx is ready within 30 s, by its probe" wait_for 30 probed nginx nginx readinessProbe
[ "$failed" -eq 0 ] || exit 1

# --- They answer
# ----------------------------------------------------------------------------------------------------

front=http://$(address nginx):9999
shop=http://$(address inventory):9999/api/v1
created=$(http --output /dev/null --dump-header - --header 'Content-Type: application/json' \
  --data "$(person "kube$$" 'José')" "$front/pessoas" | tr -d '\r' | awk 'tolower($1) == "location:" {print $2}')
check "a person that is created through nginx is found" contains "$(http "$front${created:-/none}")" 'José'
check "/nginx/time: MISS, then HIT" equal "$(told "$front/nginx/time"), $(told "$front/nginx/time")" "200 MISS, 200 HIT"
check "/redis/time: MISS, then HIT, whichever of the three is asked" equal \
  "$(told "$front/redis/time"), $(told "$front/redis/time"), $(told "$front/redis/time")" "200 MISS, 200 HIT, 200 HIT"
json() { http --header 'Content-Type: application/json' "$@"; }
json --output /dev/null --data '{"email":"a@example.com","password":"correct horse","full_name":"A"}' "$shop/auth/register"
token=$(json --data '{"username":"a@example.com","password":"correct horse"}' "$shop/auth/login" |
  sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')
check "inventory: a product is made by one who has logged in" contains \
  "$(json --header "Authorization: Bearer $token" --data '{"name":"lamp","price":12.50,"sku":"L-1"}' "$shop/products")" '"price":12.50'

# --- They are watched ---------------------------------------------------------------------------------------

# The kernel's figures of each container under cAdvisor's names, and the pod's name as a node's kubelet has
# it.
mkdir "$scratch/prometheus"
chmod 755 "$scratch" "$scratch/prometheus"
cat >"$scratch/prometheus/prometheus.yml" <<YML
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: containers
    static_configs: [{ targets: ["meters:9101"] }]
    metric_relabel_configs:
      - { source_labels: [name], regex: "$prefix-(.+)-([^-]+)", target_label: pod, replacement: \$1 }
      - { source_labels: [name], regex: "$prefix-(.+)-([^-]+)", target_label: container, replacement: \$2 }
YML
watch() {
  local name=$1
  shift
  podman run --detach --name "$prefix-watch-$name" --network "$prefix:alias=$name" --cap-drop ALL --read-only \
    --tmpfs /tmp:mode=1777 --ulimit nofile=20000:20000 --ulimit nproc=4096:4096 "$@" >/dev/null
}
watch meters --pid host --volume /sys/fs/cgroup:/sys/fs/cgroup:ro pouco-meters --listen tcp:0.0.0.0:9101 --project "$prefix"
watch prometheus --volume "$scratch/prometheus:/etc/watch:ro,z" --entrypoint prometheus pouco-prometheus \
  --config.file=/etc/watch/prometheus.yml --storage.tsdb.path=/tmp/history --web.listen-address=:9090 --log.level=warn

# unprivileged: no process of any pod is root or has a capability.
unprivileged() {
  local container pid bad=0
  for container in $(podman ps --format '{{.Names}}' --filter "name=$prefix" | grep -v -e infra -e watch); do
    for pid in $(processes "$container"); do
      [ -r "/proc/$pid/status" ] || continue
      awk -v container="$container" '/^Uid:/ && $2 == 0 || /^CapEff:/ && $2 !~ /^0+$/ {print container ": " $0; bad = 1}
        END {exit bad}' "/proc/$pid/status" || bad=1
    done
    equal "$(podman inspect --format '{{.HostConfig.ReadonlyRootfs}}' "$container")" true || bad=1
  done
  return "$bad"
}
# The process that holds a pod is podman's own, and shares no numbers of processes with these.
check "no process is root or has a capability, and every file system is read-only" unprivileged

# --- One of three is replaced under load
# ----------------------------------------------------------------------------

tests/stack/load.py "$(address nginx)" 9999 4 fresh >"$scratch/load" 2>"$scratch/reasons" &
load=$!
served() {
  [ "$(http "http://$(address people-2):9998/metrics" |
    awk '/^http_requests_total/ {n += $NF} END {print n + 0}')" -gt "$1" ]
}
check "the load reaches the one that is to leave" wait_for 30 served 100
# The container alone: with the pod podman would take the network from it at once.
podman stop --time 45 "$prefix-people-2-pouco" >/dev/null 2>"$scratch/stop" &
stop=$!
# Kubernetes tells of the endpoint's end while the pod has its signal already.
sleep 1
ending() { equal "$(status "http://$(address people-2):9998/readyz?traffic")" 503; }
check "the one that leaves says so by its probe, and serves on" wait_for 5 ending
endpoints people-1 people-3
# Meanwhile. What only a kubelet or the API server tells is the matter of api.sh and of a cluster.
prometheus=http://$(podman inspect --format "{{(index .NetworkSettings.Networks \"$prefix\").IPAddress}}" "$prefix-watch-prometheus"):9090
check "dashboard kubernetes: no query of the containers is empty" env ONLY='[( ]container_(?!network)' \
  python3 tests/stack/prometheus.py "$prometheus" dashboard deploy/kubernetes/base/files/kubernetes.json
wait "$stop"
check "it ended by itself, with code 0" equal "$(state "$prefix-people-2-pouco" ExitCode)" 0
podman pod rm --force "$prefix-people-2" >/dev/null 2>&1
podman volume rm "$prefix-people-2-tmp" >/dev/null 2>&1
replaced() {
  play people people-2 people-2 && wait_for 60 probed people people-2 readinessProbe &&
    endpoints people-1 people-2 people-3
}
check "another one takes its place" replaced
check "and is asked" wait_for 30 served 100
# shellcheck disable=SC2317 # by check
drawn() {
  ONLY='[( ]container_(?!network)' tests/stack/pictures.py deploy/kubernetes/base/files/kubernetes.json \
    --prometheus "$prometheus" --minutes 1 --html "$scratch/kubernetes.html" \
    --png "${PICTURES:-$scratch}/dashboard-kubernetes.png" && test -s "${PICTURES:-$scratch}/dashboard-kubernetes.png"
}
check "dashboard kubernetes: a picture, with something in each panel of the containers" drawn
kill -TERM "$load"
wait "$load"
ended=$?
load=""
sed 's/^/      /' "$scratch/load"
check "of all requests none has failed, and whoever was stored is found" \
  equal "$ended $(cat "$scratch/reasons")" "0 "
