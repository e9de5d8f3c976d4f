"""`flask jobs run`: a job is run now, by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from orderapp.ext import Daily, job
from orderapp.ext import Run as JobRun
from orderapp.models import AuditEntry, Task
from orderapp.services.db.transactions import reading
from orderapp.services.engine.enqueue import plan_next_runs
from orderapp.services.engine.run_job import run_job
from orderapp.systems.job_registry import Jobs
from tests.cli.conftest import Run, settings_of

RAN: list[JobRun] = []


@job("sales-report", every=Daily("02:00"))
def sales_report(run: JobRun) -> None:
    RAN.append(run)


@pytest.fixture(autouse=True)
def _knowing(app: Flask) -> None:
    app.extensions["orderapp.settings"] = replace(settings_of(app), jobs=Jobs([sales_report]))
    RAN.clear()


def rows(app: Flask, model: Any) -> list[Any]:
    with app.app_context(), reading() as session:
        return list(session.scalars(select(model).order_by(model.id)))


def test_a_job_is_run_now_beside_its_planned_run(app: Flask, run: Run) -> None:
    with app.app_context():
        assert plan_next_runs(settings_of(app)) == 1
    given = ("day=2026-11-29", "lines=7", 'of=["a", null]', "loud=true", "price=NaN", "like=x=y", "none=")
    result = run("jobs", "run", "sales-report", *given, "--reason", "the boss asks")
    assert (result.exit_code, result.stdout) == (0, "Task 2 of job sales-report is due now.\n")
    with app.app_context():
        run_job(2, settings_of(app))
    [ran] = RAN
    assert ran.scheduled_at is None
    assert ran.arguments == {
        "day": "2026-11-29", "lines": 7, "of": ["a", None], "loud": True, "price": "NaN", "like": "x=y", "none": ""
    }  # fmt: skip
    assert [(task.id, task.state) for task in rows(app, Task)] == [(1, "waiting"), (2, "done")]
    [entry] = rows(app, AuditEntry)
    assert (entry.act, entry.subject, entry.reason) == ("job.run", "job sales-report", "the boss asks")
    assert json.loads(entry.details) == {"task": 2}


@pytest.mark.parametrize(
    ("arguments", "told", "audited"),
    [
        (("sales\n-report",), "There is no job sales -report; there are sales-report.", 1),
        (("sales-report", "day"), "The argument 'day' isn't KEY=VALUE.", 0),
        (("sales-report", "=1"), "The argument '=1' isn't KEY=VALUE.", 0),
        (("sales-report", "day=1", "day=2"), "The argument 'day=2' is given twice.", 0),
        (("sales-report", "day=" + "x" * 10_001), "its arguments have 10012 characters, more than 10000", 1),
        (("sales-report", "day=" + "[" * 100_000), "more than 10000", 1),
    ],
    ids=range(6),
)
def test_what_cannot_be_run_is_refused(
    app: Flask, run: Run, arguments: tuple[str, ...], told: str, audited: int
) -> None:
    result = run("jobs", "run", *arguments)
    assert result.exit_code > 0
    assert told in result.stderr.splitlines()[-1]
    assert rows(app, Task) == []
    assert [entry.refused is not None for entry in rows(app, AuditEntry)] == [True] * audited
