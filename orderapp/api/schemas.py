"""Schemas of the API's answers; its description is made from them, so the two can't differ."""

from __future__ import annotations

from typing import Any

from marshmallow import fields
from marshmallow.validate import OneOf

from orderapp.domain.states import OrderState, StepState, TaskKind, TaskState
from orderapp.services.orders.answer_schema import Answer, MoneySchema, UtcTime
from orderapp.services.orders.views import OrderView


class ProductSchema(Answer):
    """A product at its present price."""

    sku = fields.String(required=True)
    name = fields.String(required=True)
    price = fields.Nested(MoneySchema, required=True)


class ProductsSchema(Answer):
    """Everything that is for sale."""

    products = fields.List(fields.Nested(ProductSchema), required=True)


class LineSchema(Answer):
    """A product as ordered, at the price of that moment."""

    sku = fields.String(required=True)
    name = fields.String(required=True)
    quantity = fields.Integer(required=True)
    price = fields.Nested(MoneySchema, required=True)


class DiscountSchema(Answer):
    """A discount, or a payment such as by gift card, and the system that granted it."""

    source = fields.String(required=True)
    code = fields.String(required=True)
    amount = fields.Nested(MoneySchema, required=True)


class StepSchema(Answer):
    """One blocking system's part in the present placement."""

    system = fields.String(required=True)
    state = fields.Enum(StepState, by_value=True, required=True)


class TaskSchema(Answer):
    """Work that must happen for the order."""

    kind = fields.String(required=True, validate=OneOf([kind.value for kind in TaskKind if kind is not TaskKind.JOB]))
    system = fields.String(required=True)
    state = fields.Enum(TaskState, by_value=True, required=True)
    attempts = fields.Integer(required=True)


class OrderSchema(Answer):
    """An order."""

    id = fields.UUID(required=True)
    number = fields.String(required=True, metadata={"description": "What the external systems get as order_ref"})
    state = fields.Enum(OrderState, by_value=True, required=True)
    placements = fields.Integer(required=True, metadata={"description": "Passes over the blocking systems so far"})
    lines = fields.List(fields.Nested(LineSchema), required=True)
    discounts = fields.List(fields.Nested(DiscountSchema), required=True, attribute="reductions")
    payments = fields.List(
        fields.Nested(DiscountSchema),
        required=True,
        metadata={"description": "Such as by gift card; already taken off"},
    )
    total = fields.Nested(MoneySchema, required=True, metadata={"description": "What is left to pay"})
    created_at = UtcTime(required=True)
    steps = fields.List(fields.Nested(StepSchema), required=True)
    tasks = fields.List(fields.Nested(TaskSchema), required=True)


class OrderAnswerSchema(Answer):
    """An answer that holds an order."""

    order = fields.Nested(OrderSchema, required=True)


class OrdersAnswerSchema(Answer):
    """A page of orders."""

    orders = fields.List(fields.Nested(OrderSchema), required=True)
    next = fields.String(
        required=True, allow_none=True, metadata={"description": "The cursor of the next page; null on the last one"}
    )


class TotalChangedSchema(Answer):
    """What an order would cost, where that isn't what was expected."""

    total = fields.Nested(MoneySchema)
    lines = fields.List(fields.Nested(LineSchema))
    discounts = fields.List(fields.Nested(DiscountSchema), attribute="reductions")
    payments = fields.List(fields.Nested(DiscountSchema))


class ProblemSchema(TotalChangedSchema):
    """An error (RFC 9457)."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "What happened, what was and wasn't done"})
    code = fields.String(required=True, metadata={"description": "The error's name for programs"})
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "What is wrong, by field, dotted like lines.0.sku"},
    )
    order = fields.Nested(OrderSchema)
    number = fields.String(metadata={"description": "Of an order that was archived"})
    system = fields.String(allow_none=True, metadata={"description": "The system that stood in the way, if it is one"})
    request_id = fields.String(required=True, metadata={"description": "To quote when asking what happened"})


_order = OrderSchema()


def order_json(order: OrderView) -> Any:
    """Return an order as the API shows it."""
    return _order.dump(order)
