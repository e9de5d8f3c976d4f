"""Errors as `application/problem+json` (RFC 9457): `code` is for programs, `detail` for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from orderapp.api.blueprint import api
from orderapp.api.reading import KeyMissing
from orderapp.api.schemas import TotalChangedSchema, order_json
from orderapp.errors import (
    CallbackRefused,
    CompensationInProgress,
    Conflict,
    DatabaseUnavailable,
    InProgress,
    InvalidRequest,
    KeyReused,
    NotFound,
    OrderappError,
    OrderArchived,
    Overloaded,
    ProbableDuplicate,
    TooManyAttempts,
    TotalChanged,
)
from orderapp.services.orders.views import find_order

MEDIA_TYPE = "application/problem+json"
ALL_PATHS = ("/api/", "/callbacks/")  # whatever begins so is ours, also where there is nothing
# A database that restarts is back within half a minute; asking sooner only adds to its load.
DATABASE_RETRY_SECONDS = 10

STATUS: Mapping[type[OrderappError], int] = {  # the first that fits
    InvalidRequest: 400,
    KeyMissing: 400,
    CallbackRefused: 401,
    NotFound: 404,
    OrderArchived: 410,
    KeyReused: 422,
    Conflict: 409,
    TooManyAttempts: 429,
    DatabaseUnavailable: 503,
    Overloaded: 503,
}
_total_changed = TotalChangedSchema()
# The code and text for each HTTP error.
HTTP_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("invalid_request", "The request could not be read; nothing was recorded."),
    404: ("not_found", "There is nothing here, or nothing of yours."),
    405: ("method_not_allowed", "This method can't be used here; see the Allow header."),
    413: ("content_too_large", "The body is larger than any order; nothing was recorded."),
    415: ("unsupported_media_type", "Send the body as application/json; nothing was recorded."),
    500: (
        "internal_error",
        "Something went wrong on our side, and whether the request was carried out isn't known. "
        "Repeat it with the same Idempotency-Key: nothing is done twice.",
    ),
}
NOT_AUTHENTICATED = "Send a valid token: `Authorization: Bearer <token>`. Nothing was done."


def problem(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """Return an error's answer.

    Args:
        status: The HTTP status.
        code: What went wrong, for programs; stable.
        detail: What happened, what was and wasn't done, what to do.
        headers: Further headers.
        members: Further members of the body.
    """
    body = {
        "type": "about:blank",  # the codes are listed in the API's description, not each on a page of its own
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **members,
        "request_id": g.get("request_id"),
    }
    return Response(json.dumps(body), status, headers, content_type=MEDIA_TYPE)


@api.errorhandler(HTTPException)
def answer_http_error(error: HTTPException) -> Response:
    """Answer Flask's refusals and unforeseen errors, which Flask has already logged."""
    status = error.code or 500
    code, detail = HTTP_ERRORS.get(status) or (error.name.lower().replace(" ", "_"), "The request was refused.")
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    return problem(status, code, detail, headers)


@api.errorhandler(OrderappError)
def answer_refusal(error: OrderappError) -> Response:
    """Answer what a service refused."""
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
    if status == 500:
        raise error  # an error without a status here is logged and answered like any unforeseen one
    headers: dict[str, str] = {}
    members: dict[str, Any] = {}
    if isinstance(error, InvalidRequest):
        members["errors"] = error.errors
    elif isinstance(error, ProbableDuplicate):
        members["order"] = order_json(find_order(error.order_id))
    elif isinstance(error, TotalChanged):
        members |= _total_changed.dump(error)
    elif isinstance(error, OrderArchived):
        members["number"] = error.number
    elif isinstance(error, InProgress | CompensationInProgress | TooManyAttempts | Overloaded):
        headers["Retry-After"] = str(error.retry_after_seconds)
    elif isinstance(error, DatabaseUnavailable):
        headers["Retry-After"] = str(DATABASE_RETRY_SECONDS)
    # A missing order and another client's order get the same text.
    detail = HTTP_ERRORS[404][1] if status == 404 else str(error)
    return problem(status, error.code, detail, headers, **members)


def not_authenticated(challenge: str) -> Response:
    """Return the answer to a request without a valid token (RFC 6750)."""
    return problem(401, "not_authenticated", NOT_AUTHENTICATED, {"WWW-Authenticate": challenge})


def answer_unknown_addresses(app: Flask) -> None:
    """Answer requests for programs' addresses that lead nowhere; elsewhere the shop's pages answer them."""

    @app.before_request
    def answer() -> Response | None:
        error = request.routing_exception
        ours = f"{request.path}/".startswith(ALL_PATHS)
        if not ours or error is None or isinstance(error, RequestRedirect):
            return None
        return answer_http_error(error)
