"""An address is corrected while a worker begins to send to it: whatever is sent last goes to the corrected one."""

from __future__ import annotations

import re

import pytest

from orderapp.domain.mails import Mail
from orderapp.domain.outcome import Answer, Outcome
from orderapp.services.engine.run_task import run_task
from orderapp.services.orders.address_corrections import correct, send_code
from orderapp.systems.base import Part
from tests.services.scripted import Scripted, answers
from tests.services.shop import Shop
from tests.services.test_interleaving import Deed, every_interleaving


@pytest.fixture
def database_url(postgres_database: str) -> str:
    """PostgreSQL: SQLite has one writer at a time."""
    return postgres_database


class Letters(Scripted):
    """A system that writes mails, and keeps the newest."""

    newest: Mail

    def write(self, mail: Mail) -> Answer:
        self.newest = mail
        return Answer(Outcome.DONE)


@pytest.mark.parametrize("was_tried", [False, True])
def test_a_confirmation_that_is_about_to_be_sent_goes_to_the_corrected_address(
    empty_shop: Shop, was_tried: bool
) -> None:
    letters = Letters("letters", Part.NOTIFY)
    shop = empty_shop.with_systems(Scripted("stock"), letters)
    sent: list[str] = []
    letters.before = lambda _verb, effect: sent.append(effect.order.mail_to)

    def prepare() -> tuple[Deed, Deed]:
        order = shop.submit().order
        [mail] = shop.tasks(order.id, kind="notify")
        if was_tried:
            letters.acts.append(answers(Outcome.NOT_SENT, "busy"))
            run_task(mail.id, shop.settings)
            shop.make_due()
        sent.clear()
        right, issued_at = send_code(order, f"right{order.number}@example.net", None, shop.settings)
        [code] = re.findall(r"^\s*(\d{4} \d{4})\s*$", letters.newest.text, re.MULTILINE)
        return (
            lambda: correct(order, right, issued_at, code, shop.settings),
            lambda: run_task(mail.id, shop.settings),
        )

    def check() -> None:
        assert sent[-1].startswith("right"), sent

    every_interleaving(shop, prepare, check)
