"""The litmus test: a new external system is one new file. It is taken from the page that tells how to write one."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orderapp.config import ROOT
from tests.systems.ordering_with_a_new_system import NAME

pytestmark = pytest.mark.slow

GUIDE = ROOT / "docs" / "add-a-system.md"
SECONDS = 60


def example() -> str:
    """Return the page's example under a name of its own: a fork may have the page's own system."""
    codes = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    (code,) = [code for code in codes if "class Loyalty" in code]
    return str(code).replace("loyalty", NAME).replace("Loyalty", NAME.capitalize())


def run(plugins: Path, *arguments: str) -> str:
    """Run Python in a process of its own, which can import the plugins of a folder."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{plugins}", "ORDERAPP_PLUGINS": NAME},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def happened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of orders with the example. It is called first here, so that a later refusal has it to undo."""
    systems, data = tmp_path_factory.mktemp("systems"), tmp_path_factory.mktemp("data")
    code = example()
    assert code.count("position: ClassVar[int] = 40") == 1
    (systems / "litmus.py").write_text(code.replace("position: ClassVar[int] = 40", "position: ClassVar[int] = 5"))
    run(systems, "-m", "tests.systems.ordering_with_a_new_system", str(data))
    found: dict[str, Any] = json.loads((data / "happened.json").read_text())
    return found


def test_a_new_system_has_its_part_in_an_order(happened: dict[str, Any]) -> None:
    order = happened["member"]
    assert order["result"] == "confirmed"
    assert order["steps"] == {"litmus": "done", "inventory": "done"}
    assert order["effects"] == ["do"]
    assert order["held"]["litmus"] == 1


def test_it_is_compensated_when_another_system_refuses(happened: dict[str, Any]) -> None:
    order = happened["out_of_stock"]
    assert order["result"] == "refused"
    assert order["tasks"] == ["compensate litmus done", "notify email done"]
    assert order["effects"] == ["do", "undo"]
    assert order["held"] == {}


def test_it_has_no_part_in_an_order_that_does_not_concern_it(happened: dict[str, Any]) -> None:
    order = happened["no_member"]
    assert (order["result"], order["steps"]) == ("confirmed", {"inventory": "done"})
    assert order["effects"] == []


def test_the_doctor_examines_it(happened: dict[str, Any]) -> None:
    assert re.search(r"^litmus +ok\b", happened["doctor"], re.MULTILINE)


def test_the_contracts_tests_test_it(tmp_path: Path) -> None:
    (tmp_path / "litmus.py").write_text(example())
    tests = [f"tests/systems/test_{name}.py" for name in ("answers_of_all", "keyed_systems", "declarations")]
    arguments = [*tests, "-k", "litmus", "-q", "-p", "no:cacheprovider"]
    said = run(tmp_path, "-m", "pytest", *arguments)
    passed = re.search(r"^(\d+) passed", said, re.MULTILINE)
    assert passed, said
    assert int(passed[1]) >= 50


def test_its_own_file_is_all_that_the_example_needs() -> None:
    rooms = [ROOT / room for room in ("orderapp", "tasks", "templates", "static", "migrations")]
    files = [path for room in rooms for path in room.rglob("*") if path.suffix in (".py", ".html", ".js", ".css")]
    assert [path for path in files if re.search(r"\blitmus\b", path.read_text(), re.IGNORECASE)] == []
    ast.parse(example())
