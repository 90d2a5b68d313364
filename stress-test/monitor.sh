#!/usr/bin/env bash
# monitor.sh --out DIR: samples the stack's containers once a second until it is stopped. --check-limits: says
# which limits the kernel enforces.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR source=stresslib/lab.sh
. "$here/stresslib/lab.sh"
exec_lab monitor "$@"
