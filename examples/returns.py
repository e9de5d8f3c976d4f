"""Returns of goods: the warehouse is told what comes back, part of the money goes back, and the customer gets a mail.

A chain of jobs, because a return is work after an order: no customer waits for it. Each job enqueues the next one in
the transaction that ends its own work, so nothing is left out, and each call has a key, so nothing is done twice.

Run it: RETURNS_URL=… WAREHOUSE_URL=… REFUNDS_URL=… MAILER_URL=… ORDERAPP_PLUGINS=examples.returns make run
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from orderapp.ext import (
    HTTP_SCHEMES,
    ConfigurationError,
    Customer,
    Every,
    HttpClient,
    Money,
    OrderDocument,
    Outcome,
    Run,
    amount_text,
    enqueue,
    job,
)


@job("returns-arrive", every=Every(300), title="Ask for returns")
def arrive(run: Run) -> str:
    """Ask the page where customers announce returns for those that are open, and begin with each of them once."""
    found = call(run, "RETURNS", "GET", "/v1/returns?state=open&limit=100")["returns"]
    with run.transaction() as session:
        for one in found:
            enqueue(announce, session, key=one["number"], order=one["order_ref"], lines=one["lines"])
    return f"{len(found)} are open"


@job("returns-announce", title="Announce a return to the warehouse")
def announce(run: Run) -> str:
    """Tell the warehouse what comes back; then the money goes back."""
    order = ordered(run)
    if order is None:
        close(run)
        return "nothing to do: the order was cancelled, or isn't there any more"
    lines = run.arguments["lines"]
    amount = worth(order, lines)
    call(run, "WAREHOUSE", "POST", "/v1/arrivals", {"order_ref": order.number, "lines": lines})
    with run.transaction() as session:
        enqueue(refund, session, key=run.key, order=order.number, amount=amount.as_json())
    return "announced"


@job("returns-refund", title="Refund a return")
def refund(run: Run) -> str:
    """Have the bank give back part of the settlement; then the customer is told. The bank knows what it gave back."""
    order = ordered(run)
    if order is None:
        close(run)
        return "nothing to do: the order was cancelled, and all of it was refunded"
    amount = run.arguments["amount"]
    answered = call(run, "REFUNDS", "POST", "/v1/refunds", {"order_ref": order.number, "amount": amount})
    if answered["refund"]["state"] == "pending":
        run.snooze(60, "the bank finishes it later")
    with run.transaction() as session:
        enqueue(tell, session, key=run.key, order=order.number, amount=amount)
    return amount_text(Money(amount["value"], amount["currency"]))


@job("returns-tell", title="Write to the customer about a return")
def tell(run: Run) -> None:
    """Write to the customer, and close the return where it was announced."""
    order, amount = ordered(run), run.arguments["amount"]
    if order is not None:
        back = amount_text(Money(amount["value"], amount["currency"]))
        text = f"We have got your return {run.key} of order {order.number}. {back} are on their way to you."
        mail = {"to": order.mail_to, "subject": f"Your return {run.key}", "text": text}
        call(run, "MAILER", "POST", "/v1/messages", mail, about=order.customer)
    close(run)


def close(run: Run) -> None:
    """Close the return where it was announced."""
    call(run, "RETURNS", "POST", f"/v1/returns/{quote(run.key, safe='')}/close", {})


def ordered(run: Run) -> OrderDocument | None:
    """Return the order of a return, if it is still confirmed."""
    found = run.order(run.arguments["order"])
    return found.document if found is not None and found.state == "confirmed" else None


def worth(order: OrderDocument, lines: Iterable[Mapping[str, Any]]) -> Money:
    """Return what goes back for these lines. What was taken off the order was taken off each line in proportion."""
    ordered_lines = {line.sku: line for line in order.lines}
    minor = 0
    for one in lines:
        line = ordered_lines[one["sku"]]
        if not 0 < one["quantity"] <= line.quantity:
            raise ValueError(f"{one['quantity']} of {line.sku}, of which {line.quantity} were ordered")
        minor += line.price.minor * one["quantity"]
    return Money(minor * order.total.minor // max(1, order.subtotal.minor), order.total.currency)


def call(
    run: Run,
    partner: str,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    about: Customer | None = None,
) -> Mapping[str, Any]:
    """Call a partner under the key of the return, and return what it answered.

    Staff get what it refuses at once; anything else is tried again under the same key.
    """
    address = run.env.address(partner, HTTP_SCHEMES)
    if not address:
        raise ConfigurationError(f"{partner}_URL isn't set")
    client = HttpClient(address, run.env.timeouts(f"{partner}_TIMEOUT"), run.env.secret(f"{partner}_TOKEN"))
    private = (about.name, about.email) if about else ()
    received = client.call(
        method, path, json_body=body, headers={"Idempotency-Key": f"return:{run.key}"}, private=private
    )
    said = f"{partner.lower()} {received.answer.message or 'gave no answer that can be read'}"
    if received.answer.outcome is Outcome.REFUSED:
        run.needs_attention(said)
    if received.answer.outcome is not Outcome.DONE or received.body is None:
        run.try_again(said)
    return received.body
