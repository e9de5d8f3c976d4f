"""The receipt of a confirmed order: the same words for its page and its PDF."""

from __future__ import annotations

from dataclasses import dataclass

from orderapp.config import current_settings
from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.services.orders.views import OrderView
from orderapp.web.formats import amount_text, day, system_title
from orderapp.web.language import current, gettext
from orderapp.web.summary import tax_in


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says, as text in the language of the page."""

    title: str
    seller: tuple[str, ...]  # name, address, contact and tax number, a line each
    facts: tuple[tuple[str, str], ...]  # what the order is: label and text
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]  # a product each, with the texts of the columns
    sums: tuple[tuple[str, str], ...]  # label and amount; the last one is the total
    tax: str  # the tax that the total includes; empty if the shop shows none


def receipt_of(order: OrderView) -> Receipt | None:
    """Return an order's receipt; None for an order that isn't confirmed, which sells nothing."""
    if order.state is not OrderState.CONFIRMED:
        return None
    seller = current_settings().seller
    tax_id = gettext("Tax number: %(number)s", number=seller.tax_id) if seller.tax_id else ""
    return Receipt(
        title=gettext("Receipt"),
        seller=(*seller.lines, *([tax_id] if tax_id else [])),
        facts=(
            (gettext("Order number"), order.number),
            (gettext("Ordered"), day(order.created_at)),
            (gettext("Customer"), order.customer.name),
            (gettext("Payment"), _payment(order)),
        ),
        columns=(gettext("Product"), gettext("Quantity"), gettext("Price"), gettext("Amount")),
        rows=tuple(
            (line.name, current().number(line.quantity), amount_text(line.price), amount_text(line.total))
            for line in order.lines
        ),
        sums=(
            *((gettext("Discount %(code)s", code=one.code), f"−{amount_text(one.amount)}") for one in order.reductions),
            *(
                (gettext("Paid with %(system)s", system=system_title(one.source)), f"−{amount_text(one.amount)}")
                for one in order.payments
            ),
            (gettext("To pay") if order.payments else gettext("Total"), amount_text(order.total)),
        ),
        tax=tax_in(order.total, order.payments, order.tax_percent),
    )


def _payment(order: OrderView) -> str:
    """Return whether it is paid, which is known only once the payment was taken."""
    if not order.total.minor:
        return gettext("Nothing is left to pay")
    payments = [task for task in order.tasks if task.kind is TaskKind.SETTLE]
    taken = [task.at for task in payments if task.state is TaskState.DONE and task.at]
    if payments and len(taken) == len(payments):
        return gettext("Paid on %(day)s", day=day(max(taken)))
    return gettext("Not paid yet")
