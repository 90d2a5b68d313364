"""Gunicorn reads this file by its name, from the folder that it starts in."""

import os

wsgi_app = "app:app"
bind = os.environ.get("LISTEN", "unix:/run/pouco/api.sock")
backlog = 4096
# One process, so that its counts are the counts: a fraction of one CPU is its share anyway.
workers = 1
worker_class = "gthread"
threads = 4
# Longer than nginx keeps a connection that nobody uses.
keepalive = 75
# A worker that waits for its CPU quota is not dead.
timeout = 60
graceful_timeout = 10
# Where the worker shows that it lives: memory, as gunicorn's documentation advises in containers.
worker_tmp_dir = "/dev/shm"
# Nobody steers it from outside, and the container has no place for the socket.
control_socket_disable = True
loglevel = "warning"
