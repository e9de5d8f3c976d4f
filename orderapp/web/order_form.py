"""The order form's values: kept as typed, and turned into a submission's content."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from werkzeug.datastructures import MultiDict

from orderapp.domain.customers import PhoneRules
from orderapp.domain.inputs import ABOUT_YOU, Code
from orderapp.domain.money import Money
from orderapp.domain.orders import MAX_QUANTITY, OrderRequest
from orderapp.domain.typed_text import hidden_in, trimmed
from orderapp.errors import InvalidRequest
from orderapp.services.orders import request_schema
from orderapp.web import language
from orderapp.web.mistakes import as_read
from orderapp.web.order_reference import names_retry

KEY_BYTES = 24  # 192 random bits: nobody guesses another customer's key, and none comes twice
QUANTITY_PREFIX, SHOWN_PREFIX = "quantity:", "shown:"
TEXT_FIELDS = ("name", "email", "phone")
# Messages for empty fields; all other messages come from the code that checks the value.
LEFT_EMPTY = {"name": "Enter your name.", "email": "Enter your e-mail address, like name@example.com."}
# A new order would use up the key, and the failed order could never be tried again.
RETRY_KEY = (
    "This form came with the key by which another order is tried again. Nothing was ordered; check your order and "
    "place it as a new one."
)
_KEY = re.compile(r"[A-Za-z0-9_-]{22,64}")
_MONEY = re.compile(r"([0-9]{1,13}) ([A-Z]{3})")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")


def new_key() -> str:
    """Return a fresh idempotency key, for a new order."""
    return secrets.token_urlsafe(KEY_BYTES)


@dataclass(frozen=True, slots=True)
class OrderForm:
    """The form's content as typed, right or wrong; `quantities` is by SKU, `doubled` are fields that came twice."""

    key: str = field(default_factory=new_key)
    name: str = ""
    email: str = ""
    phone: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)  # what systems ask for, by name
    allow_duplicate: bool = False
    quantities: Mapping[str, str] = field(default_factory=dict)
    # The price of each product on the page, by SKU, as the customer saw it; compared, never trusted.
    shown: Mapping[str, Money] = field(default_factory=dict)
    # The total that the page showed, with all discounts; None if it couldn't show one.
    expected_total: Money | None = None
    doubled: tuple[str, ...] = ()
    came_with_retry_key: bool = False
    again: str = ""  # the page of an earlier order, whose products it shows instead of those in the basket

    def chosen(self) -> dict[str, int]:
        """Return the quantities above 0 by SKU, as far as they are numbers."""
        numbers = {sku: int(text) for sku, text in self.quantities.items() if _WHOLE_NUMBER.fullmatch(text)}
        return {sku: number for sku, number in numbers.items() if number > 0}

    def content(self, declared: Mapping[str, Code]) -> dict[str, Any]:
        """Return the submission's content in the shape of the JSON API; quantities that aren't numbers are left out."""
        customer = {"name": self.name, "email": self.email, "phone": self.phone}
        content: dict[str, Any] = {
            "customer": customer,
            "lines": [{"sku": sku, "quantity": number} for sku, number in self.chosen().items()],
            "duplicate": "allow" if self.allow_duplicate else "refuse",
            "language": language.current().code,
        }
        for name, value in self.inputs.items():
            (customer if declared[name].customer else content)[name] = value
        return content

    def expected_subtotal(self) -> Money | None:
        """Return the chosen products' cost by the prices on the page; None if not all of them were on it."""
        prices = [(self.shown.get(sku), number) for sku, number in self.chosen().items()]
        amounts = [price.times(number) for price, number in prices if price is not None]
        if not amounts or len(amounts) < len(prices) or len({amount.currency for amount in amounts}) > 1:
            return None
        return Money(sum(amount.minor for amount in amounts), amounts[0].currency)

    def problems(self) -> dict[str, list[str]]:
        """Return the errors of the form itself: quantities, no choice, fields that came twice."""
        found = {
            QUANTITY_PREFIX + sku: [problem] for sku, text in self.quantities.items() if (problem := _problem(text))
        }
        found.update({name: ["This came twice; please type it again."] for name in self.doubled})
        if self.came_with_retry_key:
            found[""] = [RETRY_KEY]
        if not found and not self.chosen():
            found["lines"] = ["Choose at least one product."]
        return found

    def fields(self) -> list[tuple[str, str]]:
        """Return the form as hidden fields, to be sent again just as it is."""
        texts = [("key", self.key), *((name, getattr(self, name)) for name in TEXT_FIELDS), *self.inputs.items()]
        texts += [(QUANTITY_PREFIX + sku, text) for sku, text in self.quantities.items()]
        texts += [("again", self.again)] if self.again else []
        texts += [(SHOWN_PREFIX + sku, money_field(price)) for sku, price in self.shown.items()]
        return texts + ([("expected_total", money_field(self.expected_total))] if self.expected_total else [])

    def under_new_key(self) -> OrderForm:
        """Return the same content as a new order."""
        return replace(self, key=new_key())


def read(sent: MultiDict[str, str], declared: Mapping[str, Code]) -> OrderForm:
    """Read the form as sent; a missing or malformed key is replaced, everything else is kept as typed."""
    key = sent.get("key", "")
    return OrderForm(
        key=key if _KEY.fullmatch(key) and not names_retry(key) else new_key(),
        **{name: trimmed(sent.get(name, "")) for name in TEXT_FIELDS},
        inputs={name: trimmed(sent[name]) for name in declared if name in sent},
        allow_duplicate=sent.get("duplicate") == "allow",
        quantities=quantities_in(sent),
        shown={
            name.removeprefix(SHOWN_PREFIX): price
            for name, text in sent.items()
            if name.startswith(SHOWN_PREFIX) and (price := read_money(text)) is not None
        },
        expected_total=read_money(sent.get("expected_total", "")),
        doubled=tuple(name for name, texts in sent.lists() if len(texts) > 1),
        came_with_retry_key=names_retry(key),
        again=sent.get("again", ""),
    )


def quantities_in(sent: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed as quantities, by SKU. A name that no SKU can have is left out: PostgreSQL refuses some."""
    typed = {name: text for name, text in sent.items() if name.startswith(QUANTITY_PREFIX)}
    named = ((name.removeprefix(QUANTITY_PREFIX), text) for name, text in typed.items())
    return {sku: trimmed(text) for sku, text in named if not hidden_in(sku)}


def to_request(form: OrderForm, declared: Mapping[str, Code], phones: PhoneRules) -> OrderRequest:
    """Return the customer's order request. Raises one InvalidRequest with all errors.

    Args:
        form: What was typed.
        declared: What systems ask customers for, by name.
        phones: Which phone numbers are accepted.
    """
    problems = form.problems()
    try:
        request = request_schema.read_order(form.content(declared), declared, phones)
    except InvalidRequest as error:
        # Nobody can say whether the lines are enough while one of them isn't a number.
        others = {path: messages for path, messages in error.errors.items() if path != "lines" or not problems}
        raise InvalidRequest(others | problems) from error
    if problems:
        raise InvalidRequest(problems)
    expected, subtotal = form.expected_total, form.expected_subtotal()
    if request.inputs and expected == subtotal:
        # Without a script, a code can be typed in after the total was shown. Then the order costs at most that.
        expected = None
    return replace(request, expected_total=expected, expected_subtotal=subtotal)


def to_cart(form: OrderForm, declared: Mapping[str, Code]) -> OrderRequest:
    """Return what the price depends on: lines and inputs. Raises one InvalidRequest with all errors of these."""
    problems = form.problems()
    if problems:
        raise InvalidRequest(problems)
    return request_schema.read_cart(form.content(declared), declared)


def money_field(amount: Money) -> str:
    """Return an amount as written in a hidden field: "1250 EUR"."""
    return f"{amount.minor} {amount.currency}"


def read_money(text: str) -> Money | None:
    """Return the amount in a hidden field; None if the text isn't one that we write."""
    read = _MONEY.fullmatch(text)
    return Money(int(read[1]), read[2]) if read else None


def messages_by_field(
    error: InvalidRequest, form: OrderForm, skus: Sequence[str], declared: Mapping[str, Code]
) -> dict[str, str]:
    """Return one message per form field, in the order of the page; "lines" is the choice of products, "" the form.

    The form's own message about a quantity replaces all other messages about that line.

    Args:
        error: The errors, by dotted path.
        form: The form as sent; its lines are counted as in `content`.
        skus: The products on the page, in their order.
        declared: What systems ask customers for, by name.
    """
    found: dict[str, list[str]] = {}
    # The part about the customer comes first on the page.
    texts = (*TEXT_FIELDS, *sorted(declared, key=lambda name: declared[name].section != ABOUT_YOU))
    fields = {path: _field_of(path, list(form.chosen()), skus, texts) for path in error.errors}
    told = {name for path, name in fields.items() if path.startswith(QUANTITY_PREFIX)} - {""}
    for path, messages in error.errors.items():
        name = fields[path]
        if name in told and not path.startswith(QUANTITY_PREFIX):
            continue
        left_empty = name in LEFT_EMPTY and not getattr(form, name)
        found.setdefault(name, []).extend([LEFT_EMPTY[name]] if left_empty else messages)
    page_order = ["lines", *(f"quantity-{index}" for index in range(len(skus))), *texts, ""]
    return {name: " ".join(map(as_read, found[name])) for name in page_order if name in found}


def _field_of(path: str, line_skus: Sequence[str], page_skus: Sequence[str], texts: Sequence[str]) -> str:
    section, _, rest = path.partition(".")
    if path == "lines":
        return "lines"
    if path.startswith(QUANTITY_PREFIX) or section == "lines":
        index = rest.partition(".")[0]
        known = index.isdecimal() and int(index) < len(line_skus)
        sku = line_skus[int(index)] if section == "lines" and known else path.removeprefix(QUANTITY_PREFIX)
        return f"quantity-{page_skus.index(sku)}" if sku in page_skus else ""
    name = rest if section == "customer" else section
    return name if name in texts else ""


def _problem(quantity: str) -> str | None:
    if quantity == "":
        return None
    if not _WHOLE_NUMBER.fullmatch(quantity):
        return f"Enter a whole number from 0 to {MAX_QUANTITY}."
    return f"Order at most {MAX_QUANTITY} of one product." if int(quantity) > MAX_QUANTITY else None
