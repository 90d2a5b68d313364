#!/usr/bin/env bash
# flamegraph.sh OUT_DIR [SECONDS]: where the stack's CPU time goes, while somebody else loads it: one flame
# graph of each container and one of all, with the samples folded beside them. As root; needs perf and inferno
# (cargo install inferno).
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR source=stresslib/common.sh
. "$here/stresslib/common.sh"

# A prime, so as not to beat with timers.
readonly samples_per_second=1999
# Enough for the coroutines' and Postgres's deepest stacks of calls; unwound by their frame tables, since
# neither Postgres nor nginx keeps frame pointers.
readonly stack_bytes=16384

pids_of() {
  local top
  top=$("$engine" inspect --format '{{.State.Pid}}' "$1")
  # All processes of the container: those that share its process namespace.
  local wanted pid
  wanted=$(readlink "/proc/$top/ns/pid")
  for pid in /proc/[0-9]*; do
    if [ "$(readlink "$pid/ns/pid" 2>/dev/null)" = "$wanted" ]; then
      basename "$pid"
    fi
  done | paste -sd, -
}

main() {
  if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 2
  fi
  local out=$1 seconds=${2:-15} name pids
  require perf inferno-collapse-perf inferno-flamegraph
  engine=${CONTAINER_ENGINE:-$(command -v podman || command -v docker)} || die "no container engine is here"
  mkdir -p "$out"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT

  local containers=(pouco-nginx "${replica_containers[@]}" "$postgres_container") recording=()
  for name in "${containers[@]}"; do
    pids=$(pids_of "$name")
    perf record --quiet --freq "$samples_per_second" --call-graph "dwarf,$stack_bytes" --pid "$pids" \
      --output "$work/$name.data" -- sleep "$seconds" &
    recording+=($!)
  done
  wait "${recording[@]}"
  for name in "${containers[@]}"; do
    # perf reads a container's files through its processes, so they must still be there.
    perf script -F +pid --no-inline --input "$work/$name.data" 2>/dev/null | inferno-collapse-perf --quiet --pid >"$work/$name.folded"
    [ -s "$work/$name.folded" ] || die "no sample of $name: was the stack loaded?"
    inferno-flamegraph --title "$name, $seconds s" <"$work/$name.folded" >"$out/$name.svg"
    sed "s/^/$name;/" "$work/$name.folded" >>"$work/stack.folded"
  done
  inferno-flamegraph --title "the whole stack, $seconds s" <"$work/stack.folded" >"$out/stack.svg"
  gzip -9 <"$work/stack.folded" >"$out/stack.folded.gz"
  say "flame graphs in $out"
}

main "$@"
