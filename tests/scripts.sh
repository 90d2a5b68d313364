#!/usr/bin/env bash
# The tools of the stress test, and every shell script in git. Needs python3 and shellcheck.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

python3 -m unittest discover stress-test/tests
git ls-files '*.sh' '.ci/run' | xargs shellcheck --external-sources
