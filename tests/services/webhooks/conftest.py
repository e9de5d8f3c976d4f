"""A shop with a subscriber."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from orderapp.models import Event
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading
from orderapp.services.webhooks import subscriptions
from orderapp.services.webhooks.distribute import distribute
from orderapp.services.webhooks.subscriptions import Subscribed
from orderapp.systems.settings import Timeouts
from orderapp.systems.webhooks import Receivers
from tests.services.shop import Shop
from tests.services.webhooks.receiver import Receiver, receiving


class TellingShop(Shop):
    """A shop that also does what the timer does with events."""

    def subscribe(self, url: str, *patterns: str) -> Subscribed:
        return subscriptions.add(url, patterns or ("*",), COMMAND_LINE, self.settings)

    def work(self) -> int:
        while distribute():
            pass
        return super().work()

    def _unfinished(self) -> list[Any]:
        with reading() as session:
            new = session.scalars(select(Event.type).where(Event.distributed_at.is_(None))).all()
        return [*super()._unfinished(), *new]

    def order(self) -> list[str]:
        """Place an order and do all that follows; return the types of its events."""
        self.submit()
        self.work_until_quiet()
        return ["order.placed", "order.confirmed", "order.consistent"]


@pytest.fixture
def telling(busy_shop: Shop) -> TellingShop:
    """The shop, in development: events may go to this machine."""
    here = Receivers(production=False, allow_private=False, timeouts=Timeouts(2, 3))
    made = busy_shop.with_settings(receivers=here)
    made.app.extensions["orderapp.settings"] = made.settings
    return TellingShop(made.app, made.settings)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made
