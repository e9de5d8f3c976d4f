"""Plugins: found by name, and refused at the start in one line if they can't work."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orderapp.config import ROOT
from orderapp.errors import ConfigurationError
from orderapp.systems.registry import Systems, plugin_modules
from orderapp.systems.settings import Environment
from tests.systems.making import BACKOFF

NUMBERS = itertools.count()
HEAD = "from __future__ import annotations\nfrom orderapp.ext import *\n"
WELL = """
class Well(KeyedSystem):
    name, title, part = "well", "Well", Part.BLOCKING
    collection, noun, done_state = "credits", "credit", "credited"
    def concerns(self, order): return True
    def body(self, effect): return {}
"""
FAULTS = {
    "can't be imported (ValueError: not today)": "raise ValueError('not today')",
    "can't be imported (SyntaxError": "class",
    "declares neither a system nor a job": "",
    "body isn't written yet": WELL.replace("    def body(self, effect): return {}\n", ""),
    "Well: title has to be a str, and is None": WELL.replace("title, part", "label, part"),
    "Well: part has to be a Part, and is 'blocking'": WELL.replace("Part.BLOCKING", '"blocking"'),
    "Well: position has to be a int, and is 'first'": WELL + "    position = 'first'\n",
    "Well: inputs has to be a tuple of Code": WELL + "    inputs = ('code',)\n",
    "Well: refusals has to map codes to sentences": WELL + "    refusals = {'empty': None}\n",
    "system well: input coupon: another system has it": WELL + "    inputs = (Code('coupon', 'Coupon'),)\n",
    "system well: input 'lines': its name has to be": WELL + "    inputs = (Code('lines', 'Lines'),)\n",
    "input points: needs card, which no": WELL + "    inputs = (Code('points', '', needs='card', missing='-'),)\n",
    "system coupon: declared twice": WELL.replace('"well"', '"coupon"'),
    "system well: from_environment raised KeyError": WELL + "    def __init__(self, *_): raise KeyError('URL')\n",
    "system well: what pays is asked how much (quote)": WELL + "    is_payment = True\n",
}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Writes a plugin and returns the name of its module."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(code: str) -> str:
        name = f"plugin{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(HEAD + code)
        return name

    return write


@pytest.mark.parametrize(("told", "code"), FAULTS.items())
def test_a_plugin_that_cannot_work_is_refused_by_name_and_reason(written, told: str, code: str) -> None:  # type: ignore[no-untyped-def]
    name = written(code)
    with pytest.raises(ConfigurationError) as raised:
        Systems.from_environment(Environment({"ORDERAPP_PLUGINS": name}, production=True), BACKOFF)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value).strip()


def test_a_plugin_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="^plugin no.such: can't be imported"):
        Systems.from_environment(Environment({"ORDERAPP_PLUGINS": "no.such"}, production=True), BACKOFF)


def test_a_plugin_counts_like_any_system(written) -> None:  # type: ignore[no-untyped-def]
    variables = {"ORDERAPP_PLUGINS": f" {written(WELL)} ,", "WELL_URL": "https://well.example"}
    systems = Systems.from_environment(Environment(variables, production=True), BACKOFF)
    assert systems["well"].configured


def test_the_same_plugin_named_twice_counts_once(written) -> None:  # type: ignore[no-untyped-def]
    assert plugin_modules({"ORDERAPP_PLUGINS": "a,b,a"}) == ("a", "b")


@pytest.mark.slow
@pytest.mark.parametrize("command", [["-m", "flask", "doctor"], ["-m", "orderapp.sandbox"], ["-m", "tasks.timer"]])
def test_every_process_says_it_in_one_line(command: list[str], tmp_path: Path) -> None:
    variables = {**os.environ, "ORDERAPP_PLUGINS": "no.such", "SECRET_KEY": "k" * 32, "INSTANCE_PATH": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode != 0
    assert "plugin no.such: can't be imported" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_an_installed_package_names_its_plugin_itself(tmp_path: Path) -> None:
    (tmp_path / "myshop.py").write_text(HEAD + WELL)
    installed = tmp_path / "myshop-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: myshop\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[orderapp.plugins]\nwell = myshop\n")
    asked = (
        "from orderapp.systems.registry import plugin_modules, system_classes\n"
        "print([kind.name for kind in system_classes(plugin_modules({}))])"
    )
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    said = subprocess.run([sys.executable, "-c", asked], env=variables, capture_output=True, text=True, check=True)
    assert "'well'" in said.stdout
