"""Reads simulation.log as Gatling 3.9.5 writes it: text, one record a line, fields between tabs.

    RUN      class  id  start_ms  description  version
    USER     scenario  START|END  at_ms
    REQUEST  groups  name  start_ms  end_ms  OK|KO  message
    ERROR    message  at_ms
    ASSERTION  (binary text)
"""

import os
from collections import Counter
from dataclasses import dataclass, field

CREATION_SCENARIO = "create then look up"
CREATION_REQUEST = "creation"


class LogError(Exception):
    """The file is missing or is no simulation.log."""


@dataclass
class Requests:
    """All answers to the requests of one name."""

    ok: int = 0
    ko: int = 0
    durations_ms: list = field(default_factory=list)
    messages: Counter = field(default_factory=Counter)


@dataclass
class SimulationLog:
    started_at_ms: int = 0
    users_started: Counter = field(default_factory=Counter)
    users_ended: Counter = field(default_factory=Counter)
    requests: dict = field(default_factory=dict)

    @property
    def complete(self):
        """False if the run was killed: Gatling then loses what it had not written yet."""
        return bool(self.users_started) and self.users_started == self.users_ended

    @property
    def ko(self):
        return sum(requests.ko for requests in self.requests.values())


def find(run):
    """`run` is a run's folder or the log itself."""
    path = os.path.join(run, "simulation.log") if os.path.isdir(run) else run
    if not os.path.isfile(path):
        raise LogError(f"{path}: no such file")
    return path


def read(run):
    path = find(run)
    log = SimulationLog()
    with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            # The last line of a run that was killed may be cut off anywhere.
            if not line.endswith("\n"):
                break
            try:
                _record(log, line.rstrip("\n").split("\t"))
            except (IndexError, ValueError) as error:
                raise LogError(f"{path}:{number}: not a line of Gatling 3.9.5: {line!r}") from error
    if not log.started_at_ms:
        raise LogError(f"{path}: has no RUN line, so it is no simulation.log of Gatling 3.9.5")
    return log


def _record(log, fields):
    kind = fields[0]
    if kind == "RUN":
        log.started_at_ms = int(fields[3])
    elif kind == "USER":
        users = log.users_started if fields[2] == "START" else log.users_ended
        users[fields[1]] += 1
    elif kind == "REQUEST":
        requests = log.requests.setdefault(fields[2], Requests())
        requests.durations_ms.append(int(fields[4]) - int(fields[3]))
        if fields[5] == "OK":
            requests.ok += 1
        else:
            requests.ko += 1
            requests.messages[fields[6].strip()] += 1
