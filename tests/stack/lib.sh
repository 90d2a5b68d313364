# Helpers of the stack's tests: counting, waiting, and reading what the kernel (not the engine) says of a
# container. Sourced by run.sh, which sets $engine (podman or docker) and $sockets (the sockets' folder on the
# host).
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154

# shellcheck source=stress-test/stresslib/direct.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../stress-test/stresslib/direct.sh"

passed=0
failed=0

# check WHAT COMMAND…: one test. It passes if the command succeeds; what the command prints is shown if it
# does not.
check() {
  local what=$1 output
  shift
  if output=$("$@" 2>&1); then
    passed=$((passed + 1))
    printf 'ok    %s\n' "$what"
  else
    failed=$((failed + 1))
    printf 'FAIL  %s\n' "$what"
    if [ -n "$output" ]; then printf '%s\n' "$output" | sed 's/^/      /'; fi
  fi
}

# all_ran: a test that did not run, for whatever reason, is a failure too. The script sets $planned.
all_ran() {
  [ $((passed + failed)) -ne "$planned" ] || return 0
  printf 'FAIL  %d tests ran, but %d are planned\n' $((passed + failed)) "$planned"
  failed=$((failed + 1))
}

# equal ACTUAL EXPECTED
equal() {
  [ "$1" = "$2" ] && return 0
  printf 'got:      %s\nexpected: %s\n' "$1" "$2"
  return 1
}

# at_most ACTUAL BOUND, whole numbers
at_most() {
  [ "$1" -le "$2" ] && return 0
  printf 'got: %s, allowed: %s\n' "$1" "$2"
  return 1
}

# contains TEXT PART
contains() {
  case $1 in *"$2"*) return 0 ;; esac
  printf 'not in it: %s\nthe text:  %s\n' "$2" "${1:0:600}"
  return 1
}

# wait_for SECONDS COMMAND…: repeats the command until it succeeds, at most so long.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      printf 'not true in time: %s\n' "$*"
      return 1
    fi
    sleep 0.1
  done
}

now_ms() { date +%s%3N; }

# --- Containers ---------------------------------------------------------------------------------------------

# The engine's own files and processes belong to users of its namespace; without root, podman lends a way in.
in_namespace() {
  if [ "$engine" = podman ] && [ "$(id -u)" -ne 0 ]; then podman unshare "$@"; else "$@"; fi
}

state() { "$engine" inspect --format "{{.State.$2}}" "$1"; }
running() { [ "$(state "$1" Running 2>/dev/null)" = true ]; }
restarted_since() { running "$1" && [ "$(state "$1" Pid)" != "$2" ]; }

# Podman runs a health check when it is told to; docker runs it by itself and keeps the verdict.
healthy() {
  if [ "$engine" = podman ]; then
    podman healthcheck run "$1"
  else
    equal "$(docker inspect --format '{{.State.Health.Status}}' "$1")" healthy
  fi
}

# sigkill CONTAINER: its first process dies as in a crash, which is not what the engine's own `kill` is:
# that one counts as a wish of the user, and the restart policy leaves it alone.
sigkill() { in_namespace kill -KILL "$(state "$1" Pid)"; }

# psql ROLE QUERY
psql() { "$engine" exec pouco-postgres psql -X -At -v ON_ERROR_STOP=1 -U "$1" -d pouco -c "$2"; }

# --- cgroups, v1 and v2 -------------------------------------------------------------------------------------

# cgroup_folders CONTAINER CONTROLLER: the container's folder and its parents', inner first. A limit on any
# holds.
cgroup_folders() {
  local pid line root path
  pid=$(state "$1" Pid)
  line=$(grep -E "^[0-9]+:([^:]*,)?$2(,[^:]*)?:" "/proc/$pid/cgroup" || true)
  if [ -n "$line" ] && [ -d "/sys/fs/cgroup/$2" ]; then root=/sys/fs/cgroup/$2; else
    line=$(grep '^0::' "/proc/$pid/cgroup")
    root=/sys/fs/cgroup
  fi
  path=${line#*:*:}
  while [ -n "$path" ] && [ "$path" != / ]; do
    printf '%s\n' "$root$path"
    path=${path%/*}
  done
}

# The least of all bounds; nothing if there is none.
cpu_limit_millis() {
  local folder quota period
  cgroup_folders "$1" cpu | while read -r folder; do
    quota=max
    if [ -r "$folder/cpu.max" ]; then read -r quota period <"$folder/cpu.max"
    elif [ -r "$folder/cpu.cfs_quota_us" ]; then read -r quota <"$folder/cpu.cfs_quota_us"; read -r period <"$folder/cpu.cfs_period_us"
    fi
    case $quota in max|-1) ;; *) echo $((quota * 1000 / period)) ;; esac
  done | sort -n | head -n 1
}

memory_limit_bytes() {
  local folder limit
  cgroup_folders "$1" memory | while read -r folder; do
    limit=max
    if [ -r "$folder/memory.max" ]; then read -r limit <"$folder/memory.max"
    elif [ -r "$folder/memory.limit_in_bytes" ]; then read -r limit <"$folder/memory.limit_in_bytes"
    fi
    # cgroup v1 writes "none" as the largest multiple of a page.
    case $limit in max|9223372036854771712) ;; *) echo "$limit" ;; esac
  done | sort -n | head -n 1
}

# Every process of the container: those in the pid namespace of its first one. (Not by the cgroup: without
# limits, a plain user's containers share one.)
processes() {
  # shellcheck disable=SC2016 # the inner shell's
  in_namespace bash -c '
    own=$(readlink "/proc/$1/ns/pid") || exit 1
    own=${own//[/\\[}
    find /proc -maxdepth 3 -path "/proc/[0-9]*/ns/pid" -lname "${own//]/\\]}" 2>/dev/null | cut -d/ -f3' \
    processes "$(state "$1" Pid)"
}

# --- HTTP ---------------------------------------------------------------------------------------------------

readonly base=http://127.0.0.1:9999
readonly admin=http://127.0.0.1:9998

# The bounds of every request: to connect, and in all.
http() { curl --silent --show-error --connect-timeout 2 --max-time 15 "$@"; }

# status CURL-ARGUMENTS…: only the status.
status() { http --output /dev/null --write-out '%{http_code}' "$@"; }

# post JSON: status, a blank, the path in `Location`. Read from the head, since older curls cannot print one
# field of it.
post() {
  http --output /dev/null --dump-header - -H 'Content-Type: application/json' --data-binary "$1" "$base/pessoas" |
    tr -d '\r' | awk '/^HTTP\// {status = $2} tolower($1) == "location:" {path = $2} END {print status " " path}'
}

# by_socket SOCKET PATH [CURL-ARGUMENTS…]: asks one replica, past nginx.
by_socket() {
  local socket=$1 path=$2
  shift 2
  in_namespace curl --silent --show-error --max-time 15 --unix-socket "$sockets/$socket" "$@" "http://localhost$path"
}

person() { printf '{"apelido":"%s","nome":"%s","nascimento":"1990-02-28","stack":["Rust","SQL"]}' "$1" "${2:-Maria}"; }
