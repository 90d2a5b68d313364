#!/usr/bin/env python3
"""Asks a running InfluxDB what the tests of the inventory's stack want to know. Exit code 1 with the reasons
if it is not so in time.

  influx.py URL dashboard FILE.json          every query of it to InfluxDB has an answer that is not empty
  influx.py URL value QUERY                  the first value of the answer
  influx.py URL samples APPLICATION NUMBER   JMeter has told of so many samples of it, and of no more
"""

import json
import os
import sys
import time
import urllib.error
import urllib.parse

from prometheus import DIRECT, PAUSE_S

PATIENCE_S = float(os.environ.get("PATIENCE_S", "40"))
# What Grafana would put in. The longer names first: one begins like the other.
GRAFANA = {"$timeFilter": "time > now() - 15m", "$__interval_ms": "10000", "$__interval": "10s"}


def ask(base, query):
    """The series of an answer."""
    parameters = urllib.parse.urlencode({"db": "jmeter", "q": query, "epoch": "ms"})
    try:
        with DIRECT.open(f"{base}/query?{parameters}", timeout=10) as answer:
            result = json.load(answer)["results"][0]
    except urllib.error.HTTPError as error:
        raise ValueError(error.read().decode(errors="replace")) from error
    if "error" in result:
        raise ValueError(result["error"])
    return result.get("series", [])


def of_influx(thing):
    return (thing.get("datasource") or {}).get("type") == "influxdb"


def queries(file):
    """As in prometheus.py."""
    with open(file, encoding="utf-8") as text:
        dashboard = json.load(text)
    variables = [it for it in dashboard["templating"]["list"] if of_influx(it)]
    found = [(f"variable {it['name']}", it["query"], None) for it in variables]
    for panel in dashboard["panels"]:
        found += [(panel["title"], it["query"], it) for it in panel["targets"] if of_influx(it)]
    for place, query, target in found:
        for name, value in [*GRAFANA.items(), *(("$" + it["name"], it["allValue"]) for it in variables)]:
            query = query.replace(name, value)
        # What is left is the end of a regular expression.
        if "$" in query.replace("$/", ""):
            raise ValueError(f"{place}: a variable without a value: {query}")
        yield place, query, target


def dashboard(base, file):
    wrong = []
    asked = list(queries(file))
    if not asked:
        wrong.append(f"{file}: no query to InfluxDB")
    for place, query, _ in asked:
        try:
            rows = [row for series in ask(base, query) for row in series["values"]]
            if all(value is None for row in rows for value in row[1:]):
                wrong.append(f"{place}: empty: {query}")
        except ValueError as error:
            wrong.append(f"{place}: {error}: {query}")
    return wrong


def samples(base, application, number):
    where = f"\"application\" = '{application}' AND \"transaction\""
    by_name = f"SELECT sum(\"count\") FROM jmeter WHERE {where} !~ /^(all|internal)$/ AND \"statut\" = 'all'"
    wrong = []
    for query in (f"SELECT sum(\"count\") FROM jmeter WHERE {where} = 'all'", by_name):
        series = ask(base, query)
        told = series[0]["values"][0][1] if series else 0
        if told != int(number):
            wrong.append(f"{application}: {told} samples, not {number}: {query}")
    return wrong


def main():
    base, what, *arguments = sys.argv[1:]
    if what == "value":
        series = ask(base, arguments[0])
        if not series:
            sys.exit("empty")
        print(series[0]["values"][0][1])
        return
    question = {"dashboard": dashboard, "samples": samples}[what]
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            wrong = question(base, *arguments)
        except OSError as error:
            wrong = [f"{base}: {error}"]
        if not wrong:
            return
        if time.monotonic() >= deadline:
            sys.exit("\n".join(wrong))
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
