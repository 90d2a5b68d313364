"""Settings for production, and for nothing that this API does not do: no sessions, no templates, no static
files."""

import os

from django.core.management.utils import get_random_secret_key


def _connections() -> int:
    text = os.environ.get("DATABASE_CONNECTIONS", "9")
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise SystemExit(f"DATABASE_CONNECTIONS = {text!r}: a whole number from 1 to 100 is allowed")
    return int(text)


DATABASE_CONNECTIONS = _connections()
# Nearly every request needs a connection, and none needs more than one.
REQUESTS_AT_ONCE = DATABASE_CONNECTIONS

DEBUG = False
# Nothing is signed, so no replica needs to read what the other has signed.
SECRET_KEY = os.environ.get("SECRET_KEY") or get_random_secret_key()
# Only nginx reaches the socket, and no answer contains the host.
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = ["django.contrib.postgres", "people"]
# Each is work for every request; none of those that Django suggests protects an API without cookies.
MIDDLEWARE = ["project.middleware.content_length"]
ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
APPEND_SLASH = False
USE_I18N = False
USE_TZ = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 65_536

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("DATABASE_HOST", "/run/postgresql"),
        "NAME": "pouco",
        "USER": "pouco",
        # Under ASGI connections cannot persist with a thread; psycopg's pool keeps them instead.
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            # Statements are prepared, and people's data stays out of their text and of Postgres's log. But of
            # a search Postgres should know the term before it plans: the plan for just any term may cost
            # several times as much.
            "server_side_binding": True,
            "prepare_threshold": 5,
            "options": "-c plan_cache_mode=force_custom_plan",
            "pool": {"min_size": 2, "max_size": DATABASE_CONNECTIONS, "timeout": 60},
        },
    }
}

# Errors only: that a client was told 404 or 422 is no news.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"django": {"handlers": ["console"], "level": "ERROR", "propagate": False}},
}
