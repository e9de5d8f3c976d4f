"""A short chaos run, as `make chaos` does a long one: every promise holds, in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import Chaos, run
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitmqServer

# Long enough for each kind of disturbance to come once or twice, and for a stopped process to wake after its lease.
SHORT = Chaos(seed=1, orders=160, seconds=25)


@pytest.mark.timeout(240)  # half a minute of faults, then at most a minute and a bit until everything is done
def test_among_faults_kills_and_restarts_nothing_is_lost_doubled_or_left_over(
    tmp_path: Path, postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer
) -> None:
    figures = run(SHORT, tmp_path, postgres_server, rabbitmq_server)

    assert figures.as_promised, figures.text()
    assert sum(figures.orders.values()) == SHORT.orders
    assert {"confirmed", "failed"} <= figures.orders.keys()
    assert {"confirmed", "out_of_stock", "coupon_used_up", "system_unavailable"} <= figures.answers.keys()
    assert {"web", "worker", "timer"} <= {act.split()[0] for act in figures.acts if act.endswith(" killed")}
    assert "worker stopped beyond its lease" in figures.acts
    assert figures.events["received"] > figures.events["accepted"] > 0, "the subscriber has misbehaved"
    assert figures.events["runs of a job"] > 0
    # Circuits keep calls from systems that fail, so the number says little; that there were some, that faults were on.
    assert sum(figures.disturbed.values()) > SHORT.orders // 4
