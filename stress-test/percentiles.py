#!/usr/bin/env python3
"""Response times of a run per request name, from its simulation.log.

usage: percentiles.py [--json FILE] RUN_DIR|simulation.log

A percentile is the nearest rank: the smallest time that at least that share of the answers kept.
Failed requests are in it, with the time until they failed. Times are whole milliseconds, as
Gatling writes them, measured by the client from before the connect until the last byte.
"""

import argparse
import json
import sys

from stresslib import gatling_log

PERCENTS = (50, 75, 95, 99)
ALL = "all requests"


def nearest_rank(sorted_values, percent):
    rank = -(-len(sorted_values) * percent // 100)  # rounded up, in whole numbers
    return sorted_values[max(rank, 1) - 1]


def row(durations_ms, ko):
    values = sorted(durations_ms)
    result = {"count": len(values), "ko": ko}
    for percent in PERCENTS:
        result[f"p{percent}_ms"] = nearest_rank(values, percent) if values else None
    result["max_ms"] = values[-1] if values else None
    return result


def summarize(log):
    """One row for each request name, the most frequent first, after one for all of them."""
    by_count = sorted(log.requests.items(), key=lambda item: (-len(item[1].durations_ms), item[0]))
    everything = [duration for _, requests in by_count for duration in requests.durations_ms]
    rows = {ALL: row(everything, log.ko)}
    rows.update((name, row(requests.durations_ms, requests.ko)) for name, requests in by_count)
    failures = {
        name: dict(requests.messages.most_common(5)) for name, requests in by_count if requests.ko
    }
    return {"requests": rows, "failures": failures}


def table(summary):
    columns = ("count", "ko", *(f"p{percent}_ms" for percent in PERCENTS), "max_ms")
    lines = [f"{'request':<16}" + "".join(f"{name.replace('_', ' '):>9}" for name in columns)]
    for name, values in summary["requests"].items():
        cells = ("-" if values[column] is None else f"{values[column]:,}" for column in columns)
        lines.append(f"{name:<16}" + "".join(f"{cell:>9}" for cell in cells))
    for name, messages in summary["failures"].items():
        for message, count in messages.items():
            lines.append(f"failed: {name}: {count} times: {message}")
    return "\n".join(lines)


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN_DIR|simulation.log")
    parser.add_argument("--json", metavar="FILE", help="also write JSON; - prints it instead of the table")
    args = parser.parse_args(argv)
    try:
        summary = summarize(gatling_log.read(args.run))
    except (OSError, gatling_log.LogError) as error:
        print(f"percentiles.py: {error}", file=sys.stderr)
        return 2
    text = json.dumps(summary, indent=2) + "\n"
    if args.json == "-":
        sys.stdout.write(text)
        return 0
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            file.write(text)
    print(table(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
