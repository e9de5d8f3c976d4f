"""Plugins: found by name, and refused at the start in one line if they can't work."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orderapp.config import ROOT
from orderapp.errors import ConfigurationError
from orderapp.systems.base import System
from orderapp.systems.declarations import OWN_SETTINGS
from orderapp.systems.members import refuse_incomplete
from orderapp.systems.registry import Systems, plugin_modules, system_classes
from orderapp.systems.settings import Environment
from tests.systems.making import BACKOFF

EXAMPLES = ("card", "giftcard", "invoice", "loyalty")
NUMBERS = itertools.count()
HEAD = "from __future__ import annotations\nfrom orderapp.ext import *\n"
WELL = """
class Well(KeyedSystem):
    name, title, part = "well", "Well", Part.BLOCKING
    collection, noun, done_state = "credits", "credit", "credited"
    def concerns(self, order): return True
    def body(self, effect): return {}
"""
OF_ITS_OWN = """
    key_window_seconds = 3600
    points_per_euro = 3
    quotes = ()
    def quote(self, request): return None
    @classmethod
    def from_environment(cls, *given): return super().from_environment(*given)
    @staticmethod
    def other(effect, more=()): return {}
"""
FAULTS = {
    "can't be imported (ValueError: not today)": "raise ValueError('not today')",
    "can't be imported (SyntaxError": "class",
    "declares neither a system nor a job": "",
    "body isn't written yet": WELL.replace("    def body(self, effect): return {}\n", ""),
    "Well: title has to be a str that isn't empty, and is None": WELL.replace("title, part", "label, part"),
    "Well: part has to be a Part, and is 'blocking'": WELL.replace("Part.BLOCKING", '"blocking"'),
    "Well: collection has to be a str that isn't empty, and is None": WELL.replace("collection, ", "").replace(
        '"credits", ', ""
    ),
    "Well: done_state has to be a str that isn't empty, and is ''": WELL.replace('"credited"', '""'),
    "Well: body has to take self, effect (": WELL.replace("body(self, effect)", "body(self)"),
    "Well: concerns has to take self, order (": WELL.replace("concerns(self, order)", "concerns(self, order, more)"),
    "Well: undo has to be a method, and is None": WELL + "    undo = None\n",
    "Well: position has to be an int, and is 'first'": WELL + "    position = 'first'\n",
    "Well: position has to be an int, and is True": WELL + "    position = True\n",
    "Well: calls_per_run has to be an int from 1 on, and is 0": WELL + "    calls_per_run = 0\n",
    "Well: key_window_seconds has to be a number from 0 on, or None, and is -5": WELL + "    key_window_seconds = -5\n",
    "Well: key_window_seconds has to be a number from 0 on, or None, and is 'a day'": (
        WELL + "    key_window_seconds = 'a day'\n"
    ),
    "Well: late_window_seconds has to be a number from 0 on, and is nan": (
        WELL + "    late_window_seconds = float('nan')\n"
    ),
    "Well: late_window_seconds has to be a number from 0 on, and is -1": (
        WELL + "    def __init__(self, *given): super().__init__(*given); self.late_window_seconds = -1\n"
    ),
    "Well: other_states has to return a mapping of states to Outcome": (
        WELL + "    def other_states(self): return {'partly': 'done'}\n"
    ),
    "Well: repeats has to be a Repeats of numbers": WELL + "    repeats = Repeats(not_sent=-1)\n",
    "Well: progress has to be a Progress of texts": WELL + "    progress = Progress(None)\n",
    "Well: how_to_check has to be a str, and is None": WELL + "    how_to_check = None\n",
    "Well: check_path has to be a path that begins with /": WELL + "    check_path = 'health'\n",
    "Well: after has to be a tuple of names of systems, and is (1,)": WELL + "    after = (1,)\n",
    "Well: sandbox has to be a Sandbox": WELL + "    sandbox = {'routes': print}\n",
    "Well: sandbox has to be a Sandbox with": WELL + "    sandbox = Sandbox(print, undo_paths='/refund')\n",
    "Well: inputs has to be a tuple of Code": WELL + "    inputs = ('code',)\n",
    "Well: refusals has to be a mapping of codes to sentences": WELL + "    refusals = {'empty': None}\n",
    "Well: refusal is no member of a system; refusals is meant": WELL + "    refusal = {'empty': 'Empty.'}\n",
    "Well: requires is no member of a system; required is meant": WELL + "    requires = True\n",
    "Well: other_state is no member of a system; other_states is": WELL + "    def other_state(self): return {}\n",
    "system well: example: 'memberref' isn't an input of any system": WELL + "    example = {'memberref': 'M-1'}\n",
    "system well: example: member_ref: Only letters": WELL + "    example = {'member_ref': 'M 1'}\n",
    "system shop: its settings would begin with the word": WELL.replace('"well"', '"shop"'),
    "system well: its settings would begin with the word": WELL + "    setting = 'DATABASE'\n",
    "system smtp: SMTP_URL is that of the system email": WELL.replace('"well"', '"smtp"'),
    "system well: input coupon: another system has it": WELL + "    inputs = (Code('coupon', 'Coupon'),)\n",
    "system well: input 'lines': its name has to be": WELL + "    inputs = (Code('lines', 'Lines'),)\n",
    "system well: input points: needs 'memberref', which isn't an input of any system": (
        WELL + "    inputs = (Code('points', '', needs='memberref'),)\n"
    ),
    "system well: input points: has to declare both what it needs": (
        WELL + "    inputs = (Code('points', '', needs='member_ref'),)\n"
    ),
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


@pytest.mark.parametrize("address", [{}, {"WELL_URL": "https://well.example"}], ids=["off", "on"])
@pytest.mark.parametrize(("told", "code"), FAULTS.items())
def test_a_plugin_that_cannot_work_is_refused_by_name_and_reason(  # type: ignore[no-untyped-def]
    written, told: str, code: str, address: dict[str, str]
) -> None:
    name = written(code)
    with pytest.raises(ConfigurationError) as raised:
        Systems.from_environment(Environment({"ORDERAPP_PLUGINS": name, **address}, production=True), BACKOFF)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value).strip()


def test_a_plugin_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="^plugin no.such: can't be imported"):
        Systems.from_environment(Environment({"ORDERAPP_PLUGINS": "no.such"}, production=True), BACKOFF)


def test_a_plugin_counts_like_any_system(written) -> None:  # type: ignore[no-untyped-def]
    variables = {"ORDERAPP_PLUGINS": f" {written(WELL)} ,", "WELL_URL": "https://well.example"}
    systems = Systems.from_environment(Environment(variables, production=True), BACKOFF)
    assert systems["well"].configured


def test_what_a_class_has_besides_is_its_own(written) -> None:  # type: ignore[no-untyped-def]
    name = written(WELL + OF_ITS_OWN)
    well = Systems.from_environment(Environment({"ORDERAPP_PLUGINS": name}, production=True), BACKOFF)
    assert well["well"].key_window_seconds == 3600


@pytest.mark.parametrize("kind", system_classes(tuple(f"examples.{one}" for one in EXAMPLES)), ids=lambda one: one.name)
def test_every_system_of_ours_is_complete(kind: type[System]) -> None:
    refuse_incomplete(kind)


def test_no_name_can_be_taken_for_the_first_word_of_our_own_settings() -> None:
    read = re.compile(r"""(?:env\.\w+|os\.environ\.get|variables\.get)\(\s*f?"([A-Z]+)_|os\.environ\["([A-Z]+)_""")
    files = [ROOT / "gunicorn.conf.py", *(ROOT / "tasks").rglob("*.py"), *(ROOT / "orderapp").rglob("*.py")]
    found = {word.lower() for file in files for pair in read.findall(file.read_text()) for word in pair if word}
    assert {"submission", "shop", "database", "web", "public"} <= found
    of_systems = {(kind.setting or kind.name).lower() for kind in system_classes()}
    assert found - of_systems - {"sudo"} <= OWN_SETTINGS


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
