"""A person in Postgres."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GistIndex
from django.db import models

APELIDO_CHARS = 32
NOME_CHARS = 100
ELEMENT_CHARS = 32

# Parts the fields in `busca`, so that no term of letters matches across two of them.
_SEPARATOR = "\x1f"


class PersonQuerySet(models.QuerySet):
    def public(self):
        """Dicts of what the API shows, in its order."""
        return self.values("id", "apelido", "nome", "nascimento", "stack")

    def matching(self, term: str):
        # Django escapes %, _ and \ in the term.
        return self.filter(busca__contains=term.casefold())


class Person(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    apelido = models.CharField(max_length=APELIDO_CHARS)
    nome = models.CharField(max_length=NOME_CHARS)
    nascimento = models.DateField()
    stack = ArrayField(models.CharField(max_length=ELEMENT_CHARS), null=True)
    # All that a search looks at, in one column without case.
    busca = models.TextField(editable=False)

    objects = PersonQuerySet.as_manager()

    class Meta:
        db_table = "people"
        constraints = [
            # `unique=True` on the field would make a second index, for LIKE, which nothing here asks for.
            models.UniqueConstraint(fields=["apelido"], name="people_apelido_key"),
        ]
        indexes = [
            # Of the trigram indexes the one that costs least here, writing and searching together: GIN
            # searches a little faster and is much dearer to fill. Longer signatures than the default 12
            # bytes: with hundreds of trigrams a row, short ones have nearly all bits set and exclude nothing.
            GistIndex(fields=["busca"], opclasses=["gist_trgm_ops(siglen=256)"], name="people_busca"),
        ]

    def save(self, *args, **kwargs):
        self.busca = _SEPARATOR.join([self.apelido, self.nome, *(self.stack or [])]).casefold()
        super().save(*args, **kwargs)
