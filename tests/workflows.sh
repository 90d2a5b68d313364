#!/usr/bin/env bash
# Reads the workflows as GitHub would, with actionlint: syntax, expressions, the shell in `run:` (where
# shellcheck is there), inputs of actions. What they promise beyond that is in tests/repository/workflows.rs.
# Needs Go or podman, and Go's modules once.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

readonly version=1.7.12
readonly tools=${XDG_CACHE_HOME:-$HOME/.cache}/pouco-ci/actionlint-$version

# Where no Go is, or one that is too old, Debian 13's compiles it in a container.
get() {
  local source=github.com/rhysd/actionlint/cmd/actionlint@v$version
  if command -v go >/dev/null; then GOBIN=$tools go install "$source" && return; fi
  mkdir -p "$tools"
  podman run --rm --network host --ulimit nofile=20000:20000 --ulimit nproc=4096:4096 --volume "$tools:/out:z" \
    --env GOBIN=/out --env CGO_ENABLED=0 docker.io/library/debian:trixie-slim sh -ec "
      apt-get update -qq
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends golang-1.24-go >/dev/null
      /usr/lib/go-1.24/bin/go install $source"
}
if [ ! -x "$tools/actionlint" ]; then get; fi
"$tools/actionlint" -color=false
echo "workflows: $(find .github/workflows -name '*.yml' | wc -l) files, nothing found"
