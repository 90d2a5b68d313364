#!/usr/bin/env bash
# run-test.sh GATLING_HOME: the contest's stress test against http://localhost:9999.
# shellcheck disable=SC2317 # functions that only traps call
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR source=stresslib/common.sh
. "$here/stresslib/common.sh"

readonly full_seconds=205
readonly files_wanted=10000 # a slow server meets thousands of open connections at once
readonly results=$here/user-files/results

usage() {
  cat <<EOF
usage: run-test.sh GATLING_HOME [--seed N] [--seconds S] [--no-monitor]

  GATLING_HOME   what install-gatling.sh made, or the official bundle 3.9.5
  --seed N       which payloads (default 2023; made if they are missing)
  --seconds S    5 to 3600: a short or long form with the same phases and rates (default $full_seconds)
  --no-monitor   do not sample the containers

Starts no server. The exit code is Gatling's: 0 if every request got an allowed answer.
Environment: POUCO_BASE_URL, POUCO_TEST_SCALE, DATABASE_URL, CONTAINER_ENGINE (see README.md), JAVA_OPTS.
EOF
}

parse_arguments() {
  gatling_home='' seed=2023 seconds=${POUCO_TEST_SECONDS:-$full_seconds} with_monitor=yes
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --seed) seed=${2:?--seed needs a number}; shift 2 ;;
      --seconds) seconds=${2:?--seconds needs a number}; shift 2 ;;
      --no-monitor) with_monitor=no; shift ;;
      -*) usage >&2; die "unknown option $1" ;;
      *) [ -z "$gatling_home" ] || die "one GATLING_HOME, not two: $1"; gatling_home=$1; shift ;;
    esac
  done
  [ -n "$gatling_home" ] || { usage >&2; exit 2; }
  if ! [[ $seconds =~ ^[0-9]{1,4}$ ]] || ((10#$seconds < 5 || 10#$seconds > 3600)); then
    die "--seconds $seconds: a whole number from 5 to 3600 is allowed"
  fi
  seconds=$((10#$seconds)) # 030 is thirty
  [ -f "$gatling_home/bin/gatling.sh" ] ||
    die "no bin/gatling.sh in $gatling_home; make it with: $here/install-gatling.sh DIR"
  gatling_home=$(cd "$gatling_home" && pwd)
}

# Every virtual user has a connection, and every connection is a file.
raise_open_files() {
  local hard
  hard=$(ulimit -Hn)
  ulimit -Sn "$hard" 2>/dev/null || true
  if [ "$(ulimit -Sn)" != unlimited ] && [ "$(ulimit -Sn)" -lt "$files_wanted" ]; then
    warn "WARNING: only $(ulimit -Sn) files may be open (ulimit -n); with fewer than $files_wanted a slow" \
      "server makes the load generator fail before itself does"
  fi
}

make_payloads() {
  local paths
  paths=$(python3 "$here/generate.py" --seed "$seed" --out "$here/user-files/resources" --if-missing)
  { read -r payload_file && read -r terms_file; } <<<"$paths"
}

require_empty_api() {
  local count
  count=$(api_count_when_up) || die "$base_url does not answer within $ready_timeout_seconds s. Start the stack first"
  [ "$count" = 0 ] ||
    die "$base_url/contagem-pessoas is '$count' and not 0: the counts at the end could not be judged." \
      "Empty the database with $here/reset.sh"
}

# Limits that are configured and do not hold make every figure of the run worthless.
check_limits() {
  local report
  if [ -z "$engine" ]; then
    limits_hold=unknown
    say "no container of the stack is running here: CPU and memory are neither limited nor monitored"
    return
  fi
  if report=$(python3 "$here/monitor.py" --check-limits 2>&1); then
    limits_hold=true
    echo "$report"
    return
  fi
  limits_hold=false
  cat >&2 <<EOF
################################################################################
$report

WARNING: the limits of the stack do not hold as the contest asks for. What this
run costs and how fast it is CANNOT be compared with anything. Usual cause:
rootless podman without delegated cpu and memory controllers; the limits then
show in \`$engine inspect\` and are ignored. See docs/troubleshooting.md.
################################################################################
EOF
}

# Prints the CPU seconds between two outputs of `times`. Their second lines, "1m2.345s 0m6.789s",
# are user and system time of the children that have ended.
children_cpu_seconds() {
  awk 'FNR == 2 { for (i = 1; i <= 2; i++) { split($i, part, /[ms]/); total[FILENAME] += part[1] * 60 + part[2] } }
    END { printf "%.2f", total[ARGV[2]] - total[ARGV[1]] }' "$1" "$2"
}

start_monitor() {
  monitor_pid=''
  if [ "$with_monitor" = no ] || [ -z "$engine" ]; then
    return
  fi
  "$here/monitor.sh" --out "$staging/monitor" >"$staging/monitor.log" 2>&1 &
  monitor_pid=$!
}

stop_monitor() {
  [ -n "${monitor_pid:-}" ] || return 0
  kill -TERM "$monitor_pid" 2>/dev/null || true
  wait "$monitor_pid" 2>/dev/null || warn "the monitor failed: $(tail -n 3 "$staging/monitor.log")"
  monitor_pid=''
}

stop_gatling() {
  # The whole group: the official bundle starts one more process below its script.
  if [ -n "$gatling_pid" ]; then
    kill -TERM -- "-$gatling_pid" 2>/dev/null || true
  fi
}

run_gatling() {
  export POUCO_BASE_URL=$base_url POUCO_TEST_SECONDS=$seconds
  export POUCO_PAYLOAD_FILE=$payload_file POUCO_TERMS_FILE=$terms_file
  # Not in a $(…), which would be a process of its own, without these children.
  times >"$staging/times-before"
  # A job of its own group, waited for: a signal then reaches this script at once and not only
  # after the run, and can be passed on to all of Gatling's processes (see on_signal).
  set -m
  LC_ALL=$java_locale "$gatling_home/bin/gatling.sh" -rm local -bm -s RinhaBackendSimulation \
    -rd "people API, seed $seed, $POUCO_TEST_SECONDS s" -rf "$results" \
    -sf "$here/user-files/simulations" -rsf "$here/user-files/resources" </dev/null &
  gatling_pid=$!
  set +m
  while :; do
    gatling_exit_code=0
    wait "$gatling_pid" || gatling_exit_code=$?
    # A signal ends `wait` before Gatling has ended.
    kill -0 "$gatling_pid" 2>/dev/null || break
  done
  gatling_pid=''
  times >"$staging/times-after"
  generator_cpu_seconds=$(children_cpu_seconds "$staging/times-before" "$staging/times-after")
}

runs() { find "$results" -mindepth 2 -maxdepth 2 -name simulation.log -printf '%h\n' | sort; }

# Puts what belongs to the run into its folder, and prints that. Fails if Gatling never began.
keep_results() {
  local run
  run=$(comm -13 "$staging/runs-before" <(runs) | head -n 1)
  [ -n "$run" ] || return 1
  write_json "$run/run.json" \
    command "stress-test/run-test.sh $(basename "$gatling_home") --seed $seed --seconds $seconds" \
    commit "$(git -C "$here" describe --always --dirty --abbrev=40 2>/dev/null || echo unknown)" \
    started_at "$started_at" ended_at "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
    base_url "$base_url" seed "$seed" test_seconds "$seconds" \
    payload_file "$(basename "$payload_file")" payload_sha256 "$(sha256sum "$payload_file" | cut -d ' ' -f 1)" \
    terms_file "$(basename "$terms_file")" gatling_exit_code "$gatling_exit_code" \
    generator_cpu_s "$generator_cpu_seconds" limits_hold "$limits_hold"
  [ ! -d "$staging/monitor" ] || mv "$staging/monitor" "$run/monitor"
  echo "$run"
}

# An interrupted run is kept too, but its counts cannot be judged.
on_signal() {
  if [ -z "$gatling_pid" ]; then
    exit "$1"
  fi
  interrupted=$1
  stop_gatling
}

finish() {
  stop_gatling
  stop_monitor
  rm -rf "$staging"
}

report() {
  local run=$1
  echo
  python3 "$here/percentiles.py" --json "$run/percentiles.json" "$run" | tee "$run/percentiles.txt" ||
    warn "no percentiles: the log is not whole"
  echo
  [ ! -f "$run/monitor/summary.txt" ] || { cat "$run/monitor/summary.txt"; echo; }
  say "the load generator itself took $generator_cpu_seconds CPU s"
  if [ -n "$interrupted" ]; then
    say "the run was interrupted: its counts cannot be judged"
  else
    # Can be judged again, as long as the database holds this run, with: count.sh RUN_DIR
    "$here/count.sh" "$run" || true
  fi
  say "results in ${run/#"$PWD"\//}, the report is its index.html"
}

main() {
  parse_arguments "$@"
  require python3 curl flock
  raise_open_files
  make_payloads
  require_empty_api
  engine=$(container_engine) || engine=''
  check_limits

  mkdir -p "$results"
  # The newest folder is then this run's, and no other load spoils it.
  exec 9>"$results/.lock"
  flock --nonblock 9 || die "another run of this test is under way"
  staging=$(mktemp -d "$results/.running.XXXXXX")
  trap finish EXIT
  gatling_pid='' gatling_exit_code=1 interrupted=''
  trap 'on_signal 130' INT
  trap 'on_signal 143' TERM
  runs >"$staging/runs-before"
  started_at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  start_monitor
  run_gatling
  stop_monitor

  local run
  if run=$(keep_results); then
    report "$run"
  else
    warn "Gatling ended with exit code $gatling_exit_code before the test began"
    [ "$gatling_exit_code" -ne 0 ] || gatling_exit_code=1
  fi
  exit "${interrupted:-$gatling_exit_code}"
}

main "$@"
