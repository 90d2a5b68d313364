"""JSON by orjson, which renders moments by itself; Django REST framework's own is Python's, with an encoder
that is called for each of them."""

from typing import Any

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer


class Renderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    # Bytes: nothing is left to encode.
    charset = None

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        # As after a DELETE.
        return b"" if data is None else orjson.dumps(data, option=orjson.OPT_UTC_Z)


class Parser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return orjson.loads(stream.read())
        except orjson.JSONDecodeError as error:
            raise ParseError(str(error)) from None
