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

INSTALLED_APPS = ["users"]
# Each is work for every request; none of those that Django suggests protects an API without cookies.
MIDDLEWARE = []
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
APPEND_SLASH = False
USE_I18N = False
USE_TZ = True

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": environment.DATABASE_HOST,
        "NAME": "pouco",
        "USER": "pouco",
        # psycopg's pool keeps connections, not each thread its own.
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            # Parameters go alongside the text, so that Postgres can prepare the statement once and for all.
            "server_side_binding": True,
            "prepare_threshold": 5,
            "pool": {"min_size": environment.POOL_LEAST, "max_size": environment.POOL_MOST, "timeout": 30},
        },
    }
}

# Errors only: that a client was told 404 or 400 is no news.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"django": {"handlers": ["console"], "level": "ERROR", "propagate": False}},
}
