"""What is said to us may be longer than the columns it is kept in: it is cut, and nothing fails for it."""

from __future__ import annotations

from typing import Any

import pytest

from orderapp.admin import guard
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState, TaskState
from orderapp.models import Archive, AuditEntry, Circuit, ManualResolution
from orderapp.services.archive import archive
from orderapp.services.db import audit
from orderapp.services.resilience import circuit_breakers
from orderapp.services.saga import manual_resolutions
from tests.services.scripted import OneOfEach, answers
from tests.services.shop import Shop

LENGTHS = [
    (audit.MAX_REASON_CHARACTERS, AuditEntry.reason),
    (audit.MAX_REFUSED_CHARACTERS, AuditEntry.refused),
    (guard.MAX_SUBJECT_CHARACTERS, AuditEntry.subject),
    (archive.MAX_FILE_CHARACTERS, Archive.file),
    (circuit_breakers.MAX_REASON, Circuit.reason),
    (manual_resolutions.MAX_ENDED_BY_CHARACTERS, ManualResolution.ended_by),
]


@pytest.mark.parametrize(("most_characters", "column"), LENGTHS, ids=lambda one: str(getattr(one, "key", one)))
def test_what_is_cut_is_cut_to_the_length_of_its_column(most_characters: int, column: Any) -> None:
    assert most_characters == column.type.length


def test_a_refusal_in_many_words_fails_the_order_as_any_other(busy_shop: Shop, systems: OneOfEach) -> None:
    systems.voucher.acts.append(answers(Outcome.REFUSED, "c" * 65, message="m" * 501))
    order = busy_shop.submit().order
    busy_shop.work_until_quiet()
    assert busy_shop.view(order.id).state is OrderState.FAILED
    [attempt] = busy_shop.attempts(system="voucher", verb="act")
    assert (attempt.code, attempt.message) == ("c" * 64, "m" * 500)
    [step] = [step for step in busy_shop.steps(order.id) if step.system == "voucher"]
    [placement] = busy_shop.placements(order.id)
    assert (step.code, placement.failed_code) == ("c" * 64, "c" * 64)


def test_a_task_that_fails_in_many_words_is_staffs(busy_shop: Shop, systems: OneOfEach) -> None:
    order = busy_shop.submit().order
    systems.bank.acts.append(answers(Outcome.REFUSED, "c" * 65, message="m" * 501))
    busy_shop.work()
    task = busy_shop.task(system="bank")
    assert (task.state, task.last_code) == (TaskState.FAILED.value, "c" * 64)
    assert len(task.last_message or "") == 500
    assert busy_shop.view(order.id).state is OrderState.CONFIRMED


def test_a_lockout_in_many_words_says_all_the_same_how_to_mend_it(busy_shop: Shop, systems: OneOfEach) -> None:
    told = "refuses our credentials " + "m" * circuit_breakers.MAX_REASON
    systems.bank.acts.append(answers(Outcome.NOT_SENT, message=told, locked_out=True))
    busy_shop.submit()
    busy_shop.work()
    found = busy_shop.circuit("bank")
    assert found is not None
    assert len(found.reason) == circuit_breakers.MAX_REASON
    assert found.reason.startswith("Bank refuses our credentials mmm")
    assert found.reason.endswith("m; mend its address or credentials, its tasks wait and go on by themselves")
