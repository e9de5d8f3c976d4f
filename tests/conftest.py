"""Fixtures for every test: real servers, a free port, Chromium. No test can reach other hosts."""

import functools
import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from tests.servers import chromium, loopback, postgres, rabbitmq
from tests.servers.smtp import SmtpServer


@dataclass(frozen=True)
class Program:
    """A program that some tests need: its name for people, the tests' mark, and the function that finds it."""

    title: str
    mark: str
    find: Callable[[], Path | None]

    @property
    def missing(self) -> str:
        """Return the line to show if the program is missing."""
        return f"{self.title} is not installed; `make services` installs it (on Debian or Ubuntu, as root)"

    def path(self) -> Path:
        """Return its path; if it is absent, fail the test (with REQUIRE_ALL=1) or skip it."""
        found = self.find()
        if found is not None:
            return found
        if REQUIRE_ALL:
            pytest.fail(self.missing, pytrace=False)
        pytest.skip(self.missing)


REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"
POSTGRES = Program("PostgreSQL", "postgres", functools.cache(postgres.find))
RABBITMQ = Program("RabbitMQ", "rabbitmq", functools.cache(rabbitmq.find))
CHROMIUM = Program("Chromium", "chromium", functools.cache(chromium.find))
NEEDS = {"postgres_server": POSTGRES, "rabbitmq_server": RABBITMQ, "chromium_path": CHROMIUM}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark each test by the programs it needs, so that `-m "not rabbitmq"` and the like never miss one.

    A test that can't run is skipped here already, so pytest reports such tests in one line for each file.
    """
    for fixture, program in NEEDS.items():
        if fixture in getattr(item, "fixturenames", ()):
            item.add_marker(program.mark)
            if program.find() is None and not REQUIRE_ALL:
                item.add_marker(pytest.mark.skip(reason=program.missing))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer]:
    """A running PostgreSQL, one for all tests: take a database of your own with `create_database()`."""
    with postgres.PostgresServer(POSTGRES.path()) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[rabbitmq.RabbitmqServer]:
    """A running RabbitMQ, one for all tests: use queue names of your own, or `reset_vhost()`."""
    with rabbitmq.RabbitmqServer(RABBITMQ.path()) as server:
        yield server


@pytest.fixture(scope="session")
def smtp_server() -> Iterator[SmtpServer]:
    """A running mail server, one for all tests: `clear()` it first."""
    with SmtpServer() as server:
        yield server


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """The Chromium that browser tests use."""
    return CHROMIUM.path()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object], chromium_path: Path) -> dict[str, object]:
    """Make pytest-playwright start the installed Chromium instead of one that it downloaded."""
    return {**browser_type_launch_args, "executable_path": str(chromium_path), "args": chromium.arguments()}


@pytest.fixture(scope="session")
def base_url(pytestconfig: pytest.Config) -> str | None:
    """Return the base of relative addresses; browser tests override it with the address of their own server.

    pytest-playwright has the same, but in a form that pytest 9.2 warns of, and warnings are errors here.
    """
    return cast(str | None, pytestconfig.getoption("--base-url"))


@pytest.fixture
def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nothing listens."""
    return loopback.free_port()


def _is_loopback(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return name == "localhost"


def _refuse_other_hosts(event: str, args: tuple[object, ...]) -> None:
    """Behave like a machine without a network: resolve no other name, reach no other address."""
    if event == "socket.getaddrinfo" and not _is_loopback(args[0]):
        raise socket.gaierror(socket.EAI_NONAME, f"tests talk to loopback only, not to {args[0]!r}")
    if event == "socket.connect" and isinstance(args[1], tuple) and not _is_loopback(args[1][0]):
        raise ConnectionRefusedError(f"tests talk to loopback only, not to {args[1]!r}")


sys.addaudithook(_refuse_other_hosts)
