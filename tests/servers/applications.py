"""Applications of a test's process, made once for their settings: wiring the pages takes longer than most tests."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from orderapp import create_app
from orderapp.config import Settings
from orderapp.domain.states import TaskState
from orderapp.extensions import db
from orderapp.models import Task
from orderapp.services.db.transactions import reading
from orderapp.services.engine.run_task import run_task
from tests.servers.tables import create_tables
from tests.servers.templates import share_compiled

MOST_ROUNDS = 200  # far more than the attempts of any task in a test


@contextmanager
def running_application(
    variables: Mapping[str, str], systems: Mapping[str, str] | None = None, database: Path | None = None
) -> Iterator[Flask]:
    """Lend an application in its context, on a SQLite file of its own, which is gone afterwards.

    Args:
        variables: Its settings, without a database.
        systems: The addresses of the external systems, which differ from test to test.
        database: What the file begins with; our empty tables if it is None.
    """
    file = _folder() / "orders.db"
    app = _application(tuple(sorted({**variables, "DATABASE_URL": f"sqlite:///{file}"}.items())))
    if database is not None:
        shutil.copy(database, file)
    as_made, config = dict(app.extensions), dict(app.config)
    app.extensions["orderapp.settings"] = Settings.from_environment(
        {**variables, **(systems or {}), "DATABASE_URL": f"sqlite:///{file}"}
    )
    try:
        with app.app_context():
            create_tables(db.engine)
            yield app
            db.session.remove()
            db.engine.dispose()
    finally:
        for made, now in ((as_made, app.extensions), (config, app.config)):
            now.clear()
            now.update(made)
        for left in _folder().iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def run_waiting_tasks(app: Flask) -> None:
    """Do what workers do, in the application's context, until no task waits; AssertionError after many rounds."""
    settings: Settings = app.extensions["orderapp.settings"]
    for _ in range(MOST_ROUNDS):
        with reading() as session:
            waiting = session.scalars(select(Task.id).where(Task.state == TaskState.WAITING.value)).all()
        if not waiting:
            return
        for task_id in waiting:
            run_task(task_id, settings)
    raise AssertionError("There are tasks that never end.")


@cache
def _application(variables: tuple[tuple[str, str], ...]) -> Flask:
    return share_compiled(create_app(dict(variables)))


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="applications-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
