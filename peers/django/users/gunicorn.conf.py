"""Gunicorn reads this file by its name, from the folder that it starts in."""

import environment

wsgi_app = "project.wsgi"
bind = environment.LISTEN
backlog = 4096
workers = environment.WORKERS
# Threads, so that one waits for Postgres while another has the interpreter, and because only these keep connections alive.
# More than a few would stand in line for the interpreter; the rest of the requests wait without a thread.
worker_class = "gthread"
threads = min(4, environment.POOL_MOST)
worker_connections = 4096
keepalive = 75
# A worker that waits for its CPU quota is not dead.
timeout = 60
graceful_timeout = 10
# Where the workers show that they live: memory, as gunicorn's documentation advises in containers.
worker_tmp_dir = "/dev/shm"
loglevel = "warning"
