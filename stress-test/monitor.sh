#!/usr/bin/env bash
# Samples the stack's containers once a second until it is stopped: monitor.sh --out DIR.
set -euo pipefail
export LC_ALL=C
exec python3 "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/monitor.py" "$@"
