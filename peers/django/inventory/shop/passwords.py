"""Passwords: Django's hasher for bcrypt, at the contest's cost."""

import environment
from django.contrib.auth.hashers import BCryptPasswordHasher


class Bcrypt(BCryptPasswordHasher):
    """bcrypt lets go of the interpreter while it computes, on the request's thread."""

    rounds = environment.BCRYPT_COST
