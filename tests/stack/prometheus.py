#!/usr/bin/env python3
"""Asks a running Prometheus what the observability tests want to know.
Exit code 1 with the reasons if it is not so in time.

  prometheus.py URL targets NUMBER [JOB]       so many targets, and every one of them is up; or those of a job
  prometheus.py URL dashboard FILE.json        every query of the dashboard has an answer that is not empty
  prometheus.py URL parse FILE.json            every query is one that Prometheus understands
  prometheus.py URL rules ALERTS.yml           all rules are loaded and evaluated, on metrics that exist
  prometheus.py URL value QUERY                the first value of the answer

ONLY in the environment is a pattern: of a dashboard, the queries that have it somewhere.
"""

import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PATIENCE_S = float(os.environ.get("PATIENCE_S", "40"))
PAUSE_S = 0.5
# What Grafana would put in: four scrapes of a second each, and all that a variable has.
WINDOW = os.environ.get("WINDOW", "6s")
# It is this machine's, whatever proxy the environment names.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(base, path, **parameters):
    query = urllib.parse.urlencode(parameters)
    try:
        with DIRECT.open(f"{base}/api/v1/{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error).get("error", str(error))) from error


def of_prometheus(thing):
    """A dashboard may ask others, too."""
    return thing["datasource"]["type"] == "prometheus"


def queries(file):
    """Place, query with every variable put in, and what of the panel it is; none for a variable."""
    with open(file, encoding="utf-8") as text:
        dashboard = json.load(text)
    variables = [it for it in dashboard["templating"]["list"] if of_prometheus(it)]
    found = []
    for variable in variables:
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
        found.append((f"variable {variable['name']}", f'count by ({label}) ({metric}{{{label}!=""}})', None))
    for panel in dashboard["panels"]:
        for target in filter(of_prometheus, panel["targets"]):
            query = target["expr"].replace("$__rate_interval", WINDOW)
            for variable in variables:
                query = query.replace("$" + variable["name"], variable["allValue"])
            if "$" in query:
                raise ValueError(f"{panel['title']}: a variable without a value: {query}")
            found.append((panel["title"], query, target))
    return [it for it in found if re.search(os.environ.get("ONLY", ""), it[1])]


def names(query):
    """The metrics in a query."""
    begins = "http|pouco|container|nginx|process|app|node|nodejs|python|jmeter|kube"
    return set(re.findall(rf"\b(?:{begins})_\w+", re.sub(r'"[^"]*"', "", query)))


def unknown(base, query):
    return sorted(names(query) - set(ask(base, "label/__name__/values")))


def targets(base, number, job=None):
    active = ask(base, "targets", state="active")["activeTargets"]
    active = [it for it in active if job in (None, it["labels"]["job"])]
    down = [f"{it['scrapeUrl']}: {it['health']} {it['lastError']}" for it in active if it["health"] != "up"]
    return down if len(active) == int(number) else down + [f"{len(active)} targets, not {number}"]


def dashboard(base, file):
    wrong = []
    for place, query, _ in queries(file):
        try:
            # NaN is what a division by nothing gives: as empty as nothing.
            values = [it["value"][1] for it in ask(base, "query", query=query)["result"]]
            if all(value == "NaN" for value in values):
                wrong.append(f"{place}: empty: {query}; unknown to Prometheus: {unknown(base, query)}")
        except ValueError as error:
            wrong.append(f"{place}: {error}: {query}")
    return wrong


def parse(base, file):
    wrong = []
    for place, query, _ in queries(file):
        try:
            ask(base, "query", query=query)
        except ValueError as error:
            wrong.append(f"{place}: {error}: {query}")
    return wrong


def rules(base, file):
    with open(file, encoding="utf-8") as text:
        written = re.findall(r"- alert: (\w+)", text.read())
    loaded = [rule for group in ask(base, "rules")["groups"] for rule in group["rules"]]
    wrong = [] if sorted(written) == sorted(rule["name"] for rule in loaded) else [f"{len(loaded)} of {len(written)} rules"]
    for rule in loaded:
        if rule["health"] != "ok":
            wrong.append(f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}")
        wrong += [f"{rule['name']}: unknown to Prometheus: {name}" for name in unknown(base, rule["query"])]
    return wrong


def main():
    base, what, *arguments = sys.argv[1:]
    if what == "value":
        result = ask(base, "query", query=arguments[0])["result"]
        if not result:
            sys.exit("empty")
        print(result[0]["value"][1])
        return
    question = {"targets": targets, "dashboard": dashboard, "parse": parse, "rules": rules}[what]
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
