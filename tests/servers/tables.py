"""Our tables in a new database: made once in a process, then copied, since making them takes longer than most tests."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import Engine, create_engine, inspect

from orderapp.models import Base


def create_tables(engine: Engine) -> None:
    """Make the tables, where they aren't there yet. A SQLite file must not have been opened before."""
    if engine.dialect.name != "sqlite":
        if not inspect(engine).has_table("orders"):
            Base.metadata.create_all(engine)
    elif not Path(str(engine.url.database)).exists():
        shutil.copyfile(_template(), str(engine.url.database))
        Path(str(engine.url.database)).chmod(0o600)


@cache
def _template() -> Path:
    folder = tempfile.mkdtemp(prefix="tables-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "tables.db"
    engine = create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
    return path
