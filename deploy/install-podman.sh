#!/usr/bin/env bash
# Installs what runs the stack on Debian and Ubuntu: podman, an OCI runtime that fits this kernel's
# cgroups, the container network, mmdebstrap (for deploy/base-images.sh) and podman-compose.
# Idempotent: what is there stays, and an existing setting of yours is never replaced.
#
#   deploy/install-podman.sh                 as root, or as a user with sudo
set -euo pipefail
export LC_ALL=C

say()  { printf 'install-podman: %s\n' "$*"; }
fail() { printf 'install-podman: %s\n' "$*" >&2; exit 1; }

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
containers_conf=/etc/containers/containers.conf

command -v apt-get >/dev/null || fail "needs apt-get (Debian or Ubuntu); elsewhere install podman, a runtime and podman-compose with your own package manager"

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "needs root: run it as root or install sudo"
  as_root=(sudo)
fi

# "v1" (also the hybrid layout, where the controllers are still v1) or "v2".
cgroup_version() {
  if [ "$(stat -fc %T /sys/fs/cgroup 2>/dev/null)" = cgroup2fs ]; then echo v2; else echo v1; fi
}

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }
available() { apt-cache show "$1" >/dev/null 2>&1; }

install_packages() {
  local wanted=() package
  # catatonit is the init of `init: true`; podman only recommends it.
  # netavark and aardvark-dns are the network of podman 4 and later; podman 3 (Ubuntu 22.04) uses CNI plugins.
  # runc runs on every cgroup layout; crun refuses the hybrid one.
  # uidmap, slirp4netns and fuse-overlayfs are what rootless podman stands on.
  for package in podman runc catatonit netavark aardvark-dns containernetworking-plugins \
    uidmap slirp4netns fuse-overlayfs mmdebstrap debian-archive-keyring ca-certificates curl python3-venv; do
    installed "$package" || wanted+=("$package")
  done
  # A Python that does not come from a package (pyenv and the like) serves as well.
  if python3 -c 'import ensurepip, venv' 2>/dev/null; then wanted=("${wanted[@]/#python3-venv/}"); fi
  local missing=()
  for package in "${wanted[@]}"; do [ -n "$package" ] && missing+=("$package"); done
  if [ "${#missing[@]}" -eq 0 ]; then
    say "packages: all there ($(podman --version))"
    return
  fi

  "${as_root[@]}" apt-get update -qq
  local found=()
  for package in "${missing[@]}"; do
    if available "$package"; then found+=("$package"); else say "no package $package in this release, left out"; fi
  done
  say "installing ${found[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${found[@]}" >/dev/null
}

# True if containers.conf, or a drop-in next to it, sets the key already.
is_set() {
  grep -qsE "^[[:space:]]*$1[[:space:]]*=" "$containers_conf" /etc/containers/containers.conf.d/*.conf
}

# set_in TABLE KEY LINE WHY: adds one line under its table unless the key is set by anyone.
set_in() {
  local table=$1 key=$2 line=$3 why=$4
  if grep -qsxF "$line" "$containers_conf"; then
    say "$containers_conf: $key is there already"
    return
  fi
  if is_set "$key"; then
    say "$containers_conf: '$key' is set by you and kept as it is (we would have written: $line)"
    return
  fi
  "${as_root[@]}" mkdir -p "$(dirname "$containers_conf")"
  "${as_root[@]}" touch "$containers_conf"
  if grep -qE "^\[$table\]" "$containers_conf"; then
    # TOML knows a table once: the line goes below the header that stands there.
    "${as_root[@]}" sed -i "0,/^\[$table\]/s//[$table]\n# $why\n$line/" "$containers_conf"
  else
    printf '\n[%s]\n# %s\n%s\n' "$table" "$why" "$line" | "${as_root[@]}" tee -a "$containers_conf" >/dev/null
  fi
  say "$containers_conf: wrote $line"
}

configure() {
  if [ "$(cgroup_version)" = v1 ] && command -v crun >/dev/null; then
    set_in engine runtime 'runtime = "runc"' "crun refuses hybrid cgroups"
  fi

  # Root's podman asks for 1,048,576 open files and 4,194,304 processes. Without CAP_SYS_RESOURCE
  # (bit 24) the kernel refuses what lies above the hard limits, and no container starts.
  local caps nofile nproc
  caps=$(awk '/^CapEff:/ {print $2}' /proc/self/status)
  nofile=$(ulimit -Hn)
  nproc=$(ulimit -Hu)
  if [ "$(id -u)" -eq 0 ] && [ $(( (0x$caps >> 24) & 1 )) -eq 0 ]; then
    [ "$nofile" = unlimited ] && nofile=1048576
    if [ "$nproc" = unlimited ] || [ "$nproc" -gt 32768 ]; then nproc=32768; fi
    set_in containers default_ulimits "default_ulimits = [\"nofile=$nofile:$nofile\", \"nproc=$nproc:$nproc\"]" \
      "this machine may not raise its hard limits"
  fi
}

# Into a folder of its own, so that no package of the system's Python is touched: the versions and the files
# that requirements.txt names, and no others.
install_podman_compose() {
  if command -v podman-compose >/dev/null; then
    say "podman-compose: there already ($(podman-compose --version 2>/dev/null | grep -m1 -i 'podman-compose version'))"
    return
  fi
  local home=/opt/pouco-podman-compose programs=/usr/local/bin
  if [ "$(id -u)" -ne 0 ]; then
    home=${XDG_DATA_HOME:-$HOME/.local/share}/pouco-podman-compose
    programs=$HOME/.local/bin
  fi
  python3 -m venv --clear "$home" || fail "no Python environment in $home: is python3-venv installed?"
  PIP_ROOT_USER_ACTION=ignore "$home/bin/pip" install --quiet --disable-pip-version-check \
    --only-binary :all: --no-deps --require-hashes --requirement "$here/requirements.txt" ||
    fail "no podman-compose as deploy/requirements.txt has it for $(python3 --version) on $(uname -m); install one"
  mkdir -p "$programs"
  ln -sf "$home/bin/podman-compose" "$programs/podman-compose"
  hash -r
  if command -v podman-compose >/dev/null; then
    say "podman-compose: installed ($(podman-compose --version 2>/dev/null | grep -m1 -i 'podman-compose version'))"
  else
    say "podman-compose: installed into $programs, which is not in your PATH yet"
  fi
}

install_packages
configure
install_podman_compose
say "done: $(podman --version), runtime $(podman info --format '{{.Host.OCIRuntime.Name}}'), cgroups $(cgroup_version)"
