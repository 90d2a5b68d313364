#!/usr/bin/env python3
"""owners.py FLAME_DIR RUN_DIR: what each part of the stack costs, as CPU seconds of a run and for 1,000
requests.

FLAME_DIR is what flamegraph.sh wrote, RUN_DIR a run's folder (its resources and percentiles). The CPU
seconds of a container are the run's, read from its cgroup; how they are shared among the container's owners
is that of the samples. A sample belongs to the innermost frame that names an owner.
"""

import gzip
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

# By thread: what runs there belongs to it whatever it calls.
THREADS = [
    (re.compile(r"^pouco-w-"), "store: commit queue and its client"),
    (re.compile(r"^pouco-feed"), "feed: its client, and entering others' people"),
    (re.compile(r"^pouco-(opener|stand-in)"), "store: connections and indexes"),
    (re.compile(r"^pouco-(janitor|sweeper|log|turns|signals)"), "clock, deadlines, log"),
]

# The coroutines' thread, innermost frame first.
FRAMES = [
    (re.compile(r"pouco::cache::search|pouco::api::people::directory"), "search and directory"),
    (re.compile(r"simd_json|serde_json|pouco::http::(message::)?json|pouco::api::people::model"), "JSON: parsing, checking, rendering"),
    (re.compile(r"pouco::store"), "store: handing over and waiting"),
    (re.compile(r"pouco::http|may::|generator::"), "HTTP and coroutines"),
]

WRITES = re.compile(r"ExecModifyTable|ExecInsert")


def samples(flames):
    """(container, thread, pid, frames, count) of each line of the folded stacks."""
    with gzip.open(flames / "stack.folded.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            stack, count = line.rsplit(" ", 1)
            container, thread, *frames = stack.split(";")
            name, _, pid = thread.rpartition("-")
            yield container, name, pid, frames, int(count)


def owner_of_replica(thread, frames):
    for pattern, owner in THREADS:
        if pattern.search(thread):
            return owner
    for frame in reversed(frames):
        for pattern, owner in FRAMES:
            if pattern.search(frame):
                return owner
    return "HTTP and coroutines"


def shares(flames):
    """By container, the owners' samples."""
    everything = list(samples(flames))
    writers = {pid for _, _, pid, frames, _ in everything if any(WRITES.search(frame) for frame in frames)}
    result = defaultdict(Counter)
    for container, thread, pid, frames, count in everything:
        if container.startswith("pouco-api"):
            owner = owner_of_replica(thread, frames)
        elif container == "pouco-postgres":
            owner = "Postgres: inserts" if pid in writers else "Postgres: reads, mostly the feed's"
        else:
            owner = container.removeprefix("pouco-")
        result[container][owner] += count
    return result


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    flames, run = Path(sys.argv[1]), Path(sys.argv[2])
    resources = json.loads((run / "resources.json").read_text(encoding="utf-8"))
    percentiles = json.loads((run / "percentiles.json").read_text(encoding="utf-8"))
    requests = percentiles["requests"]["all requests"]["count"]
    seconds = Counter()
    for container, owners in shares(flames).items():
        spent = resources["containers"][container]["cpu_s"]
        total = sum(owners.values())
        for owner, count in owners.items():
            seconds[owner] += spent * count / total
    print("| owner | CPU s of a run | CPU ms for 1,000 requests |")
    print("|---|---|---|")
    for owner, spent in seconds.most_common():
        print(f"| {owner} | {spent:.2f} | {spent / requests * 1e6:.1f} |")
    whole = sum(seconds.values())
    print(f"| **whole stack** | {whole:.2f} | {whole / requests * 1e6:.1f} |")


if __name__ == "__main__":
    main()
