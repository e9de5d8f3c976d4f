"""The rows that TX1 writes, and the order's document."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from orderapp.domain.keys import effect_key
from orderapp.domain.orders import OrderDocument, as_spelt
from orderapp.domain.states import OrderState, PlacementState, StepState
from orderapp.services.access.attempt_counters import Allowance
from orderapp.services.placing.opening import Opening
from orderapp.services.saga.order_documents import inputs_text


def ordered_document(number: str, opening: Opening) -> OrderDocument:
    """Return the document that the external systems will see."""
    return OrderDocument(
        number=number,
        customer=opening.request.customer,
        lines=opening.priced.lines,
        subtotal=opening.priced.subtotal,
        total=opening.total,
        inputs=opening.request.inputs,
        discounts=opening.offered.discounts,
        in_shop=opening.submitted.by.client_id is None,
        language=opening.request.language,
        tax_percent=opening.tax_percent,
    )


def again_document(document: OrderDocument, opening: Opening) -> OrderDocument:
    """Return the document of an order that is retried, with the opening's prices and discounts."""
    return replace(
        as_spelt(document, opening.offered.spelt),
        lines=opening.priced.lines,
        subtotal=opening.priced.subtotal,
        total=opening.total,
        discounts=opening.offered.discounts,
    )


def order_row(order_id: uuid.UUID, number: str, opening: Opening) -> dict[str, Any]:
    """Return the new order's row, without its times."""
    return {
        "id": order_id,
        "number": number,
        "client_id": opening.submitted.by.client_id,
        "state": (OrderState.FAILED if opening.offered.stopped else OrderState.PLACING).value,
        "placement_number": 1,
        "customer_name": opening.request.customer.name,
        "customer_email": opening.request.customer.email,
        "customer_phone": opening.request.customer.phone,
        "inputs": inputs_text(opening.request.inputs),
        "language": opening.request.language,
        "currency": opening.priced.subtotal.currency,
        "subtotal_minor": opening.priced.subtotal.minor,
        "total_minor": opening.total.minor,
        "tax_percent": str(opening.tax_percent),
        "event_number": 1,
    }


def retry_row(order_id: uuid.UUID, number: int, opening: Opening) -> dict[str, Any]:
    """Return what a retry changes in its order's row."""
    return {
        "id": order_id,
        "placement_number": number,
        "inputs": inputs_text(opening.request.inputs),
        "total_minor": opening.total.minor,
    }


def placement_row(number: int, opening: Opening) -> dict[str, Any]:
    """Return a placement's row, without its order and times."""
    stopped = opening.offered.stopped
    return {
        "number": number,
        "state": (PlacementState.COMPENSATED if stopped else PlacementState.PLACING).value,
        "failed_system": stopped.system if stopped else None,
        "failed_outcome": stopped.outcome.value if stopped else None,
        "failed_code": stopped.code if stopped else None,
    }


def submission_row(opening: Opening) -> dict[str, Any]:
    """Return a submission's row, without its order, placement and lease."""
    return {
        "scope": opening.submitted.by.scope,
        "key": opening.submitted.key,
        "content_hash": str(opening.submitted.content_hash),
        "fencing": 1,
    }


def allowance_row(allowance: Allowance) -> dict[str, Any]:
    """Return what using up an allowance takes."""
    return {"bucket": allowance.bucket, "most": allowance.most, "window_seconds": allowance.window_seconds}


def line_rows(opening: Opening) -> list[dict[str, Any]]:
    """Return the rows of the lines, without their order."""
    return [
        {
            "position": position,
            "sku": line.sku,
            "name": line.name,
            "quantity": line.quantity,
            "price_minor": line.price.minor,
        }
        for position, line in enumerate(opening.priced.lines, start=1)
    ]


def discount_rows(opening: Opening) -> list[dict[str, Any]]:
    """Return the rows of the discounts, without their order."""
    return [
        {
            "source": one.source,
            "code": one.code,
            "amount_minor": one.amount.minor,
            "is_payment": one.is_payment,
        }
        for one in opening.offered.discounts
    ]


def step_rows(number: int, document: OrderDocument, opening: Opening) -> list[dict[str, Any]]:
    """Return the rows of a placement's steps, without order and placement, in the order of the calls."""
    stopped = opening.offered.stopped
    rows: list[dict[str, Any]] = []
    for position, system in enumerate(opening.systems, start=1):
        stops = stopped is not None and stopped.system == system.name
        refused = stops and stopped is not None and stopped.outcome.value == StepState.REFUSED.value
        rows.append(
            {
                "system": system.name,
                "position": position,
                "key": effect_key(document.number, number, system.name),
                "state": (StepState.REFUSED if refused else StepState.PLANNED).value,
                "outcome": stopped.outcome.value if stopped and stops else None,
                "code": stopped.code if stopped and stops else None,
            }
        )
    return rows
