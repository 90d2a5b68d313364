# shellcheck shell=bash
# What the scripts of this folder share. Source it after setting `here` to the folder stress-test.
#
# Environment:
#   POUCO_BASE_URL     where the API answers (default http://localhost:9999)
#   DATABASE_URL       a Postgres to ask with psql, instead of the one in the container
#   CONTAINER_ENGINE   podman or docker (default: the one that runs the stack)

: "${here:?set it before sourcing this file}"
# shellcheck source-path=SCRIPTDIR source=direct.sh
. "$here/stresslib/direct.sh"

# Whatever the user's locale: numbers have a point, programs speak English, and one order sorts all. Java also
# takes the encoding of file names from it, and is given $java_locale.
export LC_ALL=C
# shellcheck disable=SC2034 # of those who source this
readonly java_locale=C.UTF-8

base_url=${POUCO_BASE_URL:-http://localhost:9999}
base_url=${base_url%/}
readonly base_url
readonly postgres_container=pouco-postgres
readonly replica_containers=(pouco-api1 pouco-api2)
readonly ready_timeout_seconds=60

me=$(basename "$0")
readonly me

say() { echo "$me: $*"; }
warn() { echo "$me: $*" >&2; }
die() {
  warn "$@"
  exit 2
}

require() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || die "$tool is missing; on Debian and Ubuntu: sudo apt-get install -y $tool"
  done
}

# The folder of the newest run, or nothing.
newest_run() {
  local log
  # shellcheck disable=SC2012 # sorted by time; the names are Gatling's own
  log=$(ls -t "$here"/user-files/results/*/simulation.log 2>/dev/null | head -n 1)
  [ -z "$log" ] || dirname "$log"
}

# The engine that runs containers of the stack, or nothing.
container_engine() { python3 "$here/stresslib/containers.py"; }

# Prints the API's own count, or fails.
api_count() { curl -fsS --max-time 10 "$base_url/contagem-pessoas"; }

# The same, but waits for an API that is still starting, for a bounded time.
api_count_when_up() {
  api_count 2>/dev/null && return
  warn "waiting for $base_url (at most $ready_timeout_seconds s)"
  # curl takes refused connections and 502, 503, 504 for transient and asks again each second.
  curl -fs --max-time 10 --retry "$ready_timeout_seconds" --retry-delay 1 --retry-connrefused \
    --retry-max-time "$ready_timeout_seconds" "$base_url/contagem-pessoas"
}

# Runs one SQL statement and prints the bare result. Fails if there is no database to ask.
database() {
  local statement=$1 engine
  if [ -n "${DATABASE_URL:-}" ]; then
    require psql || return
    psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -Atc "$statement" "$DATABASE_URL"
    return
  fi
  engine=$(container_engine) || return
  if [ -z "$engine" ]; then
    warn "no database to ask: no container of the stack is running and DATABASE_URL is not set"
    return 1
  fi
  "$engine" exec "$postgres_container" psql --quiet -v ON_ERROR_STOP=1 -U pouco -d pouco -Atc "$statement"
}

# True once a container passes its own health check, or has none.
is_healthy() {
  local engine=$1 container=$2 status
  if [ "$("$engine" container inspect -f '{{if .Config.Healthcheck}}yes{{end}}' "$container")" != yes ]; then
    return 0
  fi
  case $(basename "$engine") in
    docker*)
      status=$("$engine" container inspect -f '{{.State.Health.Status}}' "$container")
      [ "$status" = healthy ]
      ;;
    # podman keeps the status with the help of systemd timers, which not every machine has: run it.
    *) "$engine" healthcheck run "$container" >/dev/null 2>&1 ;;
  esac
}

# Both replicas, not only the one that the balancer asks first.
wait_until_healthy() {
  local engine=$1 container deadline=$((SECONDS + ready_timeout_seconds))
  for container in "${replica_containers[@]}"; do
    until is_healthy "$engine" "$container"; do
      [ "$SECONDS" -lt "$deadline" ] || die "$container is not healthy within $ready_timeout_seconds s"
      sleep 0.2 # between two questions: no engine offers to wait for health in all its versions
    done
  done
}

# write_json FILE [KEY VALUE]...: all values become strings, but whole numbers, true, false, null.
write_json() {
  python3 -c '
import json, re, sys
path, *pairs = sys.argv[1:]
plain = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?|true|false|null")
value = lambda text: json.loads(text) if plain.fullmatch(text) else text
with open(path, "w", encoding="utf-8") as file:
    json.dump({k: value(v) for k, v in zip(pairs[::2], pairs[1::2])}, file, indent=2)
    file.write("\n")
' "$@"
}

# read_json FILE KEY: prints the value, or nothing.
read_json() {
  python3 -c '
import json, sys
value = json.load(open(sys.argv[1], encoding="utf-8")).get(sys.argv[2])
print("" if value is None else value)
' "$1" "$2"
}
