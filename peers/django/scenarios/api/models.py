"""A user in Postgres. Whoever fills the table makes it: the model is not managed."""

from django.db import models
from django.db.models.functions import Now


class User(models.Model):
    id = models.BigAutoField(primary_key=True)
    name = models.TextField(max_length=100)
    email = models.EmailField(unique=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        managed = False
        db_table = "users"
