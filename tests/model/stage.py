"""Where the model plays: the real services on a SQLite file, the systems of `outside`, the model's clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from flask import Flask
from sqlalchemy import event

from orderapp import create_app
from orderapp.config import Settings
from orderapp.extensions import db
from orderapp.systems.declarations import refuse_impossible
from orderapp.systems.registry import Systems
from tests.model.clock import Clock
from tests.model.outside import Outside
from tests.model.tables import Tables
from tests.servers.tables import create_tables
from tests.services.conftest import SETTINGS
from tests.services.shop import Shop

SUBMISSION_LEASE_SECONDS = 30.0
TASK_LEASE_SECONDS = 60.0
DUPLICATE_WINDOW_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Stage:
    """One application, used by one example after the other."""

    app: Flask
    settings: Settings
    clock: Clock
    outside: Outside
    tables: Tables

    def clear(self) -> None:
        """Make ready for another example: nothing has happened yet."""
        self.outside.empty()
        self.tables.empty()
        # After a day every cache of the processes has expired.
        self.clock.advance(86_400)


@contextmanager
def set_up(folder: Path) -> Iterator[Stage]:
    """Build the stage, with the application's context open, and take it down."""
    path, clock = folder / "model.db", Clock()
    app = create_app({**SETTINGS, "DATABASE_URL": f"sqlite:///{path}"})

    def connected(connection: Any, _record: Any) -> None:
        clock.rule_over(connection)
        # What survives a power cut is not the model's question, and waiting for the disk takes most of its time.
        connection.execute("PRAGMA synchronous=OFF")

    with app.app_context(), mock.patch("time.monotonic", clock.monotonic):
        event.listen(db.engine, "connect", connected)
        create_tables(db.engine)
        outside, tables = Outside(clock), Tables(path)
        tables.watch()
        settings = dataclasses.replace(
            app.extensions["orderapp.settings"],
            systems=Systems({system.name: system for system in outside.all.values()}),
            submission_lease_seconds=SUBMISSION_LEASE_SECONDS,
            task_lease_seconds=TASK_LEASE_SECONDS,
            duplicate_window_seconds=DUPLICATE_WINDOW_SECONDS,
        )
        for system in outside.all.values():
            refuse_impossible(system)
        Shop(app, settings).stocked()
        yield Stage(app, settings, clock, outside, tables)
        db.engine.dispose()
