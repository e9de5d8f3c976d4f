"""Orders and products over the API: parses, calls one service, answers."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, jsonify, url_for

from orderapp.api.access import client_id
from orderapp.api.blueprint import api
from orderapp.api.order_queries import cursor_of, read_order_query
from orderapp.api.problems import problem
from orderapp.api.reading import read_idempotency_key, read_json, read_json_if_any, read_order_id
from orderapp.api.schemas import ProductsSchema, order_json
from orderapp.config import current_settings
from orderapp.errors import NotFound
from orderapp.services.orders import catalogue
from orderapp.services.orders.cancel import cancel_order
from orderapp.services.orders.order_list import list_orders
from orderapp.services.orders.request_schema import read_order, read_retry
from orderapp.services.orders.views import OrderView, find_order_of_client
from orderapp.services.placing import submitters
from orderapp.services.placing.place import Placed, Placing, Result
from orderapp.services.saga.archived_keys import refuse_archived_key
from orderapp.services.saga.content_hashes import hash_retry
from orderapp.services.saga.submissions import client_scope

# A system's refusal code is passed on only in this form; any other could be mistaken for one of our codes.
WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Most compensations are complete after a second or two, though most outages last longer.
SYSTEM_RETRY_SECONDS = 5

_products = ProductsSchema()


@api.get("/products")
def list_products() -> Response:
    """Answer with everything that is for sale."""
    return jsonify(_products.dump({"products": catalogue.list_products()}))


@api.post("/orders")
def place() -> Response:
    """Place an order, or answer with the one that the key already led to."""
    content = read_json()
    key, client, settings = read_idempotency_key(), client_id(), current_settings()
    request = read_order(content, settings.systems.inputs, settings.phones)
    return _answer(Placing(settings).submit(request, key, submitters.client(client, request.customer)))


@api.get("/orders")
def list_own() -> Response:
    """Answer with this client's orders, newest first, page by page."""
    wanted, limit, after = read_order_query()
    page = list_orders(client_id(), wanted, limit, after)
    return jsonify({"orders": [order_json(order) for order in page.orders], "next": cursor_of(page.next)})


@api.get("/orders/<order_id>")
def show(order_id: str) -> Response:
    """Answer with an order of this client's."""
    return jsonify({"order": order_json(find_order_of_client(read_order_id(order_id), client_id()))})


@api.post("/orders/<order_id>/retry")
def retry(order_id: str) -> Response:
    """Place a failed order again."""
    key, client, wishes = read_idempotency_key(), client_id(), read_retry(read_json_if_any())
    wanted = read_order_id(order_id)
    try:
        order = find_order_of_client(wanted, client)
    except NotFound:
        # A repeat of a retry whose order was archived since.
        refuse_archived_key(client_scope(client), key, hash_retry(wanted))
        raise
    by = submitters.client(client, order.customer)
    return _answer(Placing(current_settings()).retry(order.id, key, by, wishes))


@api.post("/orders/<order_id>/cancel")
def cancel(order_id: str) -> tuple[Response, int]:
    """Cancel a confirmed order."""
    order = find_order_of_client(read_order_id(order_id), client_id())
    return jsonify({"order": order_json(cancel_order(order.id, current_settings()))}), 202


def _answer(placed: Placed) -> Response:
    order = order_json(placed.order)
    if placed.result in (Result.CONFIRMED, Result.REPLAYED):
        response = jsonify({"order": order})
        response.headers["Location"] = url_for("api.show", order_id=placed.order.id)
        if placed.result is Result.CONFIRMED:
            response.status_code = 201
        else:
            response.headers["Idempotent-Replayed"] = "true"
        return response
    return _stopped(placed, order)


def _stopped(placed: Placed, order: Any) -> Response:
    stopped = placed.stopped
    system, code = (stopped.system or None, stopped.code) if stopped else (None, "")
    if placed.result is Result.REFUSED:
        code = code if WORD.fullmatch(code) else "refused"
        detail = f"The order wasn't placed: {system} refused it ({code}). {_held(placed.order)}"
        return problem(422, code, detail, order=order, system=system)
    who = f"{system} gave no reliable answer" if system else "it was interrupted"
    detail = f"The order wasn't placed: {who}. {_held(placed.order)}"
    headers = {"Retry-After": str(SYSTEM_RETRY_SECONDS)}
    return problem(503, "system_unavailable", detail, headers, order=order, system=system)


def _held(order: OrderView) -> str:
    if order.is_final:
        return "Nothing is held anywhere; it can be tried again with the order's retry."
    return "What was reserved is being given back; when the order is failed, it can be tried again with its retry."
