"""How much is swept: enough to notice within the time of a test run, or everything (`make sweep`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitmqServer
from tests.sweep.scenarios import GROUPS
from tests.sweep.sweeping import Program, Sweeper

FULL = os.environ.get("SWEEP") == "full"
# Half a minute for each group where two processors have nothing else to do; on busy ones there shall be a result, too.
MOST_SECONDS = 7200 if FULL else 600
# Cases side by side: a case waits about half of its time.
INSTALLATIONS = 4
PAIRS_IN_FULL = 300  # of each group
# Makes a virtual host for each installation in one go, where a `rabbitmqctl` for each would take a second.
ADD_VHOSTS = """lists:foreach(fun(Number) ->
    Name = list_to_binary("sweep" ++ integer_to_list(Number)),
    rabbit_vhost:add(Name, <<"sweep">>),
    rabbit_auth_backend_internal:set_permissions(<<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"sweep">>)
end, lists:seq(0, {last}))."""


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweeper]:
    yield from _running(tmp_path_factory.mktemp("sweep"), [""] * INSTALLATIONS, "SQLite, broker in the worker")


@pytest.fixture(scope="module")
def on_postgres(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer
) -> Iterator[Sweeper]:
    databases = [postgres_server.create_database() for _ in range(INSTALLATIONS)]
    rabbitmq_server.ctl("eval", ADD_VHOSTS.format(last=INSTALLATIONS - 1))
    broker = rabbitmq_server.url.removesuffix("%2F")
    places = [f"{database},{broker}sweep{number}" for number, database in enumerate(databases)]
    yield from _running(tmp_path_factory.mktemp("sweep"), places, "PostgreSQL and RabbitMQ")
    for database in databases:
        postgres_server.drop_database(database)


def _running(folder: Path, places: list[str], where: str) -> Iterator[Sweeper]:
    program = Program(folder, places)
    try:
        yield Sweeper(program, where)
    finally:
        program.close()


def assert_nothing_is_wrong(
    sweeper: Sweeper, group: str, capsys: pytest.CaptureFixture[str], *, singles: int | None, pairs: int
) -> None:
    """Sweep a group of scenarios, print the count, and fail with every violation."""
    names = [scenario.name for scenario in GROUPS[group]]
    swept = sweeper.sweep(names, None if FULL else singles, PAIRS_IN_FULL if FULL else pairs)
    with capsys.disabled():
        print(f"\n{swept}")  # noqa: T201 - for whoever reads the run: how much was swept
    assert not swept.violations, "\n".join(swept.violations)
    # Where two processes race, or a call is repeated more or less often, a boundary can be missing from a run; if many
    # were, the sweep would prove nothing.
    assert len(swept.missed) <= 0.2 * (swept.singles + swept.pairs), "\n".join(swept.missed)
