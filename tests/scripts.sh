#!/usr/bin/env bash
# The stress test's second oracle, what scripts fetch and ask, and every shell script in git. Needs python3 and
# shellcheck.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

python3 -m unittest discover stress-test/tests
python3 -m unittest discover tests/scripts
git ls-files '*.sh' '.ci/run' | xargs shellcheck --external-sources
