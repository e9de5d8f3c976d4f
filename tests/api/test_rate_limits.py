"""Counters of attempts, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update

from orderapp import create_app
from orderapp.errors import TooManyAttempts
from orderapp.extensions import db
from orderapp.models import Base, RateCounter, db_now
from orderapp.services.access import attempt_counters
from orderapp.services.db.transactions import reading, writing
from orderapp.services.placing.preflight import look_up

BUCKET = ("guess", "ada@example.com", 7)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """The application on each database."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").create_database()
    app = create_app({"ORDERAPP_MODE": "development", "DATABASE_URL": url})
    with app.app_context():
        Base.metadata.create_all(db.engine)
        yield app
        db.engine.dispose()


def is_used_up(limit: int) -> bool:
    bucket = attempt_counters.bucket_of(BUCKET)
    return attempt_counters.longest_used_up({bucket: limit}, look_up("shop", "k", [], [bucket]).counted) is not None


def test_as_many_attempts_as_allowed_pass_and_no_more(app: Flask) -> None:
    for _ in range(3):
        assert not is_used_up(3)
        attempt_counters.count(BUCKET, 3, 60)

    assert is_used_up(3)
    with pytest.raises(TooManyAttempts) as caught:
        attempt_counters.count(BUCKET, 3, 60)
    assert 50 < caught.value.retry_after_seconds <= 60
    attempt_counters.count((*BUCKET, "other"), 3, 60)


def test_of_attempts_at_the_same_moment_none_is_lost(app: Flask) -> None:
    def one(_: int) -> bool:
        with app.app_context():
            try:
                attempt_counters.count(BUCKET, 10, 60)
            except TooManyAttempts:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        passed = list(pool.map(one, range(40)))

    assert passed.count(True) == 10
    with reading() as session:
        assert session.scalars(select(RateCounter.count)).all() == [40]


def test_a_new_window_begins_when_the_old_one_is_over(app: Flask) -> None:
    attempt_counters.count(BUCKET, 1, 60)
    with writing() as session:
        session.execute(update(RateCounter).values(window_ends_at=db_now(-0.001)))

    assert not is_used_up(1)
    attempt_counters.count(BUCKET, 1, 60)
    with pytest.raises(TooManyAttempts):
        attempt_counters.count(BUCKET, 1, 60)


def test_forgetting_begins_anew_and_only_there(app: Flask) -> None:
    attempt_counters.count(BUCKET, 1, 60)
    attempt_counters.count(("other",), 1, 60)

    attempt_counters.forget(BUCKET)

    attempt_counters.count(BUCKET, 1, 60)
    with pytest.raises(TooManyAttempts):
        attempt_counters.count(("other",), 1, 60)


def test_what_is_counted_and_for_whom_is_stored_as_a_hash(app: Flask) -> None:
    attempt_counters.count(BUCKET, 1, 60)

    with reading() as session:
        bucket = session.scalars(select(RateCounter.bucket)).one()
    assert len(bucket) == 64
    assert "ada" not in bucket
