#!/usr/bin/env bash
# A short contest on containers: the stack, which must be exact; a contestant that loses rows, which must be
# caught; and one whose limits do not hold, which must be disqualified. Port 9999 must be free. Nothing here
# is ever skipped.
#
#   POUCO_LAB     a pouco-lab that is built already; it is built here by default
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

readonly seconds=10
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0

# check WHAT CONDITION: the condition is Python over the attempt `it`, its contestant being in $attempt.
check() {
  if python3 - "$out/$attempt/record.json" "$2" <<'PYTHON'; then printf 'ok    %s\n' "$1"; else printf 'FAIL  %s\n' "$1"; failed=1; fi
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    it = json.load(file)["attempts"][0]
stored, verdict = it.get("stored") or {}, it["verdict"]
if not eval(sys.argv[2]):
    print(json.dumps({"verdict": verdict, "stored": stored, "proof": it.get("proof")}, indent=1), file=sys.stderr)
    sys.exit(1)
PYTHON
}

lab=(cargo run --profile tool --locked --quiet --package pouco-lab --)
if [ -n "${POUCO_LAB:-}" ]; then lab=("$POUCO_LAB"); fi

# contest NAME OPTIONS…
contest() {
  attempt=$1
  shift
  "${lab[@]}" run people --contestant "$attempt" --tool native --seconds "$seconds" --out "$out/$attempt" "$@"
}

contest pouco
check "pouco: valid, its limits hold" 'verdict["status"] == "valid" and it["proof"]["holds"]'
check "pouco: all rules are kept" 'it["conformance"]["passed"] == it["conformance"]["total"] >= 60'
check "pouco: nothing lost, doubled, altered or foreign" 'stored["lost"] + stored["duplicated"] + stored["altered"] + stored["foreign"] == 0 < stored["rows"]'
check "pouco: nothing lost by a SIGKILL of everything" 'it["killed"]["stored"]["lost"] == 0 < it["killed"]["stored"]["acknowledged"]'
check "pouco: everybody is found by both replicas after it" 'it["killed"]["invisible"] == 0 < it["killed"]["asked"][0]["people"]'
check "pouco: connections to the database were seen, and within the bound" '0 < it["proof"]["database_connections_peak"] <= 20'

contest liar --no-kill --no-build --peers tests/stack/contest
check "liar: it loses rows, and that is seen" 'verdict["status"] == "valid" and stored["lost"] > 0'

if contest unbounded --no-kill --no-build --peers tests/stack/contest; then
  echo "FAIL  unbounded: the lab ends with 0"
  failed=1
fi
check "unbounded: disqualified" 'verdict["status"] == "disqualified" and not it["proof"]["holds"]'
check "unbounded: the container that nobody declared is named" 'any(reason.startswith("undeclared:") for reason in verdict["reasons"])'
if [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ]; then
  check "unbounded: the lifted limit is named" 'any("CPU" in reason and reason.startswith("lifter") for reason in verdict["reasons"])'
fi

[ "$failed" -eq 0 ] && echo "the contest on containers: passed"
exit "$failed"
