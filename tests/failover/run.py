"""Runs faults against a cluster of deploy/ha that is up, under load, and tells what each came to.

  run.py NAME NET OUT STRICT RATE FAULT…

The exit code is 1 if a promise is broken, and with STRICT=yes also if a time is over its target. OUT is a
folder for faults.txt and faults.json, or `-`.
"""

import collections
import json
import os
import resource
import subprocess
import sys
import threading
import time

import judge
from cluster import NODES, Cluster, wait_for
from faults import FAULTS
from load import Load

# `a` is behind HAProxy, `b` has all hosts in its URL.
REPLICAS = ("a", "b")
# HAProxy's inter times rise, and a second.
BALANCER_S = 1 * 2 + 1
# What is asked: seconds without a 201, and seconds from the first commit that is possible again to the first
# 201.
TARGETS = {"postmaster": 9, "node": 26, "switchover": 3, "handover": 3}
FIRST_201 = {"a": BALANCER_S, "b": 1}
# ... where a listed host accepts and stays silent.
FIRST_201_SILENT = {"a": BALANCER_S, "b": 6}
SILENT = ("frozen",)
# Acknowledged creations by which a replica counts as serving.
SERVING = 60


class Watch:
    """watch.py in a container of its own, whose lines are collected."""

    def __init__(self, cluster, password):
        self.container, self.cluster, self.events = f"{cluster.name}-watch", cluster, []
        hosts = [word for node in NODES for word in ("--add-host", f"{node}:{cluster.address(node)}")]
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "watch.py")
        command = ["podman", "run", "--rm", "--interactive", "--name", self.container, "--network", cluster.name, *hosts,
                   "--env", f"PGPASSWORD={password}", "--ulimit", "nofile=2000:2000", "--ulimit", "nproc=4096:4096",
                   "--entrypoint", "python3", "pouco-ha", "-u", "-", *NODES]
        with open(source, encoding="utf-8") as file:
            self.process = subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def first(self, state, since):
        return next((it["at"] for it in list(self.events) if it["state"] == state and it["at"] > since), None)

    def close(self):
        subprocess.run(["podman", "rm", "--force", "--time", "0", self.container], capture_output=True, check=False)


def longest_gap(load, replica, since):
    """The longest time without a 201 that ended after the moment: how long, and when it ended."""
    ended = sorted(it.ended for it in load.people if it.status == 201 and it.replica == replica)
    pairs = [(after - before, after) for before, after in zip(ended, ended[1:]) if after > since]
    return max(pairs, default=(float("inf"), float("inf")))


def run_fault(name, cluster, watch, number, rate):
    cluster.wait_until_whole()
    replicas = {it: (cluster.address(it), 9999) for it in REPLICAS}
    admins = {it: (cluster.address(it), 9998) for it in REPLICAS}
    load = Load(replicas, admins, f"{number}{os.getpid():x}{name[:4]}", rate)
    load.start()

    def serving():
        now = time.time()
        for it in REPLICAS:
            wait_for(f"{it} serves", 120, lambda it=it: load.failed or load.acknowledged_since(it, now) >= SERVING)

    serving()
    leader = cluster.leader()
    began = time.time()
    with FAULTS[name](cluster, leader, serving):
        pass
    healed = time.time()
    serving()
    cluster.wait_until_whole()
    load.stop(120)
    verdict = judge.judge(load, cluster, replicas)
    return result(name, load, watch, verdict, began, healed)


def result(name, load, watch, verdict, began, healed):
    writable, primary = watch.first("writable", began), watch.first("primary", began)
    answers = collections.Counter((it.replica, it.status) for it in load.people)
    found = {
        "fault": name, "seconds": round(healed - began, 1), "rate": load.rate,
        "promoted_s": primary and round(primary - began, 2), "writable_s": writable and round(writable - began, 2),
        "rows": verdict.rows, "unheard": verdict.unheard, "orders": verdict.stored_orders, "skipped": load.skipped,
        "acknowledged": sum(it.status == 201 for it in load.people),
        "answers": {f"{replica} {status}": times for (replica, status), times in sorted(answers.items())},
        "rules": verdict.counts, "broken": verdict.broken, "over": [],
        "reads": dict(collections.Counter(str(it[2]) for it in load.reads)),
        "ready": [(round(at - began, 1), replica, status, text) for at, replica, status, text in load.ready],
    }
    firsts = FIRST_201_SILENT if name in SILENT else FIRST_201
    for it in REPLICAS:
        gap, ended = longest_gap(load, it, began)
        found[f"without_201_s_{it}"] = round(gap, 2)
        after = None if writable is None or gap < 0.5 else round(max(0.0, ended - writable), 2)
        found[f"first_201_s_{it}"] = after
        if gap > TARGETS.get(name, float("inf")):
            found["over"].append(f"{it}: {gap:.1f} s without a 201, {TARGETS[name]} are asked")
        if after is not None and after > firsts[it]:
            found["over"].append(f"{it}: {after:.1f} s until the first 201, {firsts[it]} are asked")
    return found


COLUMNS = (
    ("fault", "fault"), ("promoted", "promoted_s"), ("writable", "writable_s"),
    ("a: without", "without_201_s_a"), ("b: without", "without_201_s_b"),
    ("a: first", "first_201_s_a"), ("b: first", "first_201_s_b"),
    ("201s", "acknowledged"), ("rows", "rows"), ("orders", "orders"),
)


def table(results):
    def text(value):
        return "-" if value is None else str(value)

    rows = [[title for title, _ in COLUMNS] + ["broken"]]
    rows += [[text(it[key]) for _, key in COLUMNS] + [str(len(it["broken"]))] for it in results]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows)


def main():
    name, net, out, strict, rate, *names = sys.argv[1:]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cluster = Cluster(name, net)
    watch = Watch(cluster, os.environ["POUCO_HA_PASSWORD"])
    results = []
    try:
        for number, fault in enumerate(names):
            print(f"--- {fault}: {FAULTS[fault].__doc__.splitlines()[0]}", flush=True)
            results.append(run_fault(fault, cluster, watch, number, int(rate)))
            for line in results[-1]["broken"]:
                print(f"BROKEN  {line}")
            for line in results[-1]["over"]:
                print(f"OVER    {line}")
            for at, replica, status, why in results[-1]["ready"]:
                print(f"        {at:6.1f} s  {replica} /readyz {status} {why.replace(chr(10), '; ')[:80]}")
    finally:
        watch.close()
        text = table(results)
        print(text)
        if out != "-":
            os.makedirs(out, exist_ok=True)
            with open(os.path.join(out, "faults.txt"), "w", encoding="utf-8") as file:
                file.write(text + "\n")
            with open(os.path.join(out, "faults.json"), "w", encoding="utf-8") as file:
                json.dump(results, file, indent=1)
    broken = any(it["broken"] for it in results)
    over = any(it["over"] for it in results)
    return 1 if broken or (over and strict == "yes") else 0


if __name__ == "__main__":
    sys.exit(main())
