"""A worker that stands still (a paused machine, a stopped process) and goes on when its lease is over."""

from __future__ import annotations

import pytest

from orderapp.domain.retry import Guarantee
from orderapp.models import Resolution
from orderapp.services.backoffice.manual_resolutions import mark
from orderapp.services.backoffice.risks import Risk
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.engine.claim import claim
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_task import make_run, record_runs, run_task
from orderapp.systems.base import Part
from tests.servers.loopback import poll_until
from tests.services.scripted import Scripted
from tests.services.shop import Shop

LEASE_SECONDS = 0.5


@pytest.fixture
def texts() -> Scripted:
    return Scripted("texts", Part.NOTIFY, Guarantee.UNSAFE)


def test_what_staff_have_decided_meanwhile_is_not_done_once_more(empty_shop: Shop, texts: Scripted) -> None:
    shop = empty_shop.with_systems(Scripted("stock"), texts)
    shop.submit()
    task_id = shop.task(kind="notify").id
    still = shop.with_settings(task_lease_seconds=LEASE_SECONDS).settings
    held = claim(task_id, still)
    assert held is not None
    assert poll_until(lambda: held.seconds_left() < 0, within_seconds=5)
    shop.let_task_leases_lapse()
    recover(shop.settings)
    assert shop.task(kind="notify").state == "failed"
    mark([task_id], Resolution.NOT_HAPPENED, COMMAND_LINE, "not in the provider's log", shop.settings, Risk.TWICE)
    assert run_task(task_id, shop.settings) == "done"
    record_runs([make_run(held, still)])
    assert (texts.verbs(), texts.held) == (["act"], 1)
    assert shop.task(kind="notify").state == "done"
