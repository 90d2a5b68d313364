#!/usr/bin/env bash
# The programs of `cargo test --workspace` side by side: cargo starts one after the other, and most of them
# wait for something most of the time. All are run, so many at once; as cargo's runner this script tells of
# each, when cargo comes to it, what it has said, and ends as it has ended.
#
#   tests/beside.sh list >FOLDER/list       every program, the longest first; builds what is not built
#   tests/beside.sh start FOLDER [AT_ONCE]  runs what is in the list; two at once unless told
#   tests/beside.sh of FOLDER PROGRAM       what became of one; one that is not in the list is run now
set -euo pipefail
export LC_ALL=C

# Who takes longest; the others take half a minute and less. Beside the first, which needs the most of the
# machine, are those that mostly wait.
readonly longest="faults contest engine generator api commit"

list() {
  cd "$(dirname "$(readlink -f "$0")")/.."
  cargo test --workspace --locked --no-run --message-format=json | python3 -c '
import json, os.path, sys
longest, programs = sys.argv[1].split(), []
for message in map(json.loads, sys.stdin):
    if message.get("executable") and message["profile"]["test"]:
        name = message["target"]["name"]
        place = longest.index(name) if name in longest else len(longest)
        programs.append((place, os.path.dirname(message["manifest_path"]), message["executable"]))
for _, folder, program in sorted(programs, key=lambda it: it[0]):
    print(folder, program)
' "$longest"
}

# one FOLDER PLACE PROGRAM: where cargo would run it. Its status is there when all of what it said is.
one() {
  local said=$1/${3##*/} status=0
  (cd "$2" && exec "$3") >"$said.log" 2>&1 </dev/null || status=$?
  echo "$status" >"$said.ends"
  mv "$said.ends" "$said.status"
}

# of FOLDER PROGRAM ARGUMENTS…
of() {
  local folder=$1 said=$1/${2##*/}
  shift
  if [ "$#" -gt 1 ] || ! grep -qF " $1" "$folder/list"; then exec "$@"; fi
  until [ -e "$said.status" ]; do
    # In this order: the last program has ended before all are over.
    if [ -e "$folder/over" ] && [ ! -e "$said.status" ]; then echo "$1 was not run" >&2; exit 1; fi
    sleep 0.1
  done
  cat "$said.log"
  exit "$(cat "$said.status")"
}

case $1 in
  list) list ;;
  start)
    xargs -a "$2/list" -L 1 -P "${3:-2}" "$0" one "$2" || true
    touch "$2/over"
    ;;
  one) one "$2" "$3" "$4" ;;
  of) shift && of "$@" ;;
  *) echo "$1: list, start or of is allowed" >&2; exit 2 ;;
esac
