#!/usr/bin/env python3
"""One table over several archived runs.

usage: summarize.py DIR

DIR holds run-1, run-2, … as archive-run.sh wrote them. Writes DIR/summary.json and
DIR/summary.txt, prints the table, and exits with 1 if in any run a count differs, a request
failed or the limits did not hold.
"""

import json
import os
import re
import sys

MIB = 2**20


def load(directory, name):
    try:
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def runs(directory):
    """The names run-1, run-2, … in the order of their numbers."""
    names = [name for name in os.listdir(directory) if re.fullmatch(r"run-[0-9]+", name)]
    return sorted(names, key=lambda name: int(name.split("-")[1]))


def faults(counts, requests, run):
    if not counts:
        yield "no counts"
    elif not counts.get("equal"):
        yield "counts differ"
    if not requests:
        yield "no requests"
    elif requests["all requests"]["ko"]:
        yield f"{requests['all requests']['ko']} requests failed"
    if run.get("limits_hold") is False:
        yield "limits do not hold"


def row(directory):
    run, counts = load(directory, "run.json"), load(directory, "counts.json")
    requests = load(directory, "percentiles.json").get("requests", {})
    resources = load(directory, "resources.json")
    stack = resources.get("stack", {})
    working = stack.get("memory_max_working_bytes")
    peak = stack.get("memory_sum_of_peaks_raw_bytes")
    return {
        "api": counts.get("api"),
        "database": counts.get("database"),
        "oracle": counts.get("oracle_high"),
        "ko": requests.get("all requests", {}).get("ko"),
        "cpu_s": stack.get("cpu_s"),
        "cpu_s_by_container": {name: c["cpu_s"] for name, c in resources.get("containers", {}).items()},
        "throttled_periods": stack.get("throttled_periods"),
        "memory_max_working_mib": None if working is None else round(working / MIB, 1),
        "memory_sum_of_peaks_raw_mib": None if peak is None else round(peak / MIB, 1),
        "creation_ms": times(requests.get("creation")),
        "all_requests_ms": times(requests.get("all requests")),
        "generator_cpu_s": run.get("generator_cpu_s"),
        "faults": list(faults(counts, requests, run)),
    }


def times(values):
    return None if not values else [values[key] for key in ("p50_ms", "p99_ms", "max_ms")]


def table(rows):
    heads = ("run", "API", "database", "oracle", "KO", "CPU s", "throttled", "working MiB", "raw peak MiB",
             "creation p50/p99/max ms", "all p50/p99/max ms")
    widths = (7, 8, 9, 8, 6, 8, 10, 12, 13, 24, 20)
    lines = ["".join(f"{head:>{width}}" for head, width in zip(heads, widths))]
    for name, values in rows.items():
        cells = [name, *(values[key] for key in (
            "api", "database", "oracle", "ko", "cpu_s", "throttled_periods", "memory_max_working_mib",
            "memory_sum_of_peaks_raw_mib")),
            *("/".join(map(str, values[key] or ["-"])) for key in ("creation_ms", "all_requests_ms"))]
        lines.append("".join(f"{'-' if cell is None else cell:>{width}}" for cell, width in zip(cells, widths)))
    for name, values in rows.items():
        if values["cpu_s_by_container"]:
            shares = ", ".join(f"{c} {s:.2f}" for c, s in values["cpu_s_by_container"].items())
            lines.append(f"{name}: CPU s: {shares}; load generator {values['generator_cpu_s']}")
    for name, values in rows.items():
        lines += [f"FAULT in {name}: {fault}" for fault in values["faults"]]
    return "\n".join(lines) + "\n"


def main(argv):
    if len(argv) != 1 or argv[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    directory = argv[0]
    rows = {name: row(os.path.join(directory, name)) for name in runs(directory)}
    if not rows:
        print(f"summarize.py: no run-1, run-2, … in {directory}", file=sys.stderr)
        return 2
    text = table(rows)
    for name, content in (("summary.json", json.dumps(rows, indent=2) + "\n"), ("summary.txt", text)):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(content)
    print(text, end="")
    return 1 if any(values["faults"] for values in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
