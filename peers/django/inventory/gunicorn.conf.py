"""Gunicorn reads this file by its name, from the folder that it starts in."""

import environment

wsgi_app = "project.wsgi"
bind = f"unix:{environment.LISTEN}"
backlog = 2048
workers = environment.WORKERS
# Threads, so that one waits for Postgres while another has the interpreter, and because only these keep
# connections alive. Nearly every request needs a connection, and none needs more than one.
worker_class = "gthread"
threads = min(16, environment.POOL)
worker_connections = 4096
# Longer than nginx's 60 s, so that it is nginx that closes.
keepalive = 75
# A worker that waits for its CPU quota is not dead.
timeout = 60
graceful_timeout = 10
# Where the workers show that they live: memory, as gunicorn's documentation advises in containers.
worker_tmp_dir = "/dev/shm"
# Nobody steers it from outside, and the container has no place for the socket.
control_socket_disable = True
loglevel = "warning"
