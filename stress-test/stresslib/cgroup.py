"""CPU and memory of a container, read straight from its cgroup, version 1 and 2.

The engine's own `stats` command is not used: it costs a process a second, hides throttling, and
each engine subtracts something else from the memory. What is configured is not believed either:
limits can show in `inspect` and not hold, so they are read from where the kernel enforces them.

lab/src/meters/cgroup.rs is the same in Rust, for the lab; here it is for those who run the stress test
and have no Rust. Both are tested by the recorded trees in tests/trees/.
"""

import os
from dataclasses import dataclass
from typing import Optional

# Version 1 has no word for "no limit": it answers with the largest page-aligned number.
V1_UNLIMITED_BYTES = 2**60


class CgroupError(Exception):
    """The container has no cgroup of its own that can be read from here."""


@dataclass
class Sample:
    cpu_ns: int
    throttled_periods: int
    throttled_ns: int
    memory_bytes: int
    inactive_file_bytes: int
    peak_bytes: Optional[int]  # memory.peak is missing before Linux 5.19

    @property
    def working_bytes(self):
        """Without the page cache that the kernel takes back first, at no cost to the container."""
        return max(0, self.memory_bytes - self.inactive_file_bytes)


@dataclass
class Limits:
    cpu_cores: Optional[float]  # None: unlimited
    memory_bytes: Optional[int]


@dataclass
class _Group:
    """One controller's folder of a container."""

    version: int
    own: str  # the folder that counts for the whole container
    chain: list  # the folders whose limits apply, from the process up to the mount point


def read_text(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def read_number(path):
    return int(read_text(path))


def read_optional(path):
    try:
        return read_text(path)
    except FileNotFoundError:
        return None


def read_fields(path):
    return {name: int(value) for name, value in (line.split() for line in read_text(path).splitlines())}


class Cgroups:
    """The cgroups of one container. `root` is another file tree in the tests."""

    def __init__(self, pid, container_id, root="/"):
        mounts = _mounts(root)
        paths = _paths(root, pid)
        self._cpu = _group(mounts, paths, "cpu", container_id)
        # The two are one mount on most systems of version 1, but need not be.
        self._cpuacct = _group(mounts, paths, "cpuacct", container_id)
        self._memory = _group(mounts, paths, "memory", container_id)

    @property
    def version(self):
        return self._memory.version

    def sample(self):
        if self._cpu.version == 1:
            stat = read_fields(os.path.join(self._cpu.own, "cpu.stat"))
            cpu_ns = read_number(os.path.join(self._cpuacct.own, "cpuacct.usage"))
            throttled_ns = stat["throttled_time"]
        else:
            stat = read_fields(os.path.join(self._cpu.own, "cpu.stat"))
            cpu_ns = stat["usage_usec"] * 1000
            throttled_ns = stat.get("throttled_usec", 0) * 1000
        memory = self._memory.own
        if self._memory.version == 1:
            memory_bytes = read_number(os.path.join(memory, "memory.usage_in_bytes"))
            inactive = read_fields(os.path.join(memory, "memory.stat"))["total_inactive_file"]
            peak = read_optional(os.path.join(memory, "memory.max_usage_in_bytes"))
        else:
            memory_bytes = read_number(os.path.join(memory, "memory.current"))
            inactive = read_fields(os.path.join(memory, "memory.stat"))["inactive_file"]
            peak = read_optional(os.path.join(memory, "memory.peak"))
        return Sample(
            cpu_ns=cpu_ns,
            throttled_periods=stat.get("nr_throttled", 0),
            throttled_ns=throttled_ns,
            memory_bytes=memory_bytes,
            inactive_file_bytes=inactive,
            peak_bytes=int(peak) if peak else None,
        )

    def limits(self):
        """What the kernel enforces: the least limit on the way from the process to the root."""
        cpu_limit = _cpu_limit_v1 if self._cpu.version == 1 else _cpu_limit_v2
        memory_limit = _memory_limit_v1 if self._memory.version == 1 else _memory_limit_v2
        return Limits(
            cpu_cores=_least(cpu_limit(folder) for folder in self._cpu.chain),
            memory_bytes=_least(memory_limit(folder) for folder in self._memory.chain),
        )


def _least(values):
    return min((value for value in values if value is not None), default=None)


def _cpu_limit_v1(folder):
    quota = read_optional(os.path.join(folder, "cpu.cfs_quota_us"))
    period = read_optional(os.path.join(folder, "cpu.cfs_period_us"))
    if quota is None or period is None or int(quota) < 0:
        return None
    return int(quota) / int(period)


def _cpu_limit_v2(folder):
    text = read_optional(os.path.join(folder, "cpu.max"))
    if text is None or text.startswith("max"):
        return None
    quota, period = text.split()
    return int(quota) / int(period)


def _memory_limit_v1(folder):
    text = read_optional(os.path.join(folder, "memory.limit_in_bytes"))
    if text is None or int(text) >= V1_UNLIMITED_BYTES:
        return None
    return int(text)


def _memory_limit_v2(folder):
    text = read_optional(os.path.join(folder, "memory.max"))
    if text is None or text.startswith("max"):
        return None
    return int(text)


def _mounts(root):
    """Maps each controller of version 1, and "" for version 2, to (mount point, its root)."""
    mounts = {}
    for line in read_text(os.path.join(root, "proc/self/mountinfo")).splitlines():
        before, _, after = line.partition(" - ")
        mount_root, mount_point = before.split()[3:5]
        filesystem, _, options = after.split(maxsplit=2)
        if filesystem == "cgroup2":
            mounts.setdefault("", (mount_point, mount_root))
        elif filesystem == "cgroup":
            for option in options.split(","):
                mounts.setdefault(option, (mount_point, mount_root))
    return {name: (os.path.join(root, point.lstrip("/")), top) for name, (point, top) in mounts.items()}


def _paths(root, pid):
    """Maps each controller of version 1, and "" for version 2, to the path of the process."""
    try:
        lines = read_text(os.path.join(root, f"proc/{pid}/cgroup")).splitlines()
    except FileNotFoundError as error:
        raise CgroupError(f"process {pid} is not visible from here") from error
    paths = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _group(mounts, paths, controller, container_id):
    # On a hybrid system version 2 is mounted too, without controllers: the version 1 line wins.
    key = controller if controller in paths else ""
    if key not in paths or key not in mounts:
        raise CgroupError(f"no cgroup mount with the controller '{controller}'")
    mount_point, mount_root = mounts[key]
    path = paths[key]
    if mount_root != "/" and path.startswith(mount_root):
        path = path[len(mount_root):]
    parts = [part for part in path.split("/") if part]
    # Engines nest differently (a scope, a folder, a `container` below the scope), but all of them
    # put the id into the name of the folder that stands for the container.
    own = next((n for n, part in enumerate(parts, start=1) if container_id in part), None)
    if own is None:
        raise CgroupError(
            f"the container runs in {path}, which is not its own: it is neither limited nor measurable"
        )
    chain = [os.path.join(mount_point, *parts[:n]) for n in range(len(parts), -1, -1)]
    return _Group(
        version=1 if key else 2,
        own=os.path.join(mount_point, *parts[:own]),
        chain=chain,
    )
