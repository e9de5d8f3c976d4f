"""`/api/v1/openapi.json`: the API's description, made from the schemas that read and write it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Response, jsonify, request
from marshmallow import Schema

from orderapp.api.blueprint import PREFIX, api
from orderapp.api.event_descriptions import event_webhooks
from orderapp.api.order_queries import OrderQuerySchema
from orderapp.api.problems import MEDIA_TYPE
from orderapp.api.reading import KEY_PATTERN, MAX_KEY_CHARACTERS
from orderapp.api.schemas import OrderAnswerSchema, OrdersAnswerSchema, ProblemSchema, ProductsSchema
from orderapp.config import current_settings
from orderapp.domain.inputs import Code
from orderapp.seller import Seller
from orderapp.services.orders import request_schema
from orderapp.services.orders.request_schema import order_schema
from orderapp.services.webhooks.payloads import EventSchema

ABOUT = """Places orders and keeps them consistent across systems that nobody here controls.

Send each new order under an Idempotency-Key of its own, and repeat it under the same key until there is an answer:
the same key always leads to the same order."""

RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}}
REPLAYED = {"Idempotent-Replayed": {"description": "Always true", "schema": {"type": "string", "const": "true"}}}
LOCATION = {"Location": {"description": "The order's address", "schema": {"type": "string"}}}
CHALLENGE = {"WWW-Authenticate": {"description": "How to authenticate", "schema": {"type": "string"}}}

KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Made by the client, new for each submission; a repeat carries the same one",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARACTERS, "pattern": f"^{KEY_PATTERN}$"},
}
ID_PARAMETER = {
    "name": "order_id",
    "in": "path",
    "required": True,
    "description": "The order's id",
    "schema": {"type": "string", "format": "uuid"},
}


@api.get("/openapi.json")
def description() -> Response:
    """Answer with the API's description; it is public, since it contains no data."""
    mounted = {"servers": [{"url": request.script_root}]} if request.script_root else {}
    settings = current_settings()
    return jsonify(describe(tuple(settings.systems.inputs.values()), settings.seller) | mounted)


@lru_cache(maxsize=4)  # a process has one set of systems
def describe(inputs: tuple[Code, ...], seller: Seller) -> dict[str, Any]:
    """Return the description as an OpenAPI 3.1 document, with what systems ask customers for, and whose API it is."""
    contact = {"name": seller.name} | ({"email": seller.email} if seller.email else {})
    spec = APISpec(
        title=f"{seller.name}: orders",
        version="1",
        openapi_version="3.1.0",
        info={"description": ABOUT, "contact": contact},
        plugins=[MarshmallowPlugin(schema_name_resolver=_schema_name)],
        security=[{"token": []}],
        webhooks=event_webhooks(),
    )
    spec.components.schema("Event", schema=EventSchema)
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    for path, operations in _operations(order_schema(inputs)).items():
        spec.path(PREFIX + path, operations={method: dict(operation) for method, operation in operations.items()})
    document: dict[str, Any] = spec.to_dict()
    return document


def _schema_name(schema: type[Schema] | Schema) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    name = kind.__name__.removesuffix("Schema")
    return f"New{name}" if kind.__module__ == request_schema.__name__ else name


def _operations(new_order: type[Schema]) -> dict[str, dict[str, dict[str, Any]]]:
    submission = _placed() | _problems()
    one_order = _problem(404, "No such order, or not placed by this client: not_found")
    body = {"required": True, "content": {"application/json": {"schema": new_order}}}
    return {
        "/products": {"get": _operation("listProducts", "What is for sale", _answer(200, "Products", ProductsSchema))},
        "/orders": {
            "post": _operation("placeOrder", "Place an order", submission | _body_problems(), KEY_PARAMETER)
            | {"requestBody": body},
            "get": _list(),
        },
        "/orders/{order_id}": {
            "get": _operation("getOrder", "See an order", _answer(200, "The order") | one_order, ID_PARAMETER)
        },
        "/orders/{order_id}/retry": {"post": _retry(submission | one_order | _body_problems())},
        "/orders/{order_id}/cancel": {
            "post": _operation(
                "cancelOrder",
                "Cancel a confirmed order",
                _answer(202, "The order is compensating, later cancelled")
                | one_order
                | _problem(
                    409,
                    "Only a confirmed order can be cancelled: wrong_state. Or system_unknown: a version that knows all "
                    "of its systems has to run first. Nothing was changed",
                ),
                ID_PARAMETER,
            )
        },
        "/openapi.json": {
            "get": {
                "operationId": "getDescription",
                "summary": "This description",
                "security": [],
                "responses": {
                    "200": {"description": "OpenAPI", "content": {"application/json": {"schema": {"type": "object"}}}}
                },
            }
        },
    }


def _list() -> dict[str, Any]:
    summary = "See the orders that this client placed, newest first"
    page = _answer(200, "A page of orders", OrdersAnswerSchema)
    wrong = _problem(400, "A wrong parameter: invalid_request")
    return _operation("listOrders", summary, page | wrong, {"in": "query", "schema": OrderQuerySchema})


def _retry(responses: dict[str, Any]) -> dict[str, Any]:
    summary = "Place a failed order again, at the prices it was ordered at"
    body = {"required": False, "content": {"application/json": {"schema": request_schema.RetrySchema}}}
    return _operation("retryOrder", summary, responses, ID_PARAMETER, KEY_PARAMETER) | {"requestBody": body}


def _operation(name: str, summary: str, responses: dict[str, Any], *parameters: Any) -> dict[str, Any]:
    everywhere = (
        _problem(401, "No token, or one that isn't valid: not_authenticated", CHALLENGE)
        | _problem(500, "A mistake of ours: internal_error")
        | _problem(503, "The database can't be used: database_unavailable", RETRY_AFTER)
    )
    return {
        "operationId": name,
        "summary": summary,
        "parameters": list(parameters),
        # An operation's own responses come last and win.
        "responses": everywhere | responses,
    }


def _placed() -> dict[str, Any]:
    return _answer(201, "Confirmed", headers=LOCATION) | _answer(
        200, "Confirmed before, under the same key", headers=LOCATION | REPLAYED
    )


def _problems() -> dict[str, Any]:
    return (
        _problem(
            400, "Nothing was recorded: idempotency_key_missing, or invalid_request with the member errors by field"
        )
        | _problem(
            409,
            "in_progress, compensation_in_progress: ask again after Retry-After. probable_duplicate: the member order "
            "is the other one. total_changed: the members total, lines and discounts are what it would cost. "
            "wrong_state: the order isn't failed. Nothing was done",
            RETRY_AFTER,
        )
        | _problem(410, "order_archived: the key's order was archived, as the member number. Nothing was placed")
        | _problem(
            422,
            "A system refused, in words of its own such as out_of_stock; the members order and "
            "system tell the rest. Or idempotency_key_reused: the same key, other content",
        )
        | _problem(
            429,
            "too_many_attempts: too many codes were tried, wrong ones or such as no order was placed with after "
            "total_changed; orders without codes are placed as ever. too_many_orders: more orders and retries than the "
            "shop allows this client. Nothing was recorded",
            RETRY_AFTER,
        )
        | _problem(
            503,
            "system_unavailable: a system failed or its outcome is unknown; the members order and system tell the "
            "rest. Or database_unavailable, or overloaded: repeat with the same key",
            RETRY_AFTER,
        )
    )


def _body_problems() -> dict[str, Any]:
    return _problem(413, "content_too_large") | _problem(415, "Not application/json: unsupported_media_type")


def _answer(
    status: int, description: str, schema: type[Schema] = OrderAnswerSchema, headers: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return _response(status, description, "application/json", schema, headers)


def _problem(status: int, description: str, headers: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return _response(status, description, MEDIA_TYPE, ProblemSchema, headers)


def _response(
    status: int, description: str, media_type: str, schema: type[Schema], headers: Mapping[str, Any] | None
) -> dict[str, Any]:
    content = {media_type: {"schema": schema}}
    return {str(status): {"description": description, "content": content, "headers": dict(headers or {})}}
