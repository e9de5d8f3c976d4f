"""A process may die at every boundary, on SQLite with the in-process broker, and all ledgers still agree."""

from __future__ import annotations

import pytest

from tests.sweep.conftest import MOST_SECONDS, assert_nothing_is_wrong
from tests.sweep.sweeping import Sweeper

pytestmark = pytest.mark.timeout(MOST_SECONDS)


@pytest.mark.parametrize(
    ("group", "singles", "pairs"),
    [("confirmed", 45, 8), ("refused", 18, 5), ("unknown", 35, 10), ("afterwards", 30, 8), ("told", 15, 4)],
)
def test_an_order_may_die_at_every_boundary(
    on_sqlite: Sweeper, capsys: pytest.CaptureFixture[str], group: str, singles: int, pairs: int
) -> None:
    assert_nothing_is_wrong(on_sqlite, group, capsys, singles=singles, pairs=pairs)
