"""What is done to the cluster. Each fault does it when it is entered, and takes it back when it is left.

`serving` waits until both replicas acknowledge again.
"""

import contextlib
import os
import time

from cluster import NODES

FROZEN_S = 40
CUT_S = 45
WITHOUT_ETCD_S = 40
LEADERLESS_S = float(os.environ.get("LEADERLESS_S", "60"))


def _others(node):
    return [it for it in NODES if it != node]


@contextlib.contextmanager
def postmaster(cluster, leader, _serving):
    """SIGKILL of the primary's postmaster."""
    cluster.kill_postmaster(leader)
    yield


@contextlib.contextmanager
def node(cluster, leader, serving):
    """SIGKILL of all of the primary's node; it stays away until the replicas serve without it."""
    container = f"{cluster.name}-{leader}"
    cluster.podman("kill", "--signal", "KILL", container)
    serving()
    yield
    cluster.podman("start", container)


@contextlib.contextmanager
def frozen(cluster, leader, _serving):
    """The primary's node stands still, and is there again: its kernel acknowledges all the while."""
    container = f"{cluster.name}-{leader}"
    cluster.podman("pause", container)
    time.sleep(FROZEN_S)
    yield
    cluster.podman("unpause", container)


@contextlib.contextmanager
def cut(cluster, leader, _serving):
    """Nobody reaches the primary's node, and it reaches nobody."""
    cluster.cut(leader)
    time.sleep(CUT_S)
    yield
    cluster.mend(leader)


@contextlib.contextmanager
def peers(cluster, leader, _serving):
    """The other nodes do not reach the primary's; the replicas still do."""
    cluster.cut(leader, _others(leader))
    time.sleep(CUT_S)
    yield
    cluster.mend(leader)


@contextlib.contextmanager
def switchover(cluster, leader, _serving):
    """The lead is handed to the synchronous standby, as for an upgrade."""
    candidate = next(it["Member"] for it in cluster.members() if it["Role"] == "Sync Standby")
    words = ("switchover", "--leader", leader, "--candidate", candidate, "--force")
    cluster.run_in(leader, "patronictl", *words, seconds=60)
    yield


@contextlib.contextmanager
def handover(cluster, leader, serving):
    """The primary's node is stopped in order, as for an upgrade of it, and hands the lead over by itself."""
    container = f"{cluster.name}-{leader}"
    cluster.podman("stop", "--time", "60", container, seconds=90)
    serving()
    yield
    cluster.podman("start", container)


@contextlib.contextmanager
def etcd(cluster, leader, _serving):
    """Two of three etcd stand still. Patroni's nodes still reach each other, so the primary goes on."""
    stopped = [leader, _others(leader)[0]]
    for it in stopped:
        cluster.signal(it, "STOP", "etcd")
    time.sleep(WITHOUT_ETCD_S)
    yield
    for it in stopped:
        cluster.signal(it, "CONT", "etcd")


@contextlib.contextmanager
def leaderless(cluster, leader, _serving):
    """Two of three etcd stand still, and so does a standby: nobody may lead until that is over."""
    away, witness = _others(leader)
    for it in (leader, witness):
        cluster.signal(it, "STOP", "etcd")
    cluster.podman("pause", f"{cluster.name}-{away}")
    time.sleep(LEADERLESS_S)
    yield
    cluster.podman("unpause", f"{cluster.name}-{away}")
    for it in (leader, witness):
        cluster.signal(it, "CONT", "etcd")


FAULTS = {it.__name__: it for it in (postmaster, node, frozen, cut, peers, switchover, handover, etcd, leaderless)}
