#!/usr/bin/env python3
"""Holds more requests open than the balancer takes at once, and tells what the next one gets.

usage: crowd.py PORT CONNECTIONS ADDRESSES

The crowd comes from that many addresses of this machine, from 127.0.0.1 on, and the one more from the
first. Each request has its head sent and its body not, so it is under way until it times out. Prints the
status of one more request and its Retry-After, and then, when the crowd has gone, the status of another.
"""

import http.client
import resource
import socket
import sys
import time

HEAD = b"POST /pessoas HTTP/1.1\r\nHost: pouco\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"


def ask(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/contagem-pessoas")
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Retry-After", "-")
    finally:
        connection.close()


def until(port, wanted, seconds):
    """The first answer with the wanted status, or the last one."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask(port)
        if answer[0] == wanted or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)


def main():
    port, connections, addresses = map(int, sys.argv[1:])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = []
    for number in range(connections):
        source = (f"127.0.0.{1 + number % addresses}", 0)
        crowd.append(socket.create_connection(("127.0.0.1", port), source_address=source))
        crowd[-1].sendall(HEAD)
    print(*until(port, 429 if addresses == 1 else 503, 5))
    for client in crowd:
        client.close()
    print(until(port, 200, 15)[0])


if __name__ == "__main__":
    main()
