"""Draws mutants by a seed, and finds the tests that are nearest to each."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from tests.mutants.operators import operators

TREE = Path(__file__).resolve().parents[2]
ROOMS = ("orderapp/services", "orderapp/domain", "orderapp/systems", "orderapp/models", "tasks")
STEM = 6  # letters by which "cancelling" is known in "retry and cancel"
FEW_FILES = 3  # of tests that import a module itself
MOST_FILES = 6  # of tests for one mutant, the nearest first
FLOW = "tests/services/placing/test_forward_flow.py::test_an_order_with_everything_is_confirmed_with_each_effect_once"
RUNNING = "tests/services/engine/test_run_task.py"
# What most files of a room have a part in, and tests reach through helpers.
GENERAL = {
    "orderapp/services": (FLOW, RUNNING),
    "orderapp/models": (FLOW, RUNNING, "tests/test_migrations.py"),
    "orderapp/systems": (
        *("tests/systems/test_out_of_step.py", "tests/systems/test_answers_of_all.py"),
        *("tests/systems/test_declarations.py", "tests/cli/test_doctor.py"),
    ),
}
# Games, sweeps and whole programs notice much, and take long: what only they notice, nobody finds by its test.
FAR = frozenset({"model", "sweep", "chaos", "drain", "flow", "bench", "mutations", "mutants", "servers", "sandbox"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake: which operator makes it, at which of the places in a file where it can."""

    path: str
    operator: str
    occurrence: int
    line: int

    def source(self) -> str:
        """Return the file's text with the mistake in it."""
        mutated: str = mutate_code((TREE / self.path).read_text(), operators()[self.operator], self.occurrence)
        return mutated

    def __str__(self) -> str:
        """Return where it is and what it is."""
        return f"{self.path}:{self.line} {self.operator} ({self.occurrence})"


def draw(seed: int, number: int, rooms: tuple[str, ...] = ROOMS) -> list[Mutant]:
    """Return so many of all mutants there are, the same for the same seed and code."""
    everything = [mutant for path in _files(rooms) for mutant in _mutants(path)]
    return random.Random(seed).sample(everything, min(number, len(everything)))


def _files(rooms: tuple[str, ...]) -> list[str]:
    return sorted(str(path.relative_to(TREE)) for room in rooms for path in (TREE / room).rglob("*.py"))


def _mutants(path: str) -> Iterator[Mutant]:
    nodes = list(ast_nodes(get_ast((TREE / path).read_text())))
    lines = (TREE / path).read_text().splitlines()
    for name, operator in operators().items():
        places = [start[0] for node in nodes for start, _ in operator.mutation_positions(node)]
        # Of each number there are two: one more, and one less. One is enough.
        for occurrence in range(0, len(places), 2 if name == "NumberReplacer" else 1):
            # What a dataclass has besides (slots, frozen) changes nothing that it does, nor how an argument is given.
            line = lines[places[occurrence] - 1]
            if not (line.startswith("@dataclass") or (name == "ReplaceBinaryOperator_Mul_Div" and "*, " in line)):
                yield Mutant(path, name, occurrence, places[occurrence])


def nearest_tests(path: str) -> list[str]:
    """Return the files of tests that import a module or are named for it; where few do, those of its users too."""
    module = path.removesuffix(".py").replace("/", ".")
    own = _near(module)
    users = _importers(module, near=False) if len(own) < FEW_FILES else set()
    found = own.union(*map(_near, users))
    word = module.rpartition(".")[2][:STEM]
    by_nearness = sorted(found, key=lambda test: (test not in own, word not in test, len(_imports()[test]), test))
    files = [test.replace(".", "/") + ".py" for test in by_nearness[:MOST_FILES]]
    general = GENERAL.get("/".join(path.split("/")[:2]), ())
    return files + [test for test in general if test.partition("::")[0] not in files]


def _near(module: str) -> set[str]:
    """Return the tests that import a module, or are named for it: those of a command know nothing but its name."""
    stem = module.rpartition(".")[2][:STEM]
    tests = [test for test in _imports() if test.startswith("tests.") and test.rpartition(".")[2].startswith("test_")]
    return {test for test in tests if stem in test.rpartition(".")[2]} | _importers(module, near=True)


def _importers(module: str, *, near: bool) -> set[str]:
    """Return the modules that import one: tests that are near, or the product's own."""
    return {
        user
        for user, used in _imports().items()
        if module in used and (user.rpartition(".")[2].startswith("test_") if near else not user.startswith("tests."))
    }


@cache
def _imports() -> dict[str, set[str]]:
    found = {}
    for folder in ("tests", "orderapp", "tasks"):
        for path in (TREE / folder).rglob("*.py"):
            parts = path.relative_to(TREE).with_suffix("").parts
            if parts[0] != "tests" or parts[1] not in FAR:
                found[".".join(parts)] = set(_imported(path))
    return found


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)
