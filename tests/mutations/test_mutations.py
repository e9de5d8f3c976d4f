"""Each mutation still applies: a mistake that can't be made any more isn't caught by anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations import of_events, of_jobs, of_operations, of_placements, of_plugins, of_survivors, of_tasks
from tests.mutations.mutation import Mutation

TREE = Path(__file__).resolve().parents[2]
ALL = (
    *of_placements.MUTATIONS,
    *of_tasks.MUTATIONS,
    *of_plugins.MUTATIONS,
    *of_jobs.MUTATIONS,
    *of_events.MUTATIONS,
    *of_operations.MUTATIONS,
    *of_survivors.MUTATIONS,
)


@pytest.mark.parametrize("mutation", ALL, ids=lambda mutation: mutation.name)
def test_a_mutation_applies(mutation: Mutation) -> None:
    assert mutation.applied_to(TREE) != (TREE / mutation.path).read_text()


def test_each_mutation_has_a_name_of_its_own() -> None:
    assert len({mutation.name for mutation in ALL}) == len(ALL)
