"""What is kept in files is its owner's alone, and lies where INSTANCE_PATH says, whatever characters that has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from orderapp import create_app
from orderapp.config import ROOT
from orderapp.extensions import db
from orderapp.sandbox.store import Store
from orderapp.services.db.transactions import reading, writing


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def opened(instance: Path) -> None:
    app = create_app({"SECRET_KEY": "3f" * 32, "INSTANCE_PATH": str(instance)})
    with app.app_context():
        with writing() as session:
            session.execute(text("CREATE TABLE IF NOT EXISTS kept (id INTEGER)"))
            for suffix in ("", "-wal", "-shm"):
                assert mode(Path(f"{instance / 'orderapp.db'}{suffix}")) == 0o600
        db.engine.dispose()


def test_a_new_database_and_its_folder_are_the_owners_alone(tmp_path: Path) -> None:
    opened(tmp_path / "a" / "instance")
    assert mode(tmp_path / "a" / "instance") == 0o700


def test_a_database_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / "orderapp.db").chmod(0o664)
    opened(tmp_path)


WRITES_TOO = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    other.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
"""


def test_another_connection_of_the_process_takes_no_lock_from_a_transaction(tmp_path: Path) -> None:
    """To close a database's file, opened for whatever reason, drops the locks of all connections of the process."""
    app = create_app({"SECRET_KEY": "3f" * 32, "INSTANCE_PATH": str(tmp_path)})
    with app.app_context():
        with writing() as session:
            session.execute(text("CREATE TABLE kept (id INTEGER)"))
        with writing() as session:
            session.execute(text("INSERT INTO kept VALUES (1)"))
            with reading() as another:
                assert another.execute(text("SELECT count(*) FROM kept")).scalar_one() == 0
            command = [sys.executable, "-c", WRITES_TOO, str(tmp_path / "orderapp.db")]
            told = subprocess.run(command, capture_output=True, text=True, check=True)
            assert told.stdout == "database is locked\n"
        with reading() as session:
            assert session.execute(text("SELECT count(*) FROM kept")).scalar_one() == 1
        db.engine.dispose()


def test_the_sandboxs_file_too(tmp_path: Path) -> None:
    store = Store(tmp_path / "instance" / "sandbox.sqlite")
    with store.write():
        assert {mode(file) for file in (tmp_path / "instance").iterdir()} == {0o600}
    store.close()
    assert mode(tmp_path / "instance") == 0o700


@pytest.mark.slow
@pytest.mark.parametrize("name", ["what?now", "100%", "a%20b", "with blanks", "no#1", "a&b=c", "grün;", "?mode=memory"])
def test_the_database_lies_in_its_folder_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    instance = tmp_path / name
    settings = {"PATH": os.environ["PATH"], "SECRET_KEY": "3f" * 32, "INSTANCE_PATH": str(instance)}
    command = [sys.executable, "-m", "flask", "db", "upgrade"]
    subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, check=True, timeout=60)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert [file.name for file in instance.iterdir()] == ["orderapp.db"]
    assert (instance / "orderapp.db").stat().st_size > 0
