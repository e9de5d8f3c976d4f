"""A process may die at every boundary, on PostgreSQL with RabbitMQ, and all ledgers still agree."""

from __future__ import annotations

import pytest

from tests.sweep.conftest import MOST_SECONDS, assert_nothing_is_wrong
from tests.sweep.sweeping import Sweeper

pytestmark = pytest.mark.timeout(MOST_SECONDS)


@pytest.mark.parametrize(
    ("group", "singles", "pairs"),
    [("confirmed", 17, 4), ("refused", 8, 3), ("unknown", 15, 5), ("afterwards", 12, 4), ("told", 8, 2)],
)
def test_an_order_may_die_at_every_boundary(
    on_postgres: Sweeper, capsys: pytest.CaptureFixture[str], group: str, singles: int, pairs: int
) -> None:
    assert_nothing_is_wrong(on_postgres, group, capsys, singles=singles, pairs=pairs)
