"""Users by the ORM: dicts of what is answered, as `values(…)` gives them."""

from typing import Any

from .models import User

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


def _shown(user: User) -> dict[str, Any]:
    return {column: getattr(user, column) for column in _COLUMNS}
