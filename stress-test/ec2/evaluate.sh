#!/usr/bin/env bash
# The whole evaluation: builds the stack, runs the stress test N times, each on an empty database,
# and collects the results. See ec2/README.md.
# shellcheck disable=SC2317 # functions that only the trap calls
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
top=$(cd "$here/.." && pwd)
# shellcheck source-path=SCRIPTDIR source=../stresslib/common.sh
. "$here/stresslib/common.sh"
# shellcheck source-path=SCRIPTDIR source=prepare.sh
. "$here/ec2/prepare.sh"

readonly max_runs=100
readonly log_lines=200
readonly stack=(pouco-nginx "${replica_containers[@]}" "$postgres_container")

usage() {
  cat <<EOF
usage: evaluate.sh [--local] [--runs N] [--out DIR] [--seed N] [--seconds S] [--keep]
                   [--storage DEVICE] [--format]

  --local           any Debian or Ubuntu machine, as it is: no multithreading switch, no disk, no reboot
  --runs N          1 to $max_runs, default 3
  --out DIR         default stress-test/user-files/results/evaluation-<time>
  --seed, --seconds handed to run-test.sh
  --keep            leave the stack of the last run up
  --storage DEVICE  the disk for podman's storage, default: the instance store of EC2
  --format          ERASE that disk without a question; without it, a disk that is not blank is not touched

Exit code: 0 if in every run all counts are equal and no request failed; $exit_reboot_needed if the machine must be
rebooted first. CONTAINER_ENGINE=docker uses docker compose.
EOF
}

parse_arguments() {
  mode=ec2 runs=3 out='' device='' format=no keep=no test_options=()
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --local) mode=local; shift ;;
      --format) format=yes; shift ;;
      --keep) keep=yes; shift ;;
      --runs) runs=${2:?--runs needs a number}; shift 2 ;;
      --out) out=${2:?--out needs a folder}; shift 2 ;;
      --storage) device=${2:?--storage needs a device}; shift 2 ;;
      --seed | --seconds) test_options+=("$1" "${2:?$1 needs a number}"); shift 2 ;;
      *) usage >&2; die "unknown option $1" ;;
    esac
  done
  if ! [[ $runs =~ ^[1-9][0-9]{0,2}$ ]] || [ "$runs" -gt "$max_runs" ]; then
    die "--runs $runs: a whole number from 1 to $max_runs is allowed"
  fi
  if [ "$mode" = local ] && [ "$device$format" != no ]; then
    die "--storage and --format are not for --local, which touches no disk"
  fi
  [ -z "${DATABASE_URL:-}" ] || die "DATABASE_URL is set, but the evaluation uses the stack's own database: unset it"
}

choose_engine() {
  engine=${CONTAINER_ENGINE:-podman}
  export CONTAINER_ENGINE=$engine
  case $(basename "$engine") in
    docker*) compose=("$engine" compose) ;;
    *)
      PATH=$PATH:$HOME/.local/bin # where a plain user's podman-compose is
      if [ "$(id -u)" -eq 0 ] || ! command -v podman >/dev/null || ! command -v podman-compose >/dev/null; then
        "$top/deploy/install-podman.sh"
      fi
      compose=(podman-compose)
      ;;
  esac
  compose+=(-p pouco-evaluation -f "$top/docker-compose.yml" -f "$here/ec2/volumes.yml")
}

# What is there already is somebody's: an evaluation takes down only what it has brought up.
require_free_place() {
  local name existing
  existing=$("$engine" ps -a --format '{{.Names}}')
  for name in "${stack[@]}"; do
    if grep -qx "$name" <<<"$existing"; then
      die "there is a container $name already. Take that stack down first (its data stays):" \
        "podman-compose down"
    fi
  done
  require_free_port
}

prepare_images() {
  say "building the images"
  case $(basename "$engine") in
    docker*) ;;
    *) "$top/deploy/base-images.sh" ;;
  esac
  "${compose[@]}" build >"$out/build.log" 2>&1 || {
    tail -n 30 "$out/build.log" >&2
    die "the build failed; all of its output is in $out/build.log"
  }
}

tear_down() {
  local exit_code=$?
  trap - EXIT
  if [ "$keep" = yes ]; then
    say "the stack is left up; take it down with: ${compose[*]} down -v"
  else
    say "taking the stack down"
    "${compose[@]}" down -v >>"$out/compose.log" 2>&1 || warn "the tear-down failed, see $out/compose.log"
  fi
  exit "$exit_code"
}

on_signal() {
  if [ -n "$test_pid" ]; then
    kill -TERM "$test_pid" 2>/dev/null || true
    wait "$test_pid" || true
  fi
  exit "$1"
}

start_stack() {
  "${compose[@]}" up -d >>"$out/compose.log" 2>&1 || die "the stack does not start, see $out/compose.log"
  lab ready
}

fresh_stack() {
  "${compose[@]}" down -v >>"$out/compose.log" 2>&1 || true
  start_stack
  # The first start makes the database cluster, whose memory peak and page cache are not the
  # test's. So the test meets the second start, with counters that begin at zero.
  "${compose[@]}" down >>"$out/compose.log" 2>&1
  start_stack
}

# The folder of the newest run, or nothing.
newest_run() {
  local log
  # shellcheck disable=SC2012 # sorted by time; the names are Gatling's own
  log=$(ls -t "$here"/user-files/results/*/simulation.log 2>/dev/null | head -n 1)
  [ -z "$log" ] || dirname "$log"
}

run_once() {
  local number=$1 run name before
  say "run $number of $runs: starting an empty stack"
  fresh_stack
  before=$(newest_run)
  # In the background and waited for, so that a signal ends the test at once (see on_signal).
  "$here/run-test.sh" "$gatling_home" "${test_options[@]}" &
  test_pid=$!
  wait "$test_pid" || say "run-test.sh ended with exit code $?"
  test_pid=''
  run=$(newest_run)
  [ "$run" != "$before" ] || die "run $number left no result"
  "$here/archive-run.sh" "$run" "$out/run-$number"
  for name in "${stack[@]}"; do
    "$engine" logs --tail "$log_lines" "$name" >"$out/run-$number/$name.log" 2>&1 || true
  done
}

main() {
  parse_arguments "$@"
  require python3 curl
  if [ "$mode" = ec2 ]; then
    prepare_machine "$device" "$format"
  fi
  choose_engine
  require_free_place
  out=${out:-$here/user-files/results/evaluation-$(date -u +%Y%m%dT%H%M%SZ)}
  mkdir -p "$out"
  out=$(cd "$out" && pwd)
  [ -z "$(find "$out" -maxdepth 1 -name 'run-*' -print -quit)" ] || die "$out holds an earlier evaluation"

  local cache=${XDG_CACHE_HOME:-$HOME/.cache}/pouco
  LC_ALL=C.UTF-8 "$here/install-gatling.sh" "$cache"
  gatling_home=$cache/gatling-3.9.5
  prepare_images

  trap tear_down EXIT
  test_pid=''
  trap 'on_signal 130' INT
  trap 'on_signal 143' TERM
  local number
  for ((number = 1; number <= runs; number++)); do
    run_once "$number"
  done

  lscpu >"$out/lscpu.txt"
  lab machine >"$out/machine.txt"
  git -C "$top" describe --always --dirty --abbrev=40 >"$out/commit.txt" 2>/dev/null || echo unknown >"$out/commit.txt"
  echo
  local verdict=0
  lab summarize "$out" || verdict=$?
  tar -C "$(dirname "$out")" -czf "$out.tar.gz" "$(basename "$out")"
  say "results in $out and $out.tar.gz"
  exit "$verdict"
}

main "$@"
