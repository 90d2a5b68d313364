#!/usr/bin/env python3
"""CPU and memory of every container of the stack, once a second, straight from its cgroup.

usage: monitor.py --out DIR        until SIGTERM, SIGINT or --seconds; then writes the summary
       monitor.py --check-limits   says which limits the kernel really enforces; exit code 1 if
                                   one is missing or the stack is above the contest's budget

DIR gets monitor.csv (a row per container and second), summary.json, summary.txt, monitor.svg.
"""

import argparse
import csv
import datetime
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Optional

from stresslib import cgroup, chart, containers

INTERVAL_SECONDS = 1.0
MAX_SECONDS = 4 * 3600
LOOK_AGAIN_SECONDS = 5  # asking the engine for a lost container costs it 0.1 CPU s
BUDGET_CPU_CORES = 1.5
BUDGET_MEMORY_BYTES = 3 * 2**30
MIB = 2**20

CSV_COLUMNS = (
    "unix_time_s", "elapsed_s", "container", "cpu_total_s", "cpu_cores", "throttled_periods_total",
    "throttled_total_s", "memory_raw_bytes", "memory_inactive_file_bytes", "memory_working_bytes",
    "memory_peak_bytes", "cpu_limit_cores", "memory_limit_bytes",
)  # fmt: skip


@dataclass
class Point:
    """A container at one second. The counters are since the monitor's start."""

    elapsed_s: float
    cpu_s: float
    cpu_cores: Optional[float]  # None at the first point, and after too short a time to say
    throttled_periods: int
    throttled_s: float
    raw_bytes: int
    inactive_file_bytes: int
    working_bytes: int


@dataclass
class Watched:
    """A container and all that was seen of it."""

    name: str
    groups: object
    limits: cgroup.Limits
    points: dict = field(default_factory=dict)  # by number of the tick
    peak_bytes: int = 0
    restarts: int = 0
    _counters: tuple = None  # as they were read last
    _base: tuple = (0, 0, 0)  # added to them: the kernel counts each incarnation from zero

    def restarted(self, groups, limits):
        self.groups, self.limits = groups, limits
        self._count_from_zero()

    def _count_from_zero(self):
        if self._counters is None:
            return  # lost before its first sample
        self._base = tuple(map(sum, zip(self._base, self._counters)))
        self._counters = (0, 0, 0)
        self.restarts += 1

    def take(self, tick, elapsed_s):
        """Adds a point. Raises OSError if the cgroup is gone."""
        sample = self.groups.sample()
        counters = (sample.cpu_ns, sample.throttled_periods, sample.throttled_ns)
        if self._counters is None:
            # What was used before the monitor started does not belong to the run.
            self._base = tuple(-counter for counter in counters)
        elif sample.cpu_ns < self._counters[0]:
            # Restarted between two ticks: the cgroup has its old name and was never missed.
            self._count_from_zero()
        self._counters = counters
        cpu_ns, periods, throttled_ns = map(sum, zip(self._base, counters))
        last = self.last
        passed = elapsed_s - last.elapsed_s if last else 0
        point = Point(
            elapsed_s=elapsed_s,
            cpu_s=cpu_ns / 1e9,
            cpu_cores=(cpu_ns / 1e9 - last.cpu_s) / passed if passed >= INTERVAL_SECONDS / 2 else None,
            throttled_periods=periods,
            throttled_s=throttled_ns / 1e9,
            raw_bytes=sample.memory_bytes,
            inactive_file_bytes=sample.inactive_file_bytes,
            working_bytes=sample.working_bytes,
        )
        self.peak_bytes = max(self.peak_bytes, sample.peak_bytes or 0)
        self.points[tick] = point
        return point

    @property
    def last(self):
        return next(reversed(self.points.values()), None)


class Monitor:
    def __init__(self, engine, names, out):
        self.engine, self.names, self.out = engine, names, out
        self.watched = {}
        self.lost = set(names)
        self._looked_at = -LOOK_AGAIN_SECONDS
        self.started_at = time.time()
        self._clock = time.monotonic()
        self.tick_times = []

    def look_for_lost(self, elapsed_s):
        """Asks the engine for containers that are not up yet or were restarted meanwhile."""
        if not self.lost or elapsed_s - self._looked_at < LOOK_AGAIN_SECONDS:
            return
        self._looked_at = elapsed_s
        try:
            found = containers.running(self.engine, sorted(self.lost))
        except containers.EngineError as error:
            print(f"monitor.py: {error}", file=sys.stderr)
            return
        for container in found:
            try:
                groups = cgroup.Cgroups(container.pid, container.id)
                limits = groups.limits()
                groups.sample()  # without delegated controllers there is nothing to read
            except (cgroup.CgroupError, OSError) as error:
                print(f"monitor.py: {container.name} cannot be measured: {error}", file=sys.stderr)
                continue
            if container.name in self.watched:
                self.watched[container.name].restarted(groups, limits)
            else:
                self.watched[container.name] = Watched(container.name, groups, limits)
            self.lost.discard(container.name)

    def tick(self, number, writer):
        self.look_for_lost(time.monotonic() - self._clock)
        elapsed_s = time.monotonic() - self._clock
        self.tick_times.append(elapsed_s)
        for watched in self.watched.values():
            if watched.name in self.lost:
                continue
            try:
                point = watched.take(number, elapsed_s)
            except OSError:
                self.lost.add(watched.name)
                continue
            writer.writerow(self._csv_row(watched, point))

    def _csv_row(self, watched, point):
        limits = watched.limits
        return (
            f"{self.started_at + point.elapsed_s:.3f}", f"{point.elapsed_s:.3f}", watched.name,
            f"{point.cpu_s:.6f}", "" if point.cpu_cores is None else f"{point.cpu_cores:.4f}", point.throttled_periods,
            f"{point.throttled_s:.6f}", point.raw_bytes, point.inactive_file_bytes, point.working_bytes,
            watched.peak_bytes or "", "" if limits.cpu_cores is None else f"{limits.cpu_cores:.4f}",
            "" if limits.memory_bytes is None else limits.memory_bytes,
        )  # fmt: skip

    def run(self, stop, seconds):
        with open(os.path.join(self.out, "monitor.csv"), "w", newline="", encoding="ascii") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(CSV_COLUMNS)
            number = 0
            while True:
                self.tick(number, writer)
                file.flush()
                number += 1
                # The next multiple of the interval: a late tick does not delay those after it.
                now = time.monotonic() - self._clock
                if now >= seconds or stop.wait(max(0.0, number * INTERVAL_SECONDS - now)):
                    break
            self.tick(number, writer)  # so that the sums reach to the very end


def summarize(monitor):
    rows = {name: _container_summary(w) for name, w in _in_order(monitor) if w.points}
    return {
        "started_at": datetime.datetime.fromtimestamp(monitor.started_at, datetime.timezone.utc)
        .isoformat(timespec="seconds"),
        "seconds": round(monitor.tick_times[-1], 3),
        "samples": len(monitor.tick_times),
        "engine": os.path.basename(monitor.engine),
        "cgroup_version": next((w.groups.version for w in monitor.watched.values()), None),
        "not_seen": [name for name in monitor.names if name not in rows],
        "containers": rows,
        "stack": _stack_summary(monitor, rows),
    }


def _in_order(monitor):
    return [(name, monitor.watched[name]) for name in monitor.names if name in monitor.watched]


def _container_summary(watched):
    points = list(watched.points.values())
    return {
        "cpu_s": round(watched.last.cpu_s, 3),
        "cpu_max_cores": _largest_cores(point.cpu_cores for point in points),
        "throttled_periods": watched.last.throttled_periods,
        "throttled_s": round(watched.last.throttled_s, 3),
        "memory_peak_raw_bytes": watched.peak_bytes or None,
        "memory_max_raw_bytes": max(point.raw_bytes for point in points),
        "memory_max_working_bytes": max(point.working_bytes for point in points),
        "cpu_limit_cores": watched.limits.cpu_cores,
        "memory_limit_bytes": watched.limits.memory_bytes,
        "samples": len(points),
        "restarts": watched.restarts,
    }


def _largest_cores(values):
    return max((round(value, 3) for value in values if value is not None), default=None)


def _sum_or_none(values):
    values = list(values)
    return None if not values or None in values else sum(values)


def _stack_summary(monitor, rows):
    total = stack_track(monitor)
    working = [(value, second) for value, second in zip(total.working_bytes, total.seconds) if value is not None]
    largest, at_s = max(working, default=(None, None))
    return {
        "cpu_s": round(sum(row["cpu_s"] for row in rows.values()), 3),
        "cpu_max_cores": _largest_cores(total.cpu_cores),
        "throttled_periods": sum(row["throttled_periods"] for row in rows.values()),
        "throttled_s": round(sum(row["throttled_s"] for row in rows.values()), 3),
        "memory_sum_of_peaks_raw_bytes": _sum_or_none(row["memory_peak_raw_bytes"] for row in rows.values()),
        "memory_max_raw_bytes": max((v for v in total.raw_bytes if v is not None), default=None),
        "memory_max_working_bytes": largest,
        "memory_max_working_at_s": None if at_s is None else round(at_s, 1),
        "cpu_limit_cores": _sum_or_none(row["cpu_limit_cores"] for row in rows.values()),
        "memory_limit_bytes": _sum_or_none(row["memory_limit_bytes"] for row in rows.values()),
    }


def track(watched, tick_times):
    points = [watched.points.get(tick) for tick in range(len(tick_times))]
    throttled, before = [], 0
    for point in points:
        throttled.append(point is not None and point.throttled_periods > before)
        before = point.throttled_periods if point else before
    return chart.Track(
        name=watched.name,
        seconds=tick_times,
        cpu_cores=[point and point.cpu_cores for point in points],
        working_bytes=[point and point.working_bytes for point in points],
        raw_bytes=[point and point.raw_bytes for point in points],
        throttled=throttled,
        cpu_limit_cores=watched.limits.cpu_cores,
        memory_limit_bytes=watched.limits.memory_bytes,
        cpu_s=watched.last.cpu_s if watched.last else 0.0,
    )


def stack_track(monitor):
    """The sums at each second: what the whole stack held at the same time."""
    tracks = [track(watched, monitor.tick_times) for _, watched in _in_order(monitor)]

    def sums(name):
        columns = zip(*(getattr(one, name) for one in tracks))
        return [sum(v for v in column if v is not None) if any(v is not None for v in column) else None
                for column in columns]

    return chart.Track(
        name="whole stack",
        seconds=monitor.tick_times if tracks else [],
        cpu_cores=sums("cpu_cores"),
        working_bytes=sums("working_bytes"),
        raw_bytes=sums("raw_bytes"),
        throttled=[any(column) for column in zip(*(one.throttled for one in tracks))],
        cpu_limit_cores=_sum_or_none(one.cpu_limit_cores for one in tracks),
        memory_limit_bytes=_sum_or_none(one.memory_limit_bytes for one in tracks),
        cpu_s=sum(one.cpu_s for one in tracks),
    )


def mib(value):
    return "-" if value is None else f"{value / MIB:,.1f}"


def number(value, form):
    return "none" if value is None else format(value, form)


def table(summary):
    heads = ("container", "CPU s", "max cores", "limit", "throttled", "thr. s", "working MiB", "raw MiB",
             "peak raw", "limit MiB")
    lines = [f"{heads[0]:<16}" + "".join(f"{head:>12}" for head in heads[1:])]
    stack = {**summary["stack"], "memory_peak_raw_bytes": summary["stack"]["memory_sum_of_peaks_raw_bytes"]}
    for name, row in [*summary["containers"].items(), ("whole stack", stack)]:
        cells = (
            f"{row['cpu_s']:.2f}", number(row["cpu_max_cores"], ".2f"), number(row["cpu_limit_cores"], ".3g"),
            row["throttled_periods"], f"{row['throttled_s']:.2f}", mib(row["memory_max_working_bytes"]),
            mib(row["memory_max_raw_bytes"]), mib(row["memory_peak_raw_bytes"]), mib(row["memory_limit_bytes"]),
        )  # fmt: skip
        lines.append(f"{name:<16}" + "".join(f"{cell:>12}" for cell in cells))
    lines.append(
        f"\n{summary['seconds']:.0f} s, {summary['samples']} samples, cgroup v{summary['cgroup_version']}. The last row's"
        " working and raw memory are the largest sums at one second."
    )
    if summary["not_seen"]:
        lines.append(f"never seen: {', '.join(summary['not_seen'])}")
    return "\n".join(lines) + "\n"


def write_results(monitor):
    summary = summarize(monitor)
    text = table(summary)
    tracks = [stack_track(monitor), *(track(w, monitor.tick_times) for _, w in _in_order(monitor))]
    subtitle = f"{summary['started_at']}, {summary['seconds']:.0f} s, sampled from the cgroups once a second"
    picture = chart.render("CPU and memory during the stress test", subtitle, tracks)
    for name, content in (
        ("summary.json", json.dumps(summary, indent=2) + "\n"),
        ("summary.txt", text),
        ("monitor.svg", picture),
    ):
        with open(os.path.join(monitor.out, name), "w", encoding="utf-8") as file:
            file.write(content)
    return text


def check_limits(engine, names):
    """Prints what holds and returns whether all is well."""
    faults = []
    found = containers.running(engine, names)
    cpu, memory = [], []
    print(f"{'container':<16}{'CPU limit':>12}{'configured':>12}{'memory MiB':>12}{'configured':>12}")
    for container in found:
        try:
            limits = cgroup.Cgroups(container.pid, container.id).limits()
        except (cgroup.CgroupError, OSError) as error:
            faults.append(f"{container.name}: {error}")
            limits = cgroup.Limits(None, None)
        cpu.append(limits.cpu_cores)
        memory.append(limits.memory_bytes)
        print(
            f"{container.name:<16}{number(limits.cpu_cores, '.3g'):>12}"
            f"{number(container.configured_cpu_cores, '.3g'):>12}{mib(limits.memory_bytes):>12}"
            f"{mib(container.configured_memory_bytes):>12}"
        )
        faults += _limit_faults(container, limits)
    missing = [name for name in names if name not in {container.name for container in found}]
    faults += [f"{name}: is not running" for name in missing]
    faults += _budget_faults(_sum_or_none(cpu), _sum_or_none(memory))
    for fault in faults:
        print(f"  ! {fault}")
    return not faults


def _limit_faults(container, limits):
    if limits.cpu_cores is None:
        yield f"{container.name}: no CPU limit holds"
    elif container.configured_cpu_cores and limits.cpu_cores > container.configured_cpu_cores * 1.01:
        yield f"{container.name}: the CPU limit that holds is not the one that is configured"
    if limits.memory_bytes is None:
        yield f"{container.name}: no memory limit holds"
    elif container.configured_memory_bytes and limits.memory_bytes > container.configured_memory_bytes * 1.01:
        yield f"{container.name}: the memory limit that holds is not the one that is configured"


def _budget_faults(cpu_cores, memory_bytes):
    # 1.5 is no sum of rounded quotas, so a hair above it is still within.
    if cpu_cores is not None and cpu_cores > BUDGET_CPU_CORES * 1.001:
        yield f"the CPU limits sum to {cpu_cores:.3f}, the contest allows {BUDGET_CPU_CORES}"
    if memory_bytes is not None and memory_bytes > BUDGET_MEMORY_BYTES:
        yield f"the memory limits sum to {mib(memory_bytes)} MiB, the contest allows {mib(BUDGET_MEMORY_BYTES)}"


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--out", metavar="DIR")
    action.add_argument("--check-limits", action="store_true")
    parser.add_argument("--containers", default=",".join(containers.STACK), metavar="A,B,…")
    parser.add_argument("--seconds", type=float, default=MAX_SECONDS, help="stop after this time; default %(default)s")
    args = parser.parse_args(argv)
    names = [name for name in args.containers.split(",") if name]

    # Set before the engine is asked: a stop that comes at once must still end in a summary.
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())

    try:
        engine = containers.find_engine(names)
        if engine is None:
            print(f"monitor.py: none of {', '.join(names)} is running", file=sys.stderr)
            return 2
        if args.check_limits:
            return 0 if check_limits(engine, names) else 1
    except containers.EngineError as error:
        print(f"monitor.py: {error}", file=sys.stderr)
        return 2
    os.makedirs(args.out, exist_ok=True)
    monitor = Monitor(engine, names, args.out)
    monitor.run(stop, min(args.seconds, MAX_SECONDS))
    print(write_results(monitor), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
