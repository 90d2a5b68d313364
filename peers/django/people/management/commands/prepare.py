"""`manage.py prepare`: waits for Postgres and migrates. Both replicas do so at their start, one after the
other."""

import time

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import OperationalError, connection

RETRY_SECONDS = 0.5
# Any number, the same in both replicas.
LOCK = 2023


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args, **options) -> None:
        while True:
            try:
                connection.ensure_connection()
                break
            # No socket yet, or a server that is still starting or recovering.
            except OperationalError as error:
                self.stderr.write(f"Postgres is not ready: {error}")
                time.sleep(RETRY_SECONDS)
        with connection.cursor() as cursor:
            # Held by the session, over all of the migrations' transactions, and gone with it whatever
            # happens.
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        call_command("migrate", interactive=False, verbosity=1)
        connection.close_pool()
