#!/usr/bin/env bash
# reset.sh: empties the table of people and restarts the replicas, whose caches would otherwise still know
# them. With DATABASE_URL it only empties the table: the server is yours to restart.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR source=stresslib/lab.sh
. "$here/stresslib/lab.sh"
exec_lab reset "$@"
