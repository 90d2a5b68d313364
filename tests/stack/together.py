#!/usr/bin/env python3
"""Asks for one path on many connections at once, and tells what the caches said.

usage: together.py PORT PATH CONNECTIONS

Every connection is open and every request is sent before the first answer is read. Prints a line for each
different pair of status and X-Cache-Status with its number, and last how many different bodies there were.
"""

import collections
import http.client
import resource
import socket
import sys


def main():
    port, path, connections = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    head = f"GET {path} HTTP/1.1\r\nHost: pouco\r\nConnection: close\r\n\r\n".encode()
    crowd = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(connections)]
    for client in crowd:
        client.sendall(head)
    told, bodies = collections.Counter(), set()
    for client in crowd:
        answer = http.client.HTTPResponse(client)
        answer.begin()
        bodies.add(answer.read())
        told[(answer.status, answer.headers.get("X-Cache-Status", "-"))] += 1
        client.close()
    for (status, cache), count in sorted(told.items()):
        print(status, cache, count)
    print("bodies", len(bodies))


if __name__ == "__main__":
    main()
