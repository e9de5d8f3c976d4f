"""Systems as the environment makes them, an order that concerns all of them, and how each verb's end is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from orderapp.domain.inputs import Inputs
from orderapp.domain.money import Money
from orderapp.domain.orders import Customer, Discount, Effect, Line, LineRequest, OrderDocument, OrderRequest
from orderapp.domain.outcome import Answer, Finding, Outcome, Report
from orderapp.domain.retry import Backoff
from orderapp.systems.base import System
from orderapp.systems.keyed import HttpSystem, KeyedSystem
from orderapp.systems.registry import plugin_modules, system_classes
from orderapp.systems.settings import Environment
from orderapp.systems.sms import Sms

BACKOFF = Backoff(base_seconds=2, max_seconds=3600, attempts=12)
BASE_URL = "http://127.0.0.1:9"  # where `responses` answers; nothing listens there
TOKEN = "token-9f8e7d6c"  # noqa: S105 - of no use anywhere
ACCOUNT, SECRET = "AC00000000000000000000000000000000", "secret-5a4b3c2d"

KINDS = system_classes(plugin_modules(os.environ))  # a plugin that is named there is tested with the others
KEYED_KINDS = [kind for kind in KINDS if issubclass(kind, KeyedSystem)]
HTTP_KINDS = [kind for kind in KINDS if issubclass(kind, HttpSystem | Sms)]

CUSTOMER = Customer("Zoë O'Neill", "zoe+shop@example.com", "+4930901820")
INPUTS = Inputs(coupon="SAVE10", benefit="FREE-TEA", member_ref="M-1001")
LINES = (Line("TEA-GREEN", "Green tea, 100 g", 2, Money(1250, "EUR")), Line("SCALE-01", "Scale", 1, Money(4500, "EUR")))
ORDER = OrderDocument(
    number="7K3M9-QXZ2F",
    customer=CUSTOMER,
    lines=LINES,
    subtotal=Money(7000, "EUR"),
    total=Money(6300, "EUR"),
    inputs=INPUTS,
    discounts=(Discount("coupon", "SAVE10", Money(700, "EUR")),),
)
REQUEST = OrderRequest(CUSTOMER, tuple(LineRequest(line.sku, line.quantity) for line in LINES), INPUTS)

Kind = TypeVar("Kind", bound=System)


def make(kind: type[Kind], url: str = BASE_URL, **variables: str) -> Kind:
    """Make a system whose address is `url`; further variables as in the environment."""
    defaults = {
        f"{kind.name.upper()}_URL": url,
        f"{kind.name.upper()}_TOKEN": TOKEN,
        "SMS_ACCOUNT_SID": ACCOUNT,
        "SMS_AUTH_TOKEN": SECRET,
        "SMS_FROM": "+15005550006",
        "MAIL_FROM": "Shop <shop@example.com>",
    }
    return kind.from_environment(Environment({**defaults, **variables}, production=True), BACKOFF)


def effect_for(kind: type[System], placement_number: int = 1) -> Effect:
    """Return the effect of a system in a placement of the order."""
    return Effect(f"{ORDER.number}:{placement_number}:{kind.name}", ORDER)


def verbs_of(kind: type[System]) -> list[str]:
    """Return what a system can do: `act` and `check` always, the others where it has them."""
    return ["act", "check", *(verb for verb in ("ask", "undo", "quote") if kind.can(verb))]


@dataclass(frozen=True)
class End:
    """How a verb ended: as an answer for all verbs alike, and what `ask` and `quote` add to it."""

    answer: Answer
    finding: Finding | None = None
    refused: str = ""
    offers: bool = False


def run(system: System, verb: str) -> End:
    """Run a verb for the order."""
    effect = effect_for(type(system))
    in_place = Report(Finding.IN_PLACE, Answer(Outcome.DONE), ("r-1",))
    ends: Mapping[str, Callable[[], End]] = {
        "act": lambda: End(system.act(effect)),
        "check": lambda: End(system.check()),
        "undo": lambda: End(system.undo(effect, in_place)),
        "ask": lambda: _asked(system.ask(effect)),
        "quote": lambda: _quoted(system),
    }
    return ends[verb]()


def _asked(report: Report) -> End:
    return End(report.answer, report.finding)


def _quoted(system: System) -> End:
    quote = system.quote(REQUEST)
    assert quote is not None
    return End(quote.answer, refused=quote.refused, offers=bool(quote.kind))
