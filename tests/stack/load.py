#!/usr/bin/env python3
"""A light load on the people API that goes on until SIGTERM; then one line of what came of it.

  load.py HOST PORT CLIENTS kept       each client on one connection
  load.py HOST PORT CLIENTS fresh      each request on its own, for a balancer that may close idle ones

LOAD_STORED names a file for the paths and nicknames of those who were acknowledged.

Each client creates a person, looks it up, asks for a page, and rests a moment. What counts as failed: no
answer, an answer with another status than it must have, and a person that was acknowledged and is not found
at the end. Exit code 1 if something has failed; the first reasons are on standard error.
"""

import http.client
import itertools
import json
import os
import signal
import sys
import threading
import time

REST_S = 0.05
TIMEOUT_S = 20
REASONS_SHOWN = 200

stopping = threading.Event()
lock = threading.Lock()
asked = itertools.count(1)
reasons = []
stored = []


class Client:
    """One connection, which is opened anew when a server has closed it after an answer, as it may."""

    def __init__(self, host, port, kept):
        self.connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        self.headers = {"Content-Type": "application/json", "Connection": "keep-alive" if kept else "close"}

    def ask(self, method, path, expected, body=None):
        """The answer's head, or None if it failed. Nothing is ever asked twice."""
        with lock:
            number = next(asked)
        try:
            self.connection.request(method, path, body, self.headers)
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.status == expected:
                return answer
            reason = f"{answer.status} {text[:100]!r}"
        except (OSError, http.client.HTTPException) as error:
            reason = repr(error)
            self.connection.close()
        with lock:
            reasons.append(f"{number} at {time.strftime('%H:%M:%S')}: {method} {path}: {reason}")
        return None


def client(index, *server):
    own = Client(*server)
    for number in itertools.count():
        if stopping.is_set():
            return
        nick = f"l{os.getpid()}x{index}x{number}"
        person = {"apelido": nick, "nome": "Load", "nascimento": "2000-01-01", "stack": None}
        answer = own.ask("POST", "/pessoas", 201, json.dumps(person))
        if answer:
            path = answer.getheader("Location")
            with lock:
                stored.append((path, nick))
            own.ask("GET", path, 200)
        own.ask("GET", "/contagem-pessoas", 200)
        stopping.wait(REST_S)


def main():
    host, port, clients, how = sys.argv[1:]
    if how not in ("kept", "fresh"):
        sys.exit(__doc__)
    server = (host, int(port), how == "kept")
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    threads = [threading.Thread(target=client, args=(index, *server)) for index in range(int(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)
    last = Client(*server)
    for path, _ in stored:
        last.ask("GET", path, 200)
    if "LOAD_STORED" in os.environ:
        with open(os.environ["LOAD_STORED"], "a", encoding="utf-8") as file:
            file.writelines(f"{path} {nick}\n" for path, nick in stored)
    for reason in reasons[:REASONS_SHOWN]:
        print(reason, file=sys.stderr)
    print(f"{next(asked) - 1} requests, {len(reasons)} failed, {len(stored)} people stored")
    sys.exit(1 if reasons or not stored else 0)


if __name__ == "__main__":
    main()
