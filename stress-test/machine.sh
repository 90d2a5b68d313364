#!/usr/bin/env bash
# machine.sh: describes the machine and the tools of a run, a line each. Names neither host nor user.
set -euo pipefail
export LC_ALL=C

line() { printf '%-12s %s\n' "$1" "${2:-unknown}"; }

# The first line that a tool prints about its version, or nothing if it is not here.
version() { { "$@" 2>&1 || true; } 2>/dev/null | grep -m 1 -iE '[0-9]+\.[0-9]+' || true; }

cgroup_version() {
  if [ "$(stat -fc %T /sys/fs/cgroup 2>/dev/null)" = cgroup2fs ]; then echo 2; else echo 1; fi
}

line date "$(date -u +%Y-%m-%d)"
line cpu "$(lscpu | sed -n 's/^Model name: *//p' | head -n 1)"
line cores "$(nproc) of $(lscpu | sed -n 's/^CPU(s): *//p') CPUs usable, threads per core $(lscpu | sed -n 's/^Thread(s) per core: *//p')"
line memory "$(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)"
line virtual "$(systemd-detect-virt 2>/dev/null || true)"
line kernel "$(uname -sr)"
line system "$(. /etc/os-release && echo "${PRETTY_NAME:-}")"
line cgroups "version $(cgroup_version)"
line podman "$(version podman --version)"
line runtime "$(podman info --format '{{.Host.OCIRuntime.Name}}, {{.Host.CgroupManager}}, {{.Store.GraphDriverName}}' 2>/dev/null || true)"
line compose "$(version podman-compose --version)"
line docker "$(docker version --format '{{.Server.Version}}' 2>/dev/null | grep . || echo none)"
line java "$(version java -version)"
line python "$(version python3 --version)"
