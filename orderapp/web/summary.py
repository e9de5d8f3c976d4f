"""What the order form says about its cost: lines, discounts, tax, the total, and the words of its button."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from babel.numbers import format_percent
from flask import request, session

from orderapp import load_shedding
from orderapp.config import current_settings
from orderapp.domain import taxes
from orderapp.domain.inputs import Inputs
from orderapp.domain.money import Money
from orderapp.domain.orders import NOBODY, Discount, Line, LineRequest, OrderRequest, Reduced
from orderapp.domain.verbs import Verb
from orderapp.errors import InvalidRequest, TooManyAttempts
from orderapp.services.orders.catalogue import ProductView
from orderapp.services.placing import submitters
from orderapp.services.placing.preview import Preview, may_take_off, preview
from orderapp.web import order_form
from orderapp.web.formats import amount_text, system_title
from orderapp.web.language import current, declared, gettext, lazy_gettext
from orderapp.web.order_form import OrderForm

PAY = lazy_gettext("Order and pay %(total)s")
PAY_AT_MOST = lazy_gettext("Order and pay at most %(total)s")
NOT_KNOWN = lazy_gettext("A discount can't be checked at the moment. If it is valid, it is taken off when you order.")
TAX = lazy_gettext("Includes %(tax)s tax (%(rate)s).")


def pay_button(total: Money) -> str:
    """Return what the button says that orders at this total."""
    return PAY % {"total": amount_text(total)} if total.minor else gettext("Order for free")


@dataclass(frozen=True, slots=True)
class Summary(Reduced):
    """What an order costs, as far as it is known before it is placed."""

    lines: tuple[Line, ...] = ()
    discounts: tuple[Discount, ...] = ()
    total: Money | None = None  # None: nothing is chosen, or what is chosen can't be ordered
    is_exact: bool = False  # whether it costs exactly this; otherwise at most this
    notes: tuple[str, ...] = ()  # what the customer should know about the codes
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)  # codes that can't be used, by field

    @property
    def agreed(self) -> str:
        """The total that the customer agrees to with the button, as a hidden field has it; empty if it isn't known."""
        return order_form.money_field(self.total) if self.is_exact and self.total else ""

    @property
    def button(self) -> str:
        """What the button does."""
        if self.total is None:
            return gettext("Place the order")
        return pay_button(self.total) if self.is_exact else PAY_AT_MOST % {"total": amount_text(self.total)}

    @property
    def told(self) -> str:
        """What is announced of it once the codes were checked."""
        told = list(self.notes)
        if self.total and self.discounts:
            told.append(gettext("With your discount, the total is %(total)s.", total=amount_text(self.total)))
        return " ".join(told)

    @property
    def tax(self) -> str:
        """The tax that the total includes; empty if the shop shows none."""
        return "" if self.total is None else tax_in(self.total, self.payments, current_settings().tax_percent)


def tax_in(total: Money, payments: Sequence[Discount], percent: Decimal) -> str:
    """Return which tax a total includes, as text; empty if the shop shows none.

    Args:
        total: What is left to pay.
        payments: What is paid by other means, such as a gift card: that doesn't change the tax.
        percent: The rate; 0 for none.
    """
    if not percent:
        return ""
    paid = sum(one.amount.minor for one in payments)
    included = taxes.included_in(Money(total.minor + paid, total.currency), percent)
    return TAX % {"tax": amount_text(included), "rate": _rate(percent)}


def at_prices(form: OrderForm, products: Sequence[ProductView]) -> Summary:
    """Return the summary of a form at the prices of these products; no system is asked."""
    return at_prices_of(form.chosen(), products, {name: text for name, text in form.inputs.items() if text})


def at_prices_of(
    chosen: Mapping[str, int], products: Sequence[ProductView], inputs: Mapping[str, str] | None = None
) -> Summary:
    """Return the summary of products and how many of each, by SKU; no system is asked.

    Args:
        chosen: The quantities; those of other products are left out.
        products: The products at their prices.
        inputs: What was typed in for systems, by name.
    """
    lines = tuple(Line(one.sku, one.name, chosen[one.sku], one.price) for one in products if one.sku in chosen)
    if not lines or len({line.price.currency for line in lines}) > 1:
        return Summary()
    total = Money(sum(line.total.minor for line in lines), lines[0].price.currency)
    asked = OrderRequest(NOBODY, tuple(LineRequest(line.sku, line.quantity) for line in lines), Inputs(inputs or {}))
    return Summary(lines, total=total, is_exact=not may_take_off(asked, current_settings().systems))


def with_discounts(form: OrderForm) -> Summary:
    """Return the summary of a form, with the discounts that the systems would give for its codes.

    Raises:
        InvalidRequest: nothing is chosen, or what is chosen can't be ordered.
        TooManyAttempts: too many codes were tried.
    """
    settings = current_settings()
    by = submitters.passer_by(request.remote_addr, session.get("csrf_token"))
    ask = not load_shedding.is_crowded()
    found = preview(order_form.to_cart(form, settings.systems.inputs), by, settings, ask=ask)
    return Summary(
        found.lines,
        found.discounts,
        found.total,
        found.is_known and not found.refused,
        tuple(_notes(found)),
        found.problems,
    )


def as_shown(form: OrderForm) -> Summary | None:
    """Return the summary with the discounts that the page showed before; None if it showed none.

    The systems are asked again, which counts as no further guess.
    """
    if form.expected_total is None or not any(form.inputs.values()):
        return None
    try:
        return with_discounts(form)
    except (InvalidRequest, TooManyAttempts):
        return None


def discounts_come_by_themselves() -> bool:
    """Return whether a system may take something off without any code."""
    return may_take_off(OrderRequest(NOBODY, ()), current_settings().systems)


def priced_inputs() -> frozenset[str]:
    """Return the names of the inputs that may change the price."""
    systems = current_settings().systems.values()
    return frozenset(code.name for system in systems if system.can(Verb.QUOTE) for code in system.inputs)


def texts_for_script() -> dict[str, str]:
    """Return the texts with which the page's script keeps the summary up to date, by their data attributes.

    The script replaces {total} and {tax}; the tax's rate in percent is among them.
    """
    percent = current_settings().tax_percent
    return {
        "pay": PAY % {"total": "{total}"},
        "pay-at-most": PAY_AT_MOST % {"total": "{total}"},
        "free": gettext("Order for free"),
        "choose": gettext("Place the order"),
        "total-label": gettext("Total"),
        "not-checked": str(NOT_KNOWN),
        "tax": TAX % {"tax": "{tax}", "rate": _rate(percent)} if percent else "",
        "tax-percent": str(percent),
    }


def _rate(percent: Decimal) -> str:
    return format_percent(percent / 100, locale=current().code, decimal_quantization=False)


def _notes(found: Preview) -> list[str]:
    systems = current_settings().systems
    notes = []
    for stopped in found.refused:
        told = systems[stopped.system].refusals.get(stopped.code)
        unknown = gettext("%(system)s: this can't be used for this order.", system=system_title(stopped.system))
        notes.append(declared(told) if told else unknown)
    if not found.is_known:
        notes.append(str(NOT_KNOWN))
    return notes
