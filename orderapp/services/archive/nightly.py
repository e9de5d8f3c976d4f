"""The job that archives by itself, once a day, if the settings name a folder for it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from orderapp.config import current_settings
from orderapp.domain.schedules import Daily
from orderapp.errors import ArchiveUnusable, ConfigurationError, InvalidRequest
from orderapp.models import db_now
from orderapp.services.archive.archive import DAY_SECONDS, archive
from orderapp.services.db.audit import TIMER
from orderapp.services.engine.run_time import OutOfTime
from orderapp.systems.jobs import job
from orderapp.systems.runs import Run
from orderapp.systems.settings import Environment

# Reconciliation compares up to a month; who looks for an order does so within half a year.
AGE_DAYS, LEAST_DAYS, MOST_DAYS = 180, 31, 3650


@dataclass(frozen=True, slots=True)
class Archiving:
    """Where old orders go, and how old they have to be."""

    folder: Path
    age_days: int

    @classmethod
    def from_environment(cls, env: Environment) -> Archiving | None:
        """Read the settings; None if no folder is named. Raises ConfigurationError."""
        folder = env.text("ARCHIVE_FOLDER")
        age_days = env.integer("ARCHIVE_AFTER_DAYS", AGE_DAYS, LEAST_DAYS, MOST_DAYS)
        if folder and not Path(folder).is_absolute():
            raise ConfigurationError(f"ARCHIVE_FOLDER: {folder!r} doesn't begin with /")
        return cls(Path(folder), age_days) if folder else None

    def file_of(self, now: dt.datetime) -> Path:
        """Return the file of a month: each stays of a size that can be copied and searched."""
        return self.folder / f"orders-{now:%Y-%m}.jsonl"


def schedule(env: Environment) -> Daily | None:
    """Return when it runs: at night, before old runs of jobs are deleted; None if it is switched off."""
    return Daily("03:10") if Archiving.from_environment(env) else None


@job("archive-orders", every=schedule, title="Archiving old orders", concurrency=1)
def archive_orders(run: Run) -> dict[str, int | str]:
    """Move as many old orders into a file as a run has time for; the next run goes on with the others."""
    archiving = Archiving.from_environment(run.env)
    if archiving is None:
        run.needs_attention("ARCHIVE_FOLDER isn't set, so there is no place for old orders. Set it, and requeue this.")
    with run.reading() as session:
        file = archiving.file_of(session.execute(select(db_now())).scalar_one())
    age_seconds = archiving.age_days * float(DAY_SECONDS)
    try:
        moved = archive(age_seconds, file, TIMER, current_settings(), lambda _: run.renew(), OutOfTime(run))
    except InvalidRequest as error:
        run.needs_attention(f"ARCHIVE_AFTER_DAYS: {error.errors['older-than'][0]}")
    except ArchiveUnusable as error:
        run.try_again(str(error))
    if not moved.finished:
        run.snooze(0, f"{moved.orders} orders moved; goes on with the next ones")
    return {"orders": moved.orders, "file": str(file)}
