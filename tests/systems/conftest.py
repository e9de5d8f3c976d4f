"""One answer to every request, for systems that are not really there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
import responses

from orderapp.systems.base import System
from tests.systems.certificates import Certificate, make_certificate
from tests.systems.making import make

EVERYWHERE = re.compile(r".*", re.DOTALL)


@dataclass
class Wire:
    """Answers every request alike and keeps what was asked."""

    mock: responses.RequestsMock = field(repr=False)

    def answers(self, status: int, body: bytes | str = b"", headers: Mapping[str, str] | None = None) -> None:
        """Answer with this from now on."""
        self.mock.reset()
        for method in ("GET", "POST"):
            self.mock.add(method, EVERYWHERE, body, status=status, headers=dict(headers or {}))

    @property
    def requests(self) -> list[responses.Call]:
        """Everything that was asked since."""
        return list(self.mock.calls)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Answer in place of every system."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Wire(mock)


@pytest.fixture
def system(kind: type[System]) -> System:
    """The system of the class that a test is parametrised with."""
    return make(kind)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of 127.0.0.1 that nobody vouches for, unless a test says that the operating system does."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))
