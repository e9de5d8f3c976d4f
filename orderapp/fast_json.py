"""Fast JSON for what is written many times for each order: log, history, answers, rows as a statement's parameter.

JSON from outside is read by `strict_json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson
from flask.json.provider import DefaultJSONProvider
from werkzeug.sansio.response import Response

SORTED = orjson.OPT_SORT_KEYS


def to_json(value: Any, default: Callable[[Any], Any] | None = None, *, option: int = 0) -> str:
    """Return a value as JSON: strings, numbers, booleans, None, lists, dictionaries, dataclasses, UUIDs.

    Args:
        value: The value to write.
        default: Turns any other value into one of these.
        option: An option of orjson, such as SORTED.

    Raises:
        TypeError: JSON has no form for the value.
    """
    try:
        return orjson.dumps(value, default, option).decode()
    except orjson.JSONEncodeError:
        # orjson refuses lone surrogates and numbers of twenty digits; the standard library writes them.
        return json.dumps(value, default=default or FastJson.default, sort_keys=bool(option & SORTED))


class FastJson(DefaultJSONProvider):
    """The JSON provider behind `jsonify`."""

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return an answer with sorted members, so that the same content gives the same text."""
        content = self._prepare_response_obj(args, kwargs)
        text = to_json(content, self.default, option=SORTED)
        return self._app.response_class(f"{text}\n", mimetype=self.mimetype)
