"""The cluster of deploy/ha as it runs: who leads, what is done to its nodes, and what is stored in it."""

import json
import subprocess
import time

NODES = ("n1", "n2", "n3")
ADDRESSES = {"n1": 11, "n2": 12, "n3": 13, "balancer": 20, "a": 31, "b": 32}
DATA = "/var/lib/postgresql/17"


def wait_for(what, seconds, condition):
    """What the condition returns, once that is true. A command that fails counts as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := condition():
                return found
        except (subprocess.SubprocessError, OSError, ValueError):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.2)


class Cluster:
    """Containers are called `name`-n1 and so on, and are at `net`.11 and so on."""

    def __init__(self, name, net):
        self.name, self.net = name, net

    def address(self, part):
        return f"{self.net}.{ADDRESSES[part]}"

    def podman(self, *words, text=None, seconds=60):
        command = ["podman", *words]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=seconds).stdout

    def run_in(self, node, *words, seconds=20):
        return self.podman("exec", f"{self.name}-{node}", *words, seconds=seconds)

    # --- Who is what

    def members(self, asked=NODES):
        """As the first of the asked nodes tells it that can."""
        for node in asked:
            try:
                return json.loads(self.run_in(node, "patronictl", "list", "--format", "json"))
            except (subprocess.SubprocessError, ValueError):
                continue
        raise OSError("no node tells who the members are")

    def leader(self, asked=NODES):
        return next((it["Member"] for it in self.members(asked) if it["Role"] == "Leader"), None)

    def is_whole(self):
        """A leader, and two that stream from it on its timeline, of which one is waited for."""
        members = self.members()
        roles = [it["Role"] for it in members]
        states = sorted(it["State"] for it in members)
        return (
            roles.count("Leader") == 1 and "Sync Standby" in roles
            and states == ["running", "streaming", "streaming"]
            and len({it["TL"] for it in members}) == 1
        )

    def wait_until_whole(self, seconds=240):
        wait_for("a leader and two standbys that stream", seconds, self.is_whole)

    # --- What is stored

    def query(self, sql):
        """Rows as lists of texts, from the primary."""
        leader = wait_for("a leader", 60, self.leader)
        out = self.run_in(
            leader, "psql", "-XAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "pouco", "-c", sql,
            seconds=120,
        )
        return [line.split("\t") for line in out.splitlines()]

    # --- What is done to nodes

    def processes(self, node, name):
        """Numbers of processes, as the container counts them."""
        script = 'for it in /proc/[0-9]*; do read -r name <$it/comm; [ "$name" = "$0" ] && echo "${it#/proc/}"; done; :'
        return self.run_in(node, "bash", "-c", f"{{ {script}; }} 2>/dev/null", name).split()

    def signal(self, node, signal, name):
        """To all processes of that name."""
        self.run_in(node, "bash", "-c", f'kill -{signal} "$@"', "kill", *self.processes(node, name))

    def kill_postmaster(self, node):
        self.run_in(node, "bash", "-c", f"kill -KILL $(head -n 1 {DATA}/postmaster.pid)")

    def _iptables(self, node, *words):
        pid = self.podman("inspect", "--format", "{{.State.Pid}}", f"{self.name}-{node}").strip()
        command = ["nsenter", f"--net=/proc/{pid}/ns/net", "iptables", "--wait", *words]
        subprocess.run(command, check=True, capture_output=True, timeout=20)

    def cut(self, node, others=None):
        """Nothing comes or goes any more: from anybody, or from those others."""
        for other in [f"{self.net}.0/24"] if others is None else map(self.address, others):
            # Its own address is in the network too.
            for chain, way in (("INPUT", "--source"), ("OUTPUT", "--destination")):
                self._iptables(node, "-A", chain, way, other, "-j", "DROP")
        if others is None:
            for chain, way in (("INPUT", "--source"), ("OUTPUT", "--destination")):
                self._iptables(node, "-I", chain, way, self.address(node), "-j", "ACCEPT")

    def mend(self, node):
        self._iptables(node, "--flush")
