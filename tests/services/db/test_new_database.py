"""Processes that begin with a SQLite file that isn't there yet, at the same moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flask import Flask

from orderapp import create_app
from orderapp.extensions import db
from orderapp.services.db.transactions import ping
from tests.services.conftest import SETTINGS

ROUNDS = 500  # of two that meet, one in some hundreds was refused
TOGETHER = 2


def test_none_of_them_is_refused(tmp_path: Path) -> None:
    begin = threading.Barrier(TOGETHER)
    settings = {**SETTINGS, "DATABASE_URL": f"sqlite:///{tmp_path / 'orders.db'}"}
    # One after the other: Werkzeug compiles routes, and CPython 3.11's ast.parse fails in two threads at once.
    apps = [create_app(settings) for _ in range(TOGETHER)]

    def use(app: Flask) -> None:
        with app.app_context():
            begin.wait(60)
            ping()
            db.engine.dispose()

    with ThreadPoolExecutor(TOGETHER) as pool:
        for _ in range(ROUNDS):
            list(pool.map(use, apps))
            for file in tmp_path.glob("orders.db*"):
                file.unlink()
