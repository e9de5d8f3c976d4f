"""One sandbox for all tests of this folder: they use keys and SKUs of their own, and leave no fault behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.sandbox.running import RunningSandbox


@pytest.fixture(scope="package")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with RunningSandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """The shared sandbox without faults; settlements settle at once."""
    yield shared_sandbox
    shared_sandbox.clear_faults()


@pytest.fixture(scope="package")
def new_name() -> Callable[[], str]:
    """Makes names that no other test uses: for keys, orders, SKUs."""
    numbers = itertools.count(1)
    return lambda: f"T{next(numbers):05}"
