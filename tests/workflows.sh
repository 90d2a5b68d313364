#!/usr/bin/env bash
# Reads the workflows as GitHub would, with actionlint: syntax, expressions, the shell in `run:` (where shellcheck is
# there), inputs of actions. What they promise beyond that is in tests/workflows.rs. Needs Go, and Go's modules once.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

readonly version=1.7.12
readonly tools=${XDG_CACHE_HOME:-$HOME/.cache}/pouco-ci/actionlint-$version

command -v go >/dev/null || { echo "workflows.sh: go is missing, and actionlint is a Go program" >&2; exit 1; }
if [ ! -x "$tools/actionlint" ]; then
  GOBIN=$tools go install "github.com/rhysd/actionlint/cmd/actionlint@v$version"
fi
"$tools/actionlint" -color=false
echo "workflows: $(find .github/workflows -name '*.yml' | wc -l) files, nothing found"
