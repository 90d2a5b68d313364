"""Gunicorn reads this file by its name, from the folder that it starts in."""

import settings

wsgi_app = "main:app"
bind = settings.LISTEN
backlog = 4096
workers = settings.WORKERS
worker_class = "workers.Worker"
keepalive = 75
# A worker that waits for its CPU quota is not dead.
timeout = 60
graceful_timeout = 10
# Where the workers show that they live: memory, as gunicorn's documentation advises in containers.
worker_tmp_dir = "/dev/shm"
# Nobody steers it from outside, and the container has no place for the socket.
control_socket_disable = True
loglevel = "warning"
