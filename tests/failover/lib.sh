# Brings a cluster of deploy/ha up beside any other, and takes it down. The script sets $top.
# shellcheck shell=bash
# shellcheck disable=SC2154

# shellcheck source=stress-test/stresslib/direct.sh
source "$top/stress-test/stresslib/direct.sh"

for tool in podman podman-compose iptables nsenter python3 ip; do
  command -v "$tool" >/dev/null || { echo "failover: $tool is missing" >&2; exit 2; }
done
[ "$(id -u)" -eq 0 ] || { echo "failover: must be root, to cut nodes off" >&2; exit 2; }
for image in pouco-server pouco-postgres; do
  podman image exists "$image" || { echo "failover: there is no image $image: podman-compose build" >&2; exit 2; }
done

cluster_compose() { podman-compose --file "$top/deploy/ha/docker-compose.yml" --project-name "$POUCO_HA_NAME" "$@"; }

# A network that nobody has, and two ports.
cluster_names() {
  local taken number
  # podman's networks have no route while nobody is in them.
  # shellcheck disable=SC2046 # a name each
  taken=$(ip -4 route; podman network inspect $(podman network ls --quiet) | grep -o '"subnet": "[^"]*')
  for number in $(seq 100 250 | shuf); do
    case $taken in *"10.89.$number."*) ;; *) break ;; esac
  done
  POUCO_HA_NAME=pouco-ha-$$ POUCO_HA_NET=10.89.$number
  read -r POUCO_HA_PORT_A POUCO_HA_PORT_B < <(python3 -c '
import socket
free = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*[it.getsockname()[1] for it in free])')
  POUCO_HA_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  POUCO_HA_ADMIN_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  POUCO_JWT_SECRET=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
  export POUCO_HA_NAME POUCO_HA_NET POUCO_HA_PORT_A POUCO_HA_PORT_B
  export POUCO_HA_PASSWORD POUCO_HA_ADMIN_PASSWORD POUCO_JWT_SECRET
}

cluster_ready() { curl --noproxy "*" --silent --fail --max-time 2 --output /dev/null "http://$POUCO_HA_NET.$1:9998/readyz"; }

# wait_until SECONDS COMMAND…
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "failover: not true in time: $*" >&2; return 1; }
    sleep 0.2
  done
}

cluster_up() {
  local log
  log=$(mktemp)
  cluster_names
  # apt-get in a build needs a network; the host's needs no bridge. What is there already is not built again.
  podman build --network=host --pull=never --tag pouco-ha "$top/deploy/ha" >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; return 1; }
  printf 'failover: the image is there after %d s\n' "$SECONDS"
  cluster_compose up --detach --no-build >"$log" 2>&1 || { tail -n 20 "$log" >&2; return 1; }
  rm -f "$log"
  wait_until 180 cluster_ready 31
  wait_until 60 cluster_ready 32
  printf 'failover: both replicas are ready after %d s\n' "$SECONDS"
}

# cluster_down CODE: with the last lines of all, if that is not 0.
cluster_down() {
  local part
  for part in n1 n2 n3 balancer a b; do
    if [ "$1" -ne 0 ]; then
      printf -- '--- %s\n' "$part"
      podman logs --tail 12 "$POUCO_HA_NAME-$part" 2>&1 || true
    fi
    podman unpause "$POUCO_HA_NAME-$part" >/dev/null 2>&1 || true
  done
  podman rm --force --time 0 "$POUCO_HA_NAME-watch" >/dev/null 2>&1 || true
  cluster_compose down --volumes --timeout 5 >/dev/null 2>&1 || true
}
