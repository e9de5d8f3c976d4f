"""Reads which orders a client wants to see: filters, the size of a page, and where it begins."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from flask import request
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from orderapp.domain.keys import read_order_number
from orderapp.domain.states import OrderState
from orderapp.errors import InvalidRequest
from orderapp.services.orders.order_list import Edge, OrderFilter

DEFAULT_LIMIT, MOST_ORDERS = 50, 200
CURSOR = "Take the cursor from the member next of the page before, as it is."


class OrderQuerySchema(Schema):
    """The parameters of a list of orders."""

    class Meta:
        """Unknown parameters are mistakes: a filter that is dropped would show other orders."""

        unknown = RAISE

    state = fields.Enum(OrderState, by_value=True)
    created_from = fields.AwareDateTime(format="iso", metadata={"description": "RFC 3339; at this time or later"})
    created_to = fields.AwareDateTime(format="iso", metadata={"description": "RFC 3339; before this time"})
    email = fields.String(validate=validate.Length(1, 254), metadata={"description": "In any capitals"})
    number = fields.String(validate=validate.Length(1, 32), metadata={"description": "Even as it was heard"})
    limit = fields.Integer(load_default=DEFAULT_LIMIT, validate=validate.Range(1, MOST_ORDERS))
    cursor = fields.String(validate=validate.Length(1, 100), metadata={"description": CURSOR})


_query = OrderQuerySchema()


def read_order_query() -> tuple[OrderFilter, int, Edge | None]:
    """Return the request's filter, limit and cursor. Raises InvalidRequest."""
    doubled = {name: ["Give it once."] for name, values in request.args.lists() if len(values) > 1}
    if doubled:
        raise InvalidRequest(doubled)
    try:
        sent: Mapping[str, Any] = _query.load(request.args.to_dict())
    except ValidationError as error:
        messages: Any = error.messages
        raise InvalidRequest({name: [str(one) for one in said] for name, said in messages.items()}) from error
    wanted = OrderFilter(
        state=sent.get("state"),
        created_from=sent.get("created_from"),
        created_to=sent.get("created_to"),
        email=sent.get("email", "").strip(),
        number=read_order_number(sent["number"]) if "number" in sent else "",
    )
    return wanted, sent["limit"], _edge(sent["cursor"]) if "cursor" in sent else None


def cursor_of(edge: Edge | None) -> str | None:
    """Return where the next page begins, as text that clients send back."""
    if edge is None:
        return None
    return base64.urlsafe_b64encode(f"{edge.created_at.isoformat()} {edge.order_id}".encode()).decode()


def _edge(cursor: str) -> Edge:
    try:
        at, order_id = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode().split(" ")
        edge = Edge(dt.datetime.fromisoformat(at), uuid.UUID(order_id))
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest({"cursor": [CURSOR]}) from error
    if edge.created_at.tzinfo is None:
        raise InvalidRequest({"cursor": [CURSOR]})
    return edge
