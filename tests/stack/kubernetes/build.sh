#!/usr/bin/env bash
# Builds Kubernetes' own API server, controller manager and scheduler, etcd, kwok (which plays the nodes) and
# kube-state-metrics from the Go module proxy, into a cache; what is there already is not built again. Prints
# the folder. A quarter of an hour and more on two cores; 4 GB of Go's caches, 400 MB of programs.
#
#   tests/stack/kubernetes/build.sh
set -euo pipefail
export LC_ALL=C

readonly version=1.34.2 etcd=3.6.6 kwok=0.7.0
readonly made=${XDG_CACHE_HOME:-$HOME/.cache}/pouco-ci/kubernetes-$version
readonly sources=$made/sources

command -v go >/dev/null || { echo "kubernetes/build.sh: go is missing (1.24 or newer)" >&2; exit 2; }
mkdir -p "$made" "$sources"
# Two builds at once would only be slow.
exec 9>"$made/.lock"
flock 9
export CGO_ENABLED=0 GOFLAGS="-mod=mod -buildvcs=false -trimpath" GOTOOLCHAIN=auto
say() { printf 'kubernetes/build.sh: %s (%s)\n' "$*" "$(date -u +%H:%M:%S)" >&2; }

# module NAME REQUIREMENT…: an empty module beside, whose only use is what it requires.
module() {
  mkdir -p "$sources/$1"
  cd "$sources/$1"
  shift
  if [ ! -e go.mod ]; then go mod init example.com/built >/dev/null 2>&1; fi
  local requirement
  for requirement in "$@"; do go mod edit -require "$requirement"; done
}

# build PROGRAM PACKAGE: to its place in one step, so that one that is there is whole.
build() {
  say "building $1"
  go build -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v$version \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34" -o "$made/.$1" "$2"
  mv "$made/.$1" "$made/$1"
}

built() { local program; for program in "$@"; do [ -x "$made/$program" ] || return 1; done; }

began=$SECONDS
if ! built etcd; then
  module etcd "go.etcd.io/etcd/server/v3@v$etcd"
  build etcd go.etcd.io/etcd/server/v3
fi
programs=(kube-apiserver kube-controller-manager kube-scheduler)
command -v kubectl >/dev/null || programs+=(kubectl)
if ! built "${programs[@]}"; then
  module kubernetes "k8s.io/kubernetes@v$version"
  # Its parts are modules of their own, which its own build finds beside it.
  own=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')
  while read -r part; do go mod edit -replace "$part=$part@v0.${version#*.}"; done < <(
    sed -n 's/^[[:space:]]*\(k8s\.io\/[a-z-]*\) => \.\/staging.*/\1/p' "$own")
  { echo '//go:build tools'; echo 'package built'; echo 'import ('
    for program in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
      echo "_ \"k8s.io/kubernetes/cmd/$program\""
    done
    echo ')'; } >tools.go
  say "reading the modules of Kubernetes"
  go mod tidy >/dev/null 2>&1
  for program in "${programs[@]}"; do
    built "$program" || build "$program" "k8s.io/kubernetes/cmd/$program"
  done
fi
if ! built kwok; then
  module kwok "sigs.k8s.io/kwok@v$kwok"
  build kwok sigs.k8s.io/kwok/cmd/kwok
fi
say "done, in $((SECONDS - began)) s"
echo "$made"
