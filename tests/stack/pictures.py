#!/usr/bin/env python3
"""Draws a dashboard without Grafana: a page of its panels in their places, from the same queries, and with
--png a picture of it by Chromium. Exit code 1 with the reasons if a panel has nothing to show. A panel whose
queries ONLY (see prometheus.py) leaves out is drawn without any.

  pictures.py FILE.json --prometheus URL [--influx URL] --minutes N --html PAGE [--png PICTURE]
"""

import argparse
import html
import itertools
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import influx
import prometheus

# Pixels of one of Grafana's 24 columns and of one of its rows.
COLUMN, ROW, GAP = 50, 34, 8
# So many lines of a panel, those with the largest values, are drawn and have a name below it.
NAMED = 6
COLOURS = ["#1f6fb4", "#d9652b", "#2a9a5c", "#a13ca8", "#b8860b", "#0f8f9e"]
PREFIXES = [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "µ")]
UNITS = {"s": "s", "ms": "ms", "bytes": "B", "Bps": "B/s", "reqps": "/s", "ops": "/s", "none": ""}
STYLE = """
body { margin: 0; font: 12px sans-serif; color: #222; background: #f3f4f6; position: relative }
section { position: absolute; box-sizing: border-box; background: #fff; padding: 4px 8px }
section { border: 1px solid #d5d8de }
h2 { font-size: 12px; margin: 0 0 2px; white-space: nowrap; overflow: hidden }
p { margin: 0; font-size: 10px; line-height: 13px; height: 26px; overflow: hidden }
b { font-size: 20px; font-weight: 600 } i { font-style: normal; margin-right: 8px }
/* Few colours make a small picture. */
svg { font-size: 9px; fill: #555; shape-rendering: crispEdges }
"""


def legend(template, labels, fallback):
    if not template:
        return fallback
    text = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda it: labels.get(it[1], ""), template)
    return re.sub(r"\$tag_(\w+)", lambda it: labels.get(it[1], ""), text)


def lines_of(target, query, options):
    """A name and its points of time in seconds and value, for each series of the answer."""
    if influx.of_influx(target):
        for series in influx.ask(options.influx, query.replace("now() - 15m", f"now() - {options.minutes}m")):
            points = [(at / 1000, value) for at, value, *_ in series["values"] if value is not None]
            yield legend(target.get("alias"), series.get("tags", {}), target["refId"]), points
        return
    end = time.time()
    span = {"start": end - options.minutes * 60, "end": end, "step": max(1, options.minutes * 60 // 200)}
    for series in prometheus.ask(options.prometheus, "query_range", query=query, **span)["result"]:
        points = [(at, float(value)) for at, value in series["values"]]
        labels = series["metric"]
        name = legend(target.get("legendFormat"), labels, " ".join(labels.values()) or target["refId"])
        yield name, [point for point in points if math.isfinite(point[1])]


def told(value, unit):
    """With three digits, and the unit."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "ms":
        return f"{value:.0f} ms" if value >= 100 else f"{value:.3g} ms"
    size, prefix = next((it for it in PREFIXES if abs(value) >= it[0]), (1, ""))
    if unit in ("none", "s") and size > 1:
        return f"{value:,.0f} {UNITS[unit]}".strip()
    return f"{value / size:.3g} {prefix}{UNITS.get(unit, unit)}".strip()


def curves(lines, unit, width, height):
    points = [point for _, line in lines for point in line]
    begin, end = min(at for at, _ in points), max(at for at, _ in points)
    top = max(max(value for _, value in points), 0) or 1
    low = min(min(value for _, value in points), 0)
    across = lambda at: 48 + (width - 52) * (at - begin) / ((end - begin) or 1)
    down = lambda value: height - 14 - (height - 22) * (value - low) / (top - low)
    drawn = [f'<svg width="{width}" height="{height}">']
    for value in (low, (low + top) / 2, top):
        drawn.append(f'<path d="M48 {down(value):.1f}H{width - 4}" stroke="#e3e5e9"/>')
        drawn.append(f'<text x="44" y="{down(value) + 3:.1f}" text-anchor="end">{told(value, unit)}</text>')
    for at, anchor in ((begin, "start"), (end, "end")):
        said = time.strftime("%H:%M:%S", time.gmtime(at))
        drawn.append(f'<text x="{across(at):.1f}" y="{height - 2}" text-anchor="{anchor}">{said}</text>')
    for (_, line), colour in zip(lines, COLOURS):
        # Where several points are missing the line is, too.
        usual = sorted(after[0] - before[0] for before, after in itertools.pairwise(line))
        longest = 4 * usual[len(usual) // 2] if usual else 0
        path, before = "", -math.inf
        for at, value in line:
            path += f"{'M' if at - before > longest else 'L'}{across(at):.1f} {down(value):.1f}h.1"
            before = at
        drawn.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
    return "".join([*drawn, "</svg>"])


def names(lines, value=lambda line: ""):
    parts = []
    for (name, line), colour in zip(lines, COLOURS):
        parts.append(f'<i style="color:{colour}">{html.escape(name)}{value(line)}</i>')
    return "".join(parts)


def panel(it, lines):
    place = it["gridPos"]
    width, height = place["w"] * COLUMN - GAP, place["h"] * ROW - GAP
    unit = it["fieldConfig"]["defaults"].get("unit", "none")
    if not lines:
        inside = "<p>nothing to show</p>"
    elif it["type"] == "stat":
        inside = "<br>" + names(lines, lambda line: f" <b>{told(line[-1][1], unit)}</b>")
    else:
        rest = f"and {len(lines) - NAMED} that are smaller" if len(lines) > NAMED else ""
        lines = lines[:NAMED]
        inside = curves(lines, unit, width - 18, height - 52) + f"<p>{names(lines)}{rest}</p>"
    left, top = place["x"] * COLUMN + GAP, place["y"] * ROW + GAP
    style = f"left:{left}px;top:{top}px;width:{width}px;height:{height}px"
    return f'<section style="{style}"><h2>{html.escape(it["title"])}</h2>{inside}</section>'


def page(options):
    """The page, its height in pixels, and the panels that have nothing to show."""
    with open(options.dashboard, encoding="utf-8") as text:
        dashboard = json.load(text)
    asked = [query for module in (prometheus, influx) for query in module.queries(options.dashboard)]
    sections, empty, below = [], [], 0
    for it in dashboard["panels"]:
        of_it = [(target, query) for place, query, target in asked if place == it["title"]]
        lines = [line for pair in of_it for line in lines_of(*pair, options) if line[1]]
        if len(lines) > NAMED:
            lines.sort(key=lambda line: -max(value for _, value in line[1]))
        if of_it and not lines:
            empty.append(f"{dashboard['title']}: {it['title']}: nothing to show")
        sections.append(panel(it, lines))
        below = max(below, (it["gridPos"]["y"] + it["gridPos"]["h"]) * ROW + GAP)
    title = html.escape(dashboard["title"])
    head = f"<!doctype html><meta charset=utf-8><title>{title}</title><style>{STYLE}</style>"
    return head + "".join(sections), below, empty


def photograph(options, height):
    browser = os.environ.get("CHROMIUM", "chromium")
    with tempfile.TemporaryDirectory() as profile:
        size = f"--window-size={24 * COLUMN + GAP},{height}"
        place = pathlib.Path(options.html).resolve().as_uri()
        command = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"]
        command += [f"--user-data-dir={profile}", size, f"--screenshot={options.png}", place]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0 or not os.path.exists(options.png):
        sys.exit(f"{browser}: {done.stderr[-400:]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dashboard")
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--influx")
    parser.add_argument("--minutes", type=int, required=True)
    parser.add_argument("--html", required=True)
    parser.add_argument("--png")
    options = parser.parse_args()
    text, height, empty = page(options)
    with open(options.html, "w", encoding="utf-8") as out:
        out.write(text)
    if options.png:
        photograph(options, height)
    if empty:
        sys.exit("\n".join(empty))


if __name__ == "__main__":
    main()
