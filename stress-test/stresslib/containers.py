"""Finds the containers of the stack, in podman or docker.

Run as a program it prints the engine that runs them, or nothing.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Optional

STACK = ("pouco-nginx", "pouco-api1", "pouco-api2", "pouco-postgres")
ENGINES = ("podman", "docker")
ENGINE_TIMEOUT_SECONDS = 30


class EngineError(Exception):
    """The container engine could not be asked."""


@dataclass
class Container:
    name: str
    id: str
    pid: int
    configured_cpu_cores: Optional[float]  # None: no limit configured
    configured_memory_bytes: Optional[int]


def _run(engine, *arguments):
    try:
        result = subprocess.run(
            [engine, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=ENGINE_TIMEOUT_SECONDS,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{engine} {arguments[0]}: {error}") from error
    if result.returncode != 0:
        raise EngineError(f"{engine} {arguments[0]}: {result.stderr.strip()[-300:]}")
    return result.stdout


def running(engine, names=STACK):
    """The containers of `names` that run, in the order of `names`."""
    up = set(_run(engine, "ps", "--format", "{{.Names}}").split())
    wanted = [name for name in names if name in up]
    if not wanted:
        return []
    return [_container(item) for item in json.loads(_run(engine, "container", "inspect", *wanted))]


def _container(item):
    host = item.get("HostConfig", {})
    cpu = None
    if host.get("NanoCpus"):
        cpu = host["NanoCpus"] / 1e9
    elif host.get("CpuQuota", 0) > 0:
        cpu = host["CpuQuota"] / (host.get("CpuPeriod") or 100_000)
    return Container(
        name=item["Name"].lstrip("/"),  # docker puts a slash before it
        id=item["Id"],
        pid=item["State"]["Pid"],
        configured_cpu_cores=cpu,
        configured_memory_bytes=host.get("Memory") or None,
    )


def find_engine(names=STACK):
    """The engine that runs at least one of `names`, or None. CONTAINER_ENGINE overrides."""
    chosen = os.environ.get("CONTAINER_ENGINE")
    for engine in [chosen] if chosen else ENGINES:
        try:
            if running(engine, names):
                return engine
        except EngineError:
            # Not installed, or a client without an engine behind it.
            if chosen:
                raise
    return None


if __name__ == "__main__":
    try:
        print(find_engine() or "")
    except EngineError as failure:
        print(failure, file=sys.stderr)
        sys.exit(2)
