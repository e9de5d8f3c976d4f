"""The drawing itself; and a sample of what it found is really made, and caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.drawing import TREE, draw, nearest_tests
from tests.mutants.operators import operators
from tests.mutations.__main__ import copy_of_the_tree, run
from tests.mutations.mutation import Mutation
from tests.mutations.of_survivors import MUTATIONS

SAMPLE = 3  # all of them: `make mutations`


def test_the_same_seed_draws_the_same_mutants_and_each_is_another_program() -> None:
    drawn = draw(7, 30, ("orderapp/domain", "tasks"))
    assert drawn == draw(7, 30, ("orderapp/domain", "tasks")) != draw(8, 30, ("orderapp/domain", "tasks"))
    for mutant in drawn:
        source = mutant.source()
        compile(source, mutant.path, "exec")
        assert source != (TREE / mutant.path).read_text()
        for test in nearest_tests(mutant.path):
            file, _, name = test.partition("::")
            assert name in (TREE / file).read_text(), "pytest would fail for want of it, as if it had noticed"


def test_what_is_left_out_is_left_out() -> None:
    from cosmic_ray.mutating import mutate_code

    called = "def f() -> None:\n    lock(order)  # first\n    write(order)\n"
    assert mutate_code(called, operators()["LeaveOutCall"], 1) == called.replace("write(order)", "pass")
    asked = "rows.where(a == 1, b, ~c)\n"
    left = [mutate_code(asked, operators()["LeaveOutCondition"], n).replace(" ", "") for n in range(3)]
    assert left == ["rows.where(b,~c)\n", "rows.where(a==1,~c)\n", "rows.where(a==1,b)\n"]
    moved = "move(session, Task, DONE, a, b, fencing=1)\n"
    left = [mutate_code(moved, operators()["LeaveOutCondition"], n).replace(" ", "") for n in range(2)]
    assert left == ["move(session,Task,DONE,b,fencing=1)\n", "move(session,Task,DONE,a,fencing=1)\n"]


@pytest.mark.parametrize(
    "mutation", MUTATIONS[:: len(MUTATIONS) // SAMPLE][:SAMPLE], ids=lambda mutation: mutation.name
)
def test_a_sample_of_what_went_unnoticed_is_caught(tmp_path: Path, mutation: Mutation) -> None:
    tree = copy_of_the_tree(tmp_path / "tree")
    (tree / mutation.path).write_text(mutation.applied_to(tree))
    assert run(mutation, tree), "nothing notices it"


def test_the_nearest_tests_come_first() -> None:
    assert nearest_tests("orderapp/services/orders/cancel.py")[0] == "tests/services/orders/test_retry_and_cancel.py"
