"""Users and their sessions in Postgres. Whoever fills the tables makes them: the models are not managed."""

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


class Session(models.Model):
    token = models.TextField(primary_key=True)
    user = models.ForeignKey(User, models.CASCADE)
    expires_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "sessions"
