"""Answers against the contract: each turns a true body into one kind of nonsense."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

HTML = b"<!doctype html><title>Sign in</title><script>alert(1)</script><h1>Please sign in to the hotel's network</h1>"


def wrong_answer(kind: str, true_body: bytes) -> tuple[str, bytes]:
    """Return content type and body of one of WRONG_ANSWERS, made from the body that would have been right."""
    content_type = "text/html; charset=utf-8" if kind == "html" else "application/json"
    return content_type, WRONG_ANSWERS[kind](true_body)


def _changed(true_body: bytes, change: Callable[[str, Any], Any]) -> bytes:
    """Return the body with every plain value, given with its member's name, changed."""

    def walk(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(key, inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(name, inner) for inner in value]
        return change(name, value)

    return json.dumps(walk("", json.loads(true_body))).encode()


def _other_order(name: str, value: Any) -> Any:
    return "another-order:1:other" if name in {"key", "reference", "id", "code", "ref", "sid"} else value


def _negative(_name: str, value: Any) -> Any:
    return -1 - value if isinstance(value, int) else value


WRONG_ANSWERS: dict[str, Callable[[bytes], bytes]] = {
    "html": lambda _body: HTML,
    "empty": lambda _body: b"",
    "truncated": lambda body: body[: len(body) // 2],
    "wrong_types": lambda body: _changed(body, lambda _name, value: [value]),
    "null": lambda body: _changed(body, lambda _name, _value: None),
    "other_order": lambda body: _changed(body, _other_order),
    "negative": lambda body: _changed(body, _negative),
    "nan": lambda body: b'{"value":NaN,"was":' + body + b"}",
    "duplicate_members": lambda body: body[:-1] + b"," + body[1:-1] + b',"state":"cancelled"}',
    "bad_utf8": lambda body: b'{"\xff\xfe":' + body + b"}",
    "deep": lambda _body: b"[" * 100_000,
}
# Drawn from if no kind is requested: nobody can take these for a true answer.
CLEARLY_WRONG = ("html", "empty", "truncated", "wrong_types", "null", "nan", "bad_utf8")
