#!/usr/bin/env bash
# reset.sh: empties the table of people and restarts the replicas, whose caches would otherwise
# still know them. With DATABASE_URL it only empties the table: the server is yours to restart.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR source=stresslib/common.sh
. "$here/stresslib/common.sh"

main() {
  case ${1:-} in
    '') ;;
    *) sed -n '2,3s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
  esac
  require python3 curl
  if [ -n "${DATABASE_URL:-}" ]; then
    database 'TRUNCATE people'
    say "the table of people is empty (DATABASE_URL). Restart the server now: its caches still know them"
    return
  fi

  local engine count emptied=yes
  engine=$(container_engine)
  [ -n "$engine" ] || die "no container of the stack is running and DATABASE_URL is not set"
  # Stopped first: what a replica still had to write would arrive in the emptied table.
  "$engine" stop "${replica_containers[@]}" >/dev/null
  database 'TRUNCATE people' || emptied=no
  "$engine" start "${replica_containers[@]}" >/dev/null # in any case: they were up before
  [ "$emptied" = yes ] || die "the table of people could not be emptied"
  wait_until_healthy "$engine"
  count=$(api_count_when_up) || die "$base_url does not answer within $ready_timeout_seconds s"
  [ "$count" = 0 ] || die "$base_url/contagem-pessoas is $count after the reset: is it served by this stack?"
  say "the database is empty, both replicas have started anew, the API counts 0"
}

main "$@"
