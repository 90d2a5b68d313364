"""JSON by orjson, which renders moments as RFC 3339 has them; Flask's own would render them as HTTP does."""

from typing import Any

import orjson
from flask.json.provider import JSONProvider


class Provider(JSONProvider):
    """Of Flask and of Quart, which has the same class."""

    def dumps(self, obj: Any, **_: Any) -> str:
        return _bytes(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Any:
        body = _bytes(self._prepare_response_obj(args, kwargs))
        return self._app.response_class(body, mimetype="application/json")


def _bytes(obj: Any) -> bytes:
    return orjson.dumps(obj, option=orjson.OPT_UTC_Z)
