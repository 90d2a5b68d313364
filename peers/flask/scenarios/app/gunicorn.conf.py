"""Gunicorn reads this file by its name, from the folder that it starts in."""

import settings

wsgi_app = "flask_app:app"
bind = settings.LISTEN
backlog = 4096
workers = settings.WORKERS
# Threads, so that one waits for Postgres while another has the interpreter, and because only these keep
# connections alive. A connection that was opened and says nothing holds one.
worker_class = "gthread"
threads = settings.THREADS
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


def post_worker_init(worker):
    """Its pool connects while it serves already, and waits for Postgres."""
    from flask_store import pool

    pool.open()


def worker_exit(server, worker):
    """Otherwise the pool's own threads would be waited for."""
    from flask_store import pool

    pool.close()
