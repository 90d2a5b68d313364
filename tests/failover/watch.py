"""Follows what each server of Postgres says it is, and tells of each change by a line of JSON.

  watch.py HOST…      in a container that reaches all of them; PGPASSWORD is the password of the role pouco

`away`, `standby`, `primary`, and `writable`: a primary that has committed something, with the standby that it
has to wait for. In strict synchronous mode nobody can be acknowledged before that.
"""

import json
import sys
import threading
import time

import psycopg2

INTERVAL_S = 0.05
BOUNDS = {
    "connect_timeout": 2, "tcp_user_timeout": 2000, "keepalives_idle": 1, "keepalives_interval": 1,
    "keepalives_count": 2,
}


class Server:
    def __init__(self, host):
        self.host, self.state = host, None

    def tell(self, state):
        if state != self.state:
            self.state = state
            print(json.dumps({"at": time.time(), "node": self.host, "state": state}), flush=True)

    def look(self, connection):
        cursor = connection.cursor()
        cursor.execute("SELECT pg_is_in_recovery()")
        if cursor.fetchone()[0]:
            self.tell("standby")
        elif self.state != "writable":
            self.tell("primary")
            del connection.notices[:]
            cursor.execute("SELECT pg_logical_emit_message(true, 'watch', '')")
            # A wait for the standby that is given up ends with a warning.
            if not connection.notices:
                self.tell("writable")

    def follow(self):
        while True:
            try:
                connection = psycopg2.connect(host=self.host, user="pouco", dbname="pouco", **BOUNDS)
                connection.autocommit = True
                while True:
                    self.look(connection)
                    time.sleep(INTERVAL_S)
            except psycopg2.Error:
                self.tell("away")
                time.sleep(INTERVAL_S)


for name in sys.argv[1:]:
    threading.Thread(target=Server(name).follow).start()
