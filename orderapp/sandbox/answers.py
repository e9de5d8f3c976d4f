"""Answers in the contract's format: JSON bodies, and one shape for every error."""

from __future__ import annotations

import json
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException

Json = dict[str, Any]


class Problem(Exception):
    """An error answer: `status`, a snake_case `code`, a `message`, and further members of the error body."""

    def __init__(self, status: int, code: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.extra = extra

    @classmethod
    def of(cls, error: HTTPException) -> Problem:
        """Return the problem that stands for an error of the framework, such as a 404 or a 405."""
        return cls(error.code or 500, error.name.lower().replace(" ", "_"), error.description or error.name)


def error_body(problem: Problem) -> Json:
    """Return the body of an error: `{"error": {"code", "message", ...}}`."""
    return {"error": {"code": problem.code, "message": problem.message, **problem.extra}}


def json_answer(status: int, body: Json) -> Response:
    """Return a JSON answer."""
    return Response(json.dumps(body, separators=(",", ":")), status=status, mimetype="application/json")


def canonical(body: Json) -> str:
    """Return the JSON text that is the same for equal content, whatever the order of its members."""
    return json.dumps(body, separators=(",", ":"), sort_keys=True)
