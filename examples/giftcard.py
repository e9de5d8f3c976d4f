"""A gift card: customers type its code, and pay with what is left on it. Not idempotent, so it is asked first.

Run it: ORDERAPP_PLUGINS=examples.giftcard make run, then pay with GIFT20.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from orderapp.ext import (
    PAYMENT,
    Answer,
    Code,
    Effect,
    Finding,
    Guarantee,
    HttpSystem,
    Kept,
    OrderDocument,
    OrderRequest,
    Outcome,
    Part,
    Quote,
    Report,
    Sandbox,
    unreadable,
    whole,
)


def stand_in(site: Blueprint, kept: Kept) -> None:
    """Stand in for the card company, with the cards that `Giftcard.sandbox` names."""

    @site.get("/cards/<code>")
    def show(code: str) -> ResponseReturnValue:
        with kept.change() as rows:
            card = rows.get(code)
        return ({"balance": card["balance"]}, 200) if card else _error(404, "card_not_found")

    @site.post("/payments")
    def pay() -> ResponseReturnValue:
        asked: dict[str, Any] = request.get_json()
        with kept.change() as rows:
            card = rows.get(asked["code"])
            if card is None or card["balance"] < asked["amount"]:
                return _error(409, "card_empty")
            payment = {"id": secrets.token_hex(4), **asked, "undone": False}
            rows.put(asked["code"], {"balance": card["balance"] - asked["amount"]})
            rows.put(payment["id"], payment)
            rows.done(asked["reference"], asked["order"], asked, payment["id"])
        return payment, 201

    @site.get("/payments")
    def find() -> ResponseReturnValue:
        with kept.change() as rows:
            found = [row for row in rows.all().values() if row.get("reference") == request.args["reference"]]
        return {"payments": found}

    @site.post("/payments/<payment_id>/refund")
    def refund(payment_id: str) -> ResponseReturnValue:
        with kept.change() as rows:
            payment = rows.get(payment_id)
            if payment is None:
                return _error(404, "payment_not_found")
            if not payment["undone"]:
                card = rows.get(payment["code"]) or {"balance": 0}
                rows.put(payment["code"], {"balance": card["balance"] + payment["amount"]})
                rows.put(payment_id, {**payment, "undone": True})
                rows.undone(payment["reference"], payment["order"], payment, payment_id)
        return {"id": payment_id, "undone": True}


def _error(status: int, code: str) -> ResponseReturnValue:
    return {"error": {"code": code, "message": code}}, status


class Giftcard(HttpSystem):
    """Payments with gift cards; concerns only orders with a card's code."""

    name: ClassVar[str] = "giftcard"
    title: ClassVar[str] = "Gift card"
    part: ClassVar[Part] = Part.BLOCKING
    guarantee: ClassVar[Guarantee] = Guarantee.QUERY_FIRST
    position: ClassVar[int] = 40
    calls_per_run: ClassVar[int] = 2
    check_path: ClassVar[str] = "/cards/doctor"
    is_payment: ClassVar[bool] = True
    inputs: ClassVar[tuple[Code, ...]] = (Code("giftcard", "Gift card code", guessable=True, section=PAYMENT),)
    refusals: ClassVar[Mapping[str, str]] = {
        "card_empty": "There isn't enough left on your gift card.",
        "card_not_found": "We don't know this gift card. Check its code.",
    }
    example: ClassVar[Mapping[str, str]] = {"giftcard": "GIFT20"}
    sandbox: ClassVar[Sandbox] = Sandbox(stand_in, {"GIFT20": {"balance": 2000}}, undo_paths=("/refund",))
    late_window_seconds = 10.0

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Return whether the order has a gift card."""
        return bool(order.inputs["giftcard"])

    def quote(self, request: OrderRequest) -> Quote:
        """Return what is left on the card, which pays for as much of the order."""
        code = request.inputs["giftcard"]
        received = self.call("GET", f"/cards/{code}", request)
        if received.status == 404:
            return Quote(received.answer, refused="card_not_found", field="giftcard")
        balance = whole((received.body or {}).get("balance"))
        if balance is None:
            return Quote(unreadable(received) if received.answer.outcome is Outcome.DONE else received.answer)
        if not balance:
            return Quote(received.answer, refused="card_empty")
        return Quote(received.answer, code=code, kind="amount", value=balance, currency="EUR")

    def act(self, effect: Effect) -> Answer:
        """Pay once more, under our reference."""
        order = effect.order
        amount = order.taken_off(self).minor
        asked = {"code": order.inputs["giftcard"], "amount": amount, "reference": effect.key, "order": order.number}
        received = self.call("POST", "/payments", order, json_body=asked, echoes=effect.key)
        answered = received.body or {}
        paid = answered.get("reference") == effect.key and answered.get("undone") is False
        return received.answer if paid or received.answer.outcome is not Outcome.DONE else unreadable(received)

    def ask(self, effect: Effect) -> Report:
        """Ask which payments carry our reference."""
        received = self.call("GET", f"/payments?reference={effect.key}", effect.order, fresh=True)
        payments = (received.body or {}).get("payments")
        if received.answer.outcome is not Outcome.DONE or not isinstance(payments, list):
            return Report(Finding.UNCLEAR, unreadable(received))
        ids = tuple(str(one["id"]) for one in payments if not one["undone"])
        return Report(Finding.IN_PLACE if ids else Finding.UNDONE if payments else Finding.ABSENT, received.answer, ids)

    def undo(self, effect: Effect, report: Report | None) -> Answer:
        """Refund every payment that the report names."""
        answer = Answer(Outcome.DONE)
        for payment_id in report.effects if report else ():
            received = self.call("POST", f"/payments/{payment_id}/refund", effect.order, json_body={})
            undone = received.body == {"id": payment_id, "undone": True}
            said = received.answer if undone or received.answer.outcome is not Outcome.DONE else unreadable(received)
            answer = replace(said, exchanges=(*answer.exchanges, *said.exchanges))
            if answer.outcome is not Outcome.DONE:
                break
        return answer
