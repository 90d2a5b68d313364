#!/usr/bin/env bash
# archive-run.sh RUN_DIR DEST: copies what proves a run's figures, for keeping.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR source=stresslib/lab.sh
. "$here/stresslib/lab.sh"
exec_lab archive "$@"
