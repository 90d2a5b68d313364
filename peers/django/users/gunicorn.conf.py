"""Gunicorn reads this file by its name, from the folder that it starts in."""

import environment

wsgi_app = "project.wsgi"
bind = environment.LISTEN
backlog = 4096
workers = environment.WORKERS
# Threads, so that one waits for Postgres while another has the interpreter, and because only these keep
# connections alive. A connection that was opened and says nothing holds one: tried with four, of which a few
# such clients left none.
worker_class = "gthread"
threads = min(16, environment.POOL_MOST)
worker_connections = 4096
keepalive = 75
# A worker that waits for its CPU quota is not dead.
timeout = 60
graceful_timeout = 10
# Where the workers show that they live: memory, as gunicorn's documentation advises in containers.
worker_tmp_dir = "/dev/shm"
# Nobody steers it from outside, and the container has no place for the socket.
control_socket_disable = True
loglevel = "warning"
