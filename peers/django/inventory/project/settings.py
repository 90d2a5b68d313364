"""Settings for production, and for nothing that this API has not: sessions, templates, static files."""

import environment

DEBUG = False
# Django signs nothing here; tokens are signed in shop/tokens.py.
SECRET_KEY = environment.JWT_SECRET
# Only nginx reaches the socket, and no answer contains the host.
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = ["shop"]
# Each is work for every request; none of those that Django suggests protects an API without cookies.
MIDDLEWARE = []
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
APPEND_SLASH = False
USE_I18N = False
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 65_536
PASSWORD_HASHERS = ["shop.passwords.Bcrypt"]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": environment.DATABASE_HOST,
        "NAME": environment.DATABASE_NAME,
        "USER": "pouco",
        # psycopg's pool keeps connections, not each thread its own.
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            # Parameters go alongside the text, so that Postgres can prepare the statement once and for all.
            "server_side_binding": True,
            "prepare_threshold": 5,
            "options": "-c jit=off",
            "pool": {"min_size": min(2, environment.POOL), "max_size": environment.POOL, "timeout": 60},
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
