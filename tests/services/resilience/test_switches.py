"""The switch of a system, and its end, on both databases."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import select, update

from orderapp.errors import InvalidRequest
from orderapp.models import SwitchMode, SystemSwitch, db_now
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.resilience.switches import resume_ended, switch_system
from tests.services.shop import Shop


def pause_until(shop: Shop, name: str, until: dt.datetime) -> None:
    switch_system(name, SwitchMode.PAUSED, COMMAND_LINE, "maintenance", shop.settings, until)


def test_a_pause_ends_at_its_time(busy_shop: Shop) -> None:
    name = next(iter(busy_shop.settings.systems))
    with reading() as session:
        now = session.execute(select(db_now())).scalar_one()
    with pytest.raises(InvalidRequest, match="until"):
        pause_until(busy_shop, name, now - dt.timedelta(minutes=2))
    until = now + dt.timedelta(minutes=2)
    pause_until(busy_shop, name, until)
    with reading() as session:
        assert session.get_one(SystemSwitch, name).resumes_at == until
    with writing() as session:
        session.execute(update(SystemSwitch).values(resumes_at=db_now(-1)))
    resume_ended(busy_shop.settings)
    with reading() as session:
        switch = session.get_one(SystemSwitch, name)
    assert (switch.mode, switch.resumes_at, switch.actor) == ("on", None, "timer")


def test_a_system_that_this_version_doesnt_know_stays_as_it_is(busy_shop: Shop) -> None:
    gone = SystemSwitch(system="gone", mode="paused", reason="maintenance", changed_at=db_now(), resumes_at=db_now(-1))
    with writing() as session:
        session.add(gone)
    resume_ended(busy_shop.settings)
    with reading() as session:
        assert session.get_one(SystemSwitch, "gone").mode == "paused"
