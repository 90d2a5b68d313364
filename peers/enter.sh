#!/usr/bin/env bash
# Lets a contestant enter each of its contests for a short while, with the lab's own generator: its images are
# built, the rules and the stored rows are checked, its limits proven. Fails if it does not start, cannot be
# loaded or is disqualified.
#
#   peers/enter.sh NAME [SECONDS]      10 s of load by default; port 9999 must be free
#   POUCO_LAB                          a pouco-lab that is built already; it is built here by default
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

readonly name=${1:?usage: peers/enter.sh NAME [SECONDS]}
readonly seconds=${2:-10}

# A contestant may have a folder of its own for a contest.
mapfile -t files < <(find "peers/$name" -name contestant.toml)
[ "${#files[@]}" -gt 0 ] || { echo "enter.sh: no contestant $name in peers" >&2; exit 1; }
contests() {
  python3 -c 'import sys, tomllib
for file in sys.argv[1:]:
    print(*tomllib.load(open(file, "rb"))["contests"], sep="\n")' "${files[@]}"
}
entered=$(contests)
mapfile -t entered < <(sort -u <<<"$entered")
lab=(cargo run --profile tool --locked --quiet --package pouco-lab --)
if [ -n "${POUCO_LAB:-}" ]; then lab=("$POUCO_LAB"); fi
for contest in "${entered[@]}"; do
  "${lab[@]}" run "$contest" --contestant "$name" --tool native --seconds "$seconds"
done
