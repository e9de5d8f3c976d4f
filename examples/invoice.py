"""An invoice: stored by PUT once the order is paid, deleted when the order is cancelled.

Run it: ORDERAPP_PLUGINS=examples.invoice make run, then look at Invoice in the sandbox.
"""

from __future__ import annotations

from typing import ClassVar

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from markupsafe import escape

from orderapp.ext import (
    Answer,
    Content,
    Effect,
    Finding,
    Guarantee,
    HttpSystem,
    Kept,
    OrderDocument,
    OrderRequest,
    Outcome,
    Part,
    Progress,
    Received,
    Report,
    Sandbox,
    amount_text,
    unreadable,
)


def stand_in(site: Blueprint, kept: Kept) -> None:
    """Stand in for the store of documents."""

    @site.put("/documents/<key>")
    def store(key: str) -> ResponseReturnValue:
        with kept.change() as rows:
            if rows.get(key) is None:
                rows.done(key, key.partition(":")[0], {"bytes": len(request.data)})
            rows.put(key, {"text": request.get_data(as_text=True)})
        return "", 204

    @site.get("/documents/<key>")
    def show(key: str) -> ResponseReturnValue:
        with kept.change() as rows:
            found = rows.get(key)
        return Response(found["text"], mimetype="text/html") if found and found["text"] else ("", 404)

    @site.delete("/documents/<key>")
    def delete(key: str) -> ResponseReturnValue:
        with kept.change() as rows:
            found = rows.get(key)
            if found and found["text"]:
                rows.undone(key, key.partition(":")[0], {})
            rows.put(key, {"text": ""})
        return "", 204


def page(order: OrderDocument) -> bytes:
    """Return the invoice, always the same for the same order."""
    lines = "".join(f"<li>{line.quantity} x {escape(line.name)}: {amount_text(line.total)}" for line in order.lines)
    return f"<h1>Invoice {order.number}</h1><ul>{lines}</ul><p>Paid: {amount_text(order.total)}".encode()


def _stored(received: Received) -> Answer:
    """Return the answer; a success without the documented 204 proves nothing."""
    documented = received.status == 204 or received.answer.outcome is not Outcome.DONE
    return received.answer if documented else unreadable(received)


class Invoice(HttpSystem):
    """Invoices of paid orders."""

    name: ClassVar[str] = "invoice"
    title: ClassVar[str] = "Invoice"
    part: ClassVar[Part] = Part.TASK
    guarantee: ClassVar[Guarantee] = Guarantee.QUERY_FIRST
    calls_per_run: ClassVar[int] = 2
    after: ClassVar[tuple[str, ...]] = ("settlement",)
    progress: ClassVar[Progress] = Progress("On its way", "Ready", "Delayed; we look after it")
    sandbox: ClassVar[Sandbox] = Sandbox(stand_in)

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Return True: every order gets one."""
        return True

    def act(self, effect: Effect) -> Answer:
        """Store it under the effect's key."""
        invoice = Content(page(effect.order), "text/html")
        return _stored(self.call("PUT", f"/documents/{effect.key}", effect.order, content=invoice))

    def ask(self, effect: Effect) -> Report:
        """Fetch it; only the invoice itself proves that it is there."""
        received = self.call("GET", f"/documents/{effect.key}", effect.order, fresh=True)
        if received.status == 404:
            return Report(Finding.ABSENT, Answer(Outcome.DONE, exchanges=received.answer.exchanges))
        return Report(Finding.IN_PLACE if received.raw == page(effect.order) else Finding.UNCLEAR, received.answer)

    def undo(self, effect: Effect, report: Report | None) -> Answer:
        """Delete it."""
        return _stored(self.call("DELETE", f"/documents/{effect.key}", effect.order))
