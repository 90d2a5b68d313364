"""A user in Postgres. Whoever fills the table makes it: the model is not managed."""

from django.db import models


class UserQuerySet(models.QuerySet):
    def public(self):
        """Dicts of what the API shows, in its order."""
        return self.values("id", "email", "full_name", "age", "country_code", "is_active", "created_at")


class User(models.Model):
    id = models.UUIDField(primary_key=True)
    email = models.TextField(unique=True)
    full_name = models.TextField()
    age = models.IntegerField()
    country_code = models.TextField()
    is_active = models.BooleanField()
    created_at = models.DateTimeField()

    objects = UserQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "users"
