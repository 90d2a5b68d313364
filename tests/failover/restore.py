"""Loses all nodes of a cluster of deploy/ha that is up, and restores a moment before: see tests/restore.sh.

  restore.py NAME NET
"""

import datetime
import json
import os
import shutil
import sys
import time
import urllib.request

import judge
from cluster import NODES, Cluster, wait_for
from load import Load

REPLICAS = ("a", "b")
RATE = 40
# Acknowledged people through each replica before the next step.
SOME = 120


def until_some_more(load):
    now = time.time()
    for it in REPLICAS:
        wait_for(f"{it} serves", 60, lambda it=it: load.failed or load.acknowledged_since(it, now) >= SOME)


def archived_up_to_now(cluster):
    """Ends the file of the log that is written, and waits until it is in the archive."""
    [[name]] = cluster.query("SELECT pg_walfile_name(pg_switch_wal())")

    def is_archived():
        [[last]] = cluster.query("SELECT last_archived_wal FROM pg_stat_archiver")
        return last >= name

    wait_for(f"{name} is archived", 60, is_archived)


def lose_all(cluster):
    for node in NODES:
        cluster.podman("kill", "--signal", "KILL", f"{cluster.name}-{node}")
    for node in NODES:
        folder = volume(cluster, node)
        for it in os.scandir(folder):
            shutil.rmtree(it.path) if it.is_dir() else os.remove(it.path)


def volume(cluster, name):
    return cluster.podman("volume", "inspect", "--format", "{{.Mountpoint}}", f"{cluster.name}-{name}").strip()


def restore(cluster, moment):
    text = datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat(sep=" ", timespec="microseconds")
    wish = os.path.join(volume(cluster, "backups"), "restore-to")
    with open(wish, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    os.chmod(wish, 0o644)
    for node in NODES:
        cluster.podman("start", f"{cluster.name}-{node}")
    cluster.wait_until_whole()
    return text


def histories(cluster, replica):
    with urllib.request.urlopen(f"http://{cluster.address(replica)}:9998/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(it.split()[1]) for it in lines if it.startswith("pouco_database_histories_total"))


def is_ready(cluster, replica):
    with urllib.request.urlopen(f"http://{cluster.address(replica)}:9998/readyz", timeout=5) as answer:
        return answer.status == 200


def between(attempts, moment):
    """Those whose answer had come by then; those that were sent later."""
    by_then = [it for it in attempts if it.status == 201 and it.ended <= moment]
    return by_then, [it for it in attempts if it.sent > moment]


def main():
    cluster = Cluster(*sys.argv[1:])
    cluster.wait_until_whole()
    replicas = {it: (cluster.address(it), 9999) for it in REPLICAS}
    admins = {it: (cluster.address(it), 9998) for it in REPLICAS}
    load = Load(replicas, admins, f"r{os.getpid():x}", RATE)
    load.start()
    until_some_more(load)
    standby = next(it["Member"] for it in cluster.members() if it["Role"] != "Leader")
    print("base backup on", standby + ":", cluster.run_in(standby, "base-backup", "--keep", "2", seconds=120).strip())
    until_some_more(load)
    moment = time.time()
    until_some_more(load)
    load.stop(60)
    archived_up_to_now(cluster)
    before = {it: histories(cluster, it) for it in REPLICAS}
    lose_all(cluster)
    began = time.monotonic()
    print("restored to", restore(cluster, moment), f"within {time.monotonic() - began:.0f} s")
    for it in REPLICAS:
        wait_for(f"{it} has read anew", 60, lambda it=it: histories(cluster, it) > before[it])
        wait_for(f"{it} is ready", 60, lambda it=it: is_ready(cluster, it))

    people, later = between(load.people, moment)
    orders, later_orders = between(load.orders, moment)
    rows = cluster.query("SELECT id, apelido FROM people")
    lines = cluster.query("SELECT order_id, product_id, quantity FROM inventory.order_lines")
    nicks, numbers = {row[1] for row in rows}, {int(row[0]) for row in lines}
    # The judge asks for what it takes as acknowledged; what was under way at the moment may be there or not.
    load.people = [it for it in load.people if it.sent <= moment and (it.ended <= moment or it.nick in nicks)]
    load.orders = [it for it in load.orders if it.status == 201 and it.sent <= moment
                   and (it.ended <= moment or it.id in numbers)]
    load.reads = []
    verdict = judge.judge(load, cluster, replicas, unknown=[it.nick for it in later])
    verdict.hold("a person of later", (it for it in later if it.nick in nicks))
    verdict.hold("an order of later", (it for it in later_orders if it.id in numbers))
    print(json.dumps({"people": len(people), "later": len(later), "rows": len(rows), "orders": len(orders),
                      "later_orders": len(later_orders), "order_rows": len(lines), "rules": verdict.counts}, indent=1))
    for line in verdict.broken:
        print(f"BROKEN  {line}")
    return 1 if verdict.broken or not people or not later else 0


if __name__ == "__main__":
    sys.exit(main())
