#!/usr/bin/env bash
# count.sh [RUN_DIR [PAYLOAD_FILE]]: is every person stored that should be, and no other?
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR source=stresslib/lab.sh
. "$here/stresslib/lab.sh"
exec_lab count "$@"
