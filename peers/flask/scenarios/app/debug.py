"""Flask's own development server in debug mode, as a comparison had it: a connection a request, and a line in
the log. For the lab's experiment `artefact-debug` alone."""

import settings
from flask_app import app, pool

pool.open()
host, _, port = settings.LISTEN.rpartition(":")
app.run(host, int(port), debug=True, use_reloader=False, threaded=True)
