#!/usr/bin/env bash
# run-test.sh GATLING_HOME: the contest's stress test against http://localhost:9999; --help says the rest.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR source=stresslib/lab.sh
. "$here/stresslib/lab.sh"
exec_lab run "$@"
