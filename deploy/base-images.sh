#!/usr/bin/env bash
# Makes sure that the two images all ours are built from are in podman's storage:
#
#   docker.io/library/debian:trixie-slim       Debian 13, for every final image
#   docker.io/library/rust:1.95-slim-trixie    the same with Rust 1.95 and a linker, for builds
#
# An image that is there stays. Otherwise it is pulled. Only where no image registry answers it is made here:
# the first from Debian's packages with mmdebstrap, the second from the first and this machine's own Rust
# toolchain. Both then carry this machine's CA bundle, so that package managers inside a build trust what this
# machine trusts.
#
#   deploy/base-images.sh [--force] [--no-pull]
#     --force     make both here, even if they are there or could be pulled
#     --no-pull   do not ask a registry
#   PULL_TIMEOUT_S   longest time that one pull may take, default 120
set -euo pipefail
export LC_ALL=C

readonly DEBIAN_IMAGE=docker.io/library/debian:trixie-slim
readonly RUST_IMAGE=docker.io/library/rust:1.95-slim-trixie
readonly RUST_VERSION=1.95
readonly CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
readonly PULL_TIMEOUT_S=${PULL_TIMEOUT_S:-120}

say()  { printf 'base-images: %s\n' "$*"; }
fail() { printf 'base-images: %s\n' "$*" >&2; exit 1; }

force=no
pull=yes
for argument in "$@"; do
  case $argument in
    --force)   force=yes ;;
    --no-pull) pull=no ;;
    -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) fail "unknown argument: $argument (try --help)" ;;
  esac
done

command -v podman >/dev/null || fail "podman is missing: run deploy/install-podman.sh first"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

pulled() {
  [ "$pull" = yes ] || return 1
  say "pulling $1 (at most $PULL_TIMEOUT_S s)"
  # podman retries an unreachable registry by itself; the timeout bounds all of that together.
  if timeout "$PULL_TIMEOUT_S" podman pull --quiet "$1" >/dev/null 2>"$scratch/pull.log"; then return 0; fi
  say "no registry gave it: $(tail -n 1 "$scratch/pull.log" | cut -c1-160)"
  return 1
}

make_debian() {
  command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing: run deploy/install-podman.sh"
  say "making $DEBIAN_IMAGE from Debian's packages (about 20 s)"
  mmdebstrap --quiet --variant=minbase --include=ca-certificates \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    trixie "$scratch/debian.tar" 2>"$scratch/mmdebstrap.log" ||
    { tail -n 20 "$scratch/mmdebstrap.log" >&2; fail "mmdebstrap failed; its last lines are above"; }
  podman import --quiet --change 'CMD ["bash"]' "$scratch/debian.tar" "$DEBIAN_IMAGE" >/dev/null 2>&1

  # The bundle takes the place of Debian's own: what a build runs later finds it in the usual place.
  if [ -s "$CA_BUNDLE" ]; then
    mkdir "$scratch/debian"
    cp "$CA_BUNDLE" "$scratch/debian/ca-certificates.crt"
    printf 'FROM %s\nCOPY ca-certificates.crt /etc/ssl/certs/\n' "$DEBIAN_IMAGE" >"$scratch/debian/Dockerfile"
    podman build --quiet --pull=never --tag "$DEBIAN_IMAGE" "$scratch/debian" >/dev/null
  fi
  rm -f "$scratch/debian.tar"
}

make_rust() {
  command -v rustc >/dev/null || fail "rustc is missing: install Rust $RUST_VERSION, its toolchain goes into the image"
  local version sysroot host
  # Asked from a folder without a rust-toolchain file, which could name another toolchain.
  version=$(cd "$scratch" && rustc --version)
  case $version in
    "rustc $RUST_VERSION."*) ;;
    *) fail "this machine has $version, but the image needs Rust $RUST_VERSION" ;;
  esac
  sysroot=$(cd "$scratch" && rustc --print sysroot)
  host=$(cd "$scratch" && rustc -vV | sed -n 's/^host: //p')

  say "making $RUST_IMAGE from $DEBIAN_IMAGE and $version (about a minute)"
  local context=$scratch/rust
  mkdir -p "$context/toolchain/bin" "$context/toolchain/lib/rustlib"
  # Hard links where the file system allows them: the toolchain is 400 MB. Documentation stays out.
  local link=(cp -a --link)
  cp -a --link "$sysroot/bin/rustc" "$scratch/probe" 2>/dev/null || link=(cp -a)
  "${link[@]}" "$sysroot"/bin/* "$context/toolchain/bin/"
  "${link[@]}" "$sysroot"/lib/*.so* "$context/toolchain/lib/"
  "${link[@]}" "$sysroot/lib/rustlib/$host" "$context/toolchain/lib/rustlib/"
  # cargo's, rustfmt's and clippy's helpers, where there are any.
  if [ -d "$sysroot/libexec" ]; then "${link[@]}" "$sysroot/libexec" "$context/toolchain/"; fi
  cat >"$context/Dockerfile" <<DOCKERFILE
FROM $DEBIAN_IMAGE
RUN apt-get update && \\
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc libc6-dev && \\
    rm -rf /var/lib/apt/lists/*
COPY toolchain/ /usr/local/
# As in the image that it stands in for: cargo's home is one that every user may write to.
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN mkdir -p /usr/local/cargo/bin && chmod -R a+w /usr/local/cargo && ldconfig && rustc --version && cargo --version
DOCKERFILE
  # apt-get in a build needs a network; the host's needs no bridge and no address translation.
  podman build --quiet --pull=never --network=host --tag "$RUST_IMAGE" "$context" >/dev/null
}

# provide IMAGE MAKER
provide() {
  if [ "$force" = no ] && podman image exists "$1"; then say "$1 is there"; return; fi
  if [ "$force" = no ] && pulled "$1"; then say "$1 pulled"; return; fi
  "$2"
  say "$1 made ($(podman image inspect --format '{{.Size}}' "$1" | awk '{printf "%.0f MB", $1 / 1e6}'))"
}

provide "$DEBIAN_IMAGE" make_debian
provide "$RUST_IMAGE" make_rust
