"""Settings for production, and for nothing that this API does not do: no sessions, no templates, no static
files."""

import os

from django.core.management.utils import get_random_secret_key

import environment

DEBUG = False
# Nothing is signed, so no worker needs to read what another has signed.
SECRET_KEY = os.environ.get("SECRET_KEY") or get_random_secret_key()
# No answer contains the host.
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = ["api"]
# None of those that Django suggests protects an API without cookies, and each is work for every request.
MIDDLEWARE = ["api.middleware.bounded"]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
APPEND_SLASH = False
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# Of a body in JSON; of a form: a file of 10 MiB, and what is around it.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2**16
FORM_BYTES = 10 * 2**20 + 2**16

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["api.json.Renderer"],
    "DEFAULT_PARSER_CLASSES": ["api.json.Parser"],
    # Only /protected has them.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "EXCEPTION_HANDLER": "api.refusals.handler",
}

_OPTIONS = {
    # Parameters go alongside the text, so that Postgres can prepare the statement once and for all.
    "server_side_binding": True,
    "prepare_threshold": 5,
}
if environment.INTERFACE == "asgi":
    # A request has a thread of its own, which ends with it: psycopg's pool keeps the connections.
    _OPTIONS["pool"] = {
        "min_size": environment.CONNECTIONS,
        "max_size": environment.CONNECTIONS,
        # As long as the clients wait: under load a request is late rather than refused.
        "timeout": 60,
    }

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": environment.DATABASE_HOST,
        "NAME": "pouco",
        "USER": "pouco",
        # Gunicorn's threads stay, and each keeps its connection.
        "CONN_MAX_AGE": None if environment.INTERFACE == "wsgi" else 0,
        "OPTIONS": _OPTIONS,
    }
}

# Five minutes, as scenario 13 has it. The first is of the process.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "TIMEOUT": 300,
        # Of a user not 2 KB: 40 MB at most.
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}
if environment.REDIS_URL:
    CACHES["redis"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": environment.REDIS_URL,
        "TIMEOUT": 300,
        "OPTIONS": {
            # Who finds all connections taken waits for one.
            "pool_class": "redis.BlockingConnectionPool",
            "max_connections": 32,
            "timeout": 60,
            # More than the 100 ms for which a CPU quota may hold either side.
            "socket_timeout": 1.0,
            "socket_connect_timeout": 1.0,
        },
    }

# Errors only: that a client was told 404 or 400 is no news.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"django": {"handlers": ["console"], "level": "ERROR", "propagate": False}},
}
