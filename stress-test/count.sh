#!/usr/bin/env bash
# count.sh [RUN_DIR [PAYLOAD_FILE]]: is every person stored that should be, and no other?
#
# Prints the API's count, the database's, and the one computed from the run's simulation.log
# (default: the newest run). Exit code: 0 all equal; 1 they differ; 2 one could not be had;
# 3 creations failed, so that the oracle is a range, and the other two are equal and within it.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR source=stresslib/common.sh
. "$here/stresslib/common.sh"

# The payload file of a run, made again from its seed if it is gone.
payload_file_of() {
  local run=$1 paths path
  [ -f "$run/run.json" ] || die "$run has no run.json: name the payload file as the second argument"
  paths=$(python3 "$here/generate.py" --seed "$(read_json "$run/run.json" seed)" \
    --out "$here/user-files/resources" --if-missing)
  path=${paths%%$'\n'*}
  [ "$(sha256sum "$path" | cut -d ' ' -f 1)" = "$(read_json "$run/run.json" payload_sha256)" ] ||
    die "$(basename "$path") is not the file that this run sent, which was $(read_json "$run/run.json" payload_file)"
  echo "$path"
}

main() {
  case ${1:-} in
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
  esac
  require python3 curl
  local run payloads api rows low high exit_code=0
  run=${1:-$(newest_run)}
  [ -n "$run" ] || die "no run in $here/user-files/results; start one with run-test.sh"
  [ -d "$run" ] || die "$run: no such run"
  payloads=${2:-$(payload_file_of "$run")}

  local verdict
  verdict=$(python3 "$here/oracle.py" --json "$run" "$payloads") || exit 2
  low=$(read_json <(echo "$verdict") low)
  high=$(read_json <(echo "$verdict") high)
  api=$(api_count) || die "$base_url/contagem-pessoas does not answer"
  rows=$(database 'SELECT count(*) FROM people') || exit 2

  echo "run                   $(basename "$run")"
  echo "GET /contagem-pessoas $api"
  echo "SELECT count(*)       $rows"
  if [ "$low" = "$high" ]; then
    echo "oracle                $high"
  else
    echo "oracle                $low..$high (creations without an allowed answer may be stored or not)"
  fi

  if [ "$api" != "$rows" ] || [ "$rows" -lt "$low" ] || [ "$rows" -gt "$high" ]; then
    exit_code=1
    echo "DIFFERENT"
  elif [ "$low" != "$high" ]; then
    exit_code=3
    echo "NOT DECIDED: creations failed"
  else
    echo "equal"
  fi
  if [ -w "$run" ]; then
    write_json "$run/counts.json" api "$api" database "$rows" oracle_low "$low" oracle_high "$high" \
      equal "$([ "$exit_code" -eq 0 ] && echo true || echo false)"
  fi
  exit "$exit_code"
}

main "$@"
