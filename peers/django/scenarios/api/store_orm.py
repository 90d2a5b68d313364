"""Users by the ORM: dicts of what is answered, as `values(…)` gives them."""

from datetime import datetime
from typing import Any

from django.db.models.functions import Now

from .models import Session, User

_COLUMNS = ("id", "name", "email", "created_at")


def users() -> list[dict[str, Any]]:
    return list(User.objects.values(*_COLUMNS))


def user(user_id: int) -> dict[str, Any] | None:
    return User.objects.filter(pk=user_id).values(*_COLUMNS).first()


def create(name: str, email: str) -> dict[str, Any]:
    return _shown(User.objects.create(name=name, email=email))


def change(user_id: int, name: str, email: str) -> dict[str, Any] | None:
    found = User.objects.filter(pk=user_id).first()
    if found is None:
        return None
    found.name, found.email = name, email
    found.save(update_fields=["name", "email"])
    return _shown(found)


def delete(user_id: int) -> bool:
    count, _ = User.objects.filter(pk=user_id).delete()
    return count == 1


def first(count: int) -> list[dict[str, Any]]:
    return list(User.objects.filter(pk__lte=count).order_by("pk").values(*_COLUMNS))


def new_session(token: str, user_id: int, expires_at: datetime) -> bool:
    """Whether there is such a user."""
    found = User.objects.filter(pk=user_id).first()
    if found is None:
        return False
    Session.objects.create(token=token, user=found, expires_at=expires_at)
    return True


def of_session(token: str) -> dict[str, Any] | None:
    valid = User.objects.filter(session__token=token, session__expires_at__gt=Now())
    return valid.values(*_COLUMNS).first()


def _shown(user: User) -> dict[str, Any]:
    return {column: getattr(user, column) for column in _COLUMNS}
