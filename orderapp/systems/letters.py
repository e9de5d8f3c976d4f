"""What customers are written when their order comes to an end: the same in a mail and, shorter, in a text message."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Self

from orderapp.domain.orders import Effect, OrderDocument
from orderapp.domain.references import page_reference
from orderapp.domain.states import News
from orderapp.domain.typed_text import without_links
from orderapp.languages import Language, language
from orderapp.seller import Seller
from orderapp.shop_texts import ShopText, next_steps_in
from orderapp.systems.settings import Environment


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to a customer, in the language of the order."""

    subject: str  # what happened, in one line
    text: str  # all of it, for a mail
    short: str  # what happened and the address of the order's page, for a text message


@dataclass(frozen=True, slots=True)
class Letters:
    """Writes the messages, with the settings that they need."""

    shop_url: str  # the shop's public address; empty if it isn't known, and then no message has a link
    secret: str  # signs the addresses of orders' pages
    time_zone: dt.tzinfo  # in which days are written
    seller: Seller  # who writes
    next_steps: ShopText  # what happens once an order is confirmed

    @classmethod
    def from_environment(cls, env: Environment) -> Self:
        """Read `PUBLIC_URL`, `SECRET_KEY`, `SHOP_TIME_ZONE`, and what the shop is called; ConfigurationError."""
        return cls(
            env.address("PUBLIC", {"https": True, "http": False}),
            env.text("SECRET_KEY"),
            env.time_zone(),
            Seller.from_environment(env),
            next_steps_in(env),
        )

    def letter(self, effect: Effect) -> Letter:
        """Return the message that an effect is: the same for the same effect."""
        order, spoken = effect.order, language(effect.order.language)
        subject, paragraphs, link = _WRITERS[effect.news](effect, spoken, self.time_zone)
        page = self._page_of(order)
        greeting = spoken.gettext("Hello %(name)s,", name=without_links(order.customer.name))
        if effect.news is News.CONFIRMED:
            paragraphs = (*paragraphs, *self.next_steps.paragraphs(spoken))
        signature = "\n".join(self.seller.lines)
        parts = (greeting, *paragraphs, f"{link}\n{page}" if page else "", signature)
        text = "\n\n".join(part for part in parts if part)
        short = f"{self.seller.name}: {subject}."
        return Letter(subject, text, f"{short} {page}" if page else short)

    def _page_of(self, order: OrderDocument) -> str:
        """Return the address of the order's page; empty if it has none or the shop's address isn't known."""
        if not (order.in_shop and self.shop_url and self.secret):
            return ""
        return f"{self.shop_url}/orders/{page_reference(self.secret, order.number)}"


Written = tuple[str, tuple[str, ...], str]  # the subject, the paragraphs, and what stands above the link


def _confirmed(effect: Effect, spoken: Language, _zone: dt.tzinfo) -> Written:
    _, order = spoken.gettext, effect.order
    rows = [f"{line.quantity} x {line.name}: {spoken.amount(line.total)}" for line in order.lines]
    rows += [
        _("Discount %(code)s: -%(amount)s", code=one.code, amount=spoken.amount(one.amount)) for one in order.reductions
    ]
    rows += [_("Already paid: -%(amount)s", amount=spoken.amount(one.amount)) for one in order.payments]
    total = _("Total: %(amount)s", amount=spoken.amount(order.total))
    return (
        _("Your order %(number)s is confirmed", number=order.number),
        (
            _("thank you, your order %(number)s is confirmed:", number=order.number),
            "\n".join(f"  {row}" for row in rows),
            f"  {total}",
        ),
        _("Where your order stands:"),
    )


def _failed(effect: Effect, spoken: Language, _zone: dt.tzinfo) -> Written:
    _ = spoken.gettext
    return (
        _("Your order %(number)s could not be placed", number=effect.order.number),
        (
            _("your order %(number)s could not be placed.", number=effect.order.number),
            effect.reason,
            _("Nothing is charged, and what was set aside for you is given back."),
        ),
        # Whether it can be tried again is known only once all is given back; its page says what can be done.
        _("What you can do now stands on the page of the order:"),
    )


def _cancelled(effect: Effect, spoken: Language, _zone: dt.tzinfo) -> Written:
    _ = spoken.gettext
    return (
        _("Your order %(number)s is cancelled", number=effect.order.number),
        (
            _("your order %(number)s is cancelled.", number=effect.order.number),
            effect.reason,
            _("What was held for you is given back, and anything that was paid is returned."),
        ),
        _("Where your order stands:"),
    )


def _refunded(effect: Effect, spoken: Language, zone: dt.tzinfo) -> Written:
    _, number, amount = spoken.gettext, effect.order.number, spoken.amount(effect.order.total)
    day = spoken.day(effect.at, zone) if effect.at else ""
    return (
        _("We returned %(amount)s for your order %(number)s", amount=amount, number=number),
        (
            _("your order %(number)s was cancelled, and we returned %(amount)s on %(day)s.", number=number,
              amount=amount, day=day),
            _("It may take some days until you see it in your account."),
        ),
        _("Where your order stands:"),
    )  # fmt: skip


_WRITERS = {
    News.CONFIRMED: _confirmed,
    News.FAILED: _failed,
    News.CANCELLED: _cancelled,
    News.REFUNDED: _refunded,
}
