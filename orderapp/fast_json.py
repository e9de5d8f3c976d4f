"""JSON as fast as it gets, for what is written many times an order: the log, the history, answers, rows as a parameter.

What comes in from outside is read by stricter eyes (`strict_json`).
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
    """Return a value as JSON: words, numbers, truth, None, lists, dictionaries, dataclasses, UUIDs.

    Args:
        value: What to write.
        default: Makes something of that out of anything else.
        option: orjson's, such as SORTED.

    Raises:
        TypeError: it is nothing that JSON can say.

    """
    try:
        return orjson.dumps(value, default, option).decode()
    except orjson.JSONEncodeError:
        # Half a character out of an escape, a number of twenty digits: the standard library writes them.
        return json.dumps(value, default=default or FastJson.default, sort_keys=bool(option & SORTED))


class FastJson(DefaultJSONProvider):
    """What `jsonify` answers with."""

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return an answer; its members are sorted, so that the same content is the same text."""
        content = self._prepare_response_obj(args, kwargs)
        text = to_json(content, self.default, option=SORTED)
        return self._app.response_class(f"{text}\n", mimetype=self.mimetype)
