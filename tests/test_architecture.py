"""What the layers of `make lint` can't say: who may name a system, write a state, commit, call; how long a file is."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from orderapp.config import ROOT
from orderapp.domain.orders import Customer, OrderRequest
from orderapp.domain.states import EDGES
from orderapp.systems.registry import system_classes

MOST_LINES_OF_A_MODULE = 300
MOST_LINES_OF_A_FUNCTION = 40
# A list of what is wired to what, in order: nothing in it decides, so it is read as a list, whatever its length.
WIRING = "create_app"

PRODUCT = sorted(path.relative_to(ROOT) for room in ("orderapp", "tasks") for path in (ROOT / room).rglob("*.py"))
SYSTEMS, SANDBOX, SERVICES = Path("orderapp/systems"), Path("orderapp/sandbox"), Path("orderapp/services")
HTTP, CONNECTIONS, TRANSITIONS = SYSTEMS / "http.py", SYSTEMS / "connections.py", SERVICES / "db/transitions.py"
# It starts the product and waits for its own web process, before anything can be ordered.
STARTER = Path("orderapp/development.py")
# It tells the sandbox which faults to make, and lets the leases of a dead process run out without waiting.
TESTING = Path("orderapp/ext/testing/shop.py")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


@cache
def code_of(path: Path) -> tuple[ast.AST, ...]:
    """Return a file's nodes without its docstrings, which may say whatever explains."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    holders = [node for node in ast.walk(parsed(path)) if isinstance(node, documented)]
    docstrings = {holder.body[0].value for holder in holders if ast.get_docstring(holder) is not None}  # type: ignore[attr-defined]
    return tuple(node for node in ast.walk(parsed(path)) if node not in docstrings)


def names_in(node: ast.AST) -> list[str]:
    """Return the names a node brings in: identifiers, attributes, arguments, what is imported."""
    names = [getattr(node, field, None) for field in ("id", "attr", "arg", "name", "module")]
    return [name for name in names if isinstance(name, str)]


# The litmus test's other half: a new system is one new file because no other file names one.

OWN_FILES = {kind.name: Path(kind.__module__.replace(".", "/") + ".py") for kind in system_classes()}
# `email` is also what customers type into an order. As such it is everybody's word; what is only the system's (its
# class, its module, its settings) is forbidden all the same.
WORDS_OF_AN_ORDER = {field.name for kind in (Customer, OrderRequest) for field in fields(kind)}


def mentions(path: Path, kind: type) -> Iterator[str]:
    """Yield where a file names a system: in code, not in the prose of comments, docstrings and sentences."""
    name: str = kind.name  # type: ignore[attr-defined]
    setting = re.compile(rf"\b{name.upper()}_[A-Z]")
    for node in code_of(path):
        used = names_in(node)
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        named = kind.__name__ in used or kind.__module__ in used or bool(setting.search(text))
        if name not in WORDS_OF_AN_ORDER:
            named |= text == name or any(name in one.lower().split("_") for one in used)
        if named:
            yield f"{path}:{getattr(node, 'lineno', '?')}"


@pytest.mark.parametrize("kind", system_classes(), ids=lambda kind: kind.name)
def test_only_its_own_file_names_a_system(kind: type) -> None:
    own = OWN_FILES[kind.name]  # type: ignore[attr-defined]
    elsewhere = [path for path in PRODUCT if path != own and SANDBOX not in path.parents]
    assert [found for path in elsewhere for found in mentions(path, kind)] == []


def test_the_search_for_names_finds_them() -> None:
    for kind in system_classes():
        assert list(mentions(OWN_FILES[kind.name], kind)), kind.name


def test_the_shipped_systems_use_only_what_plugins_may() -> None:
    for path in OWN_FILES.values():
        modules = [node.module for node in code_of(path) if isinstance(node, ast.ImportFrom)]
        assert [name for name in modules if name and name.startswith("orderapp")] == ["orderapp.ext"], path


# One place each


def importing(module: str) -> list[Path]:
    found = []
    for path in PRODUCT:
        for node in code_of(path):
            imported = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                imported += [f"{node.module}.{one.name}" for one in node.names]
            if any(one == module or one.startswith(f"{module}.") for one in imported):
                found.append(path)
    return sorted(set(found))


def test_http_calls_leave_from_one_file() -> None:
    assert importing("requests") == sorted([STARTER, TESTING, CONNECTIONS, HTTP])
    assert importing("urllib3") == [CONNECTIONS, HTTP]
    assert importing("http.client") == [CONNECTIONS]
    assert importing("orderapp.systems.connections") == [HTTP]
    assert importing("urllib.request") == []


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in code_of(path):
        if isinstance(node, ast.Call):
            yield (names_in(node.func) or [""])[0], node


COMMITTING = ("commit", "writing", "begin", "raw_connection", "PreparedStatement")


def test_only_services_commit() -> None:
    elsewhere = [path for path in PRODUCT if SERVICES not in path.parents and SANDBOX not in path.parents]
    found = {(path, name) for path in elsewhere for name, _ in calls(path) if name in COMMITTING}
    assert found == {(CONNECTIONS, "begin"), (TESTING, "writing")}, "which begins to read an answer; lets leases lapse"
    # Whoever has a prepared statement commits by running it, whatever the name it is run under.
    having = importing("orderapp.services.db.prepared_statements")
    assert having
    assert {path.parents[1] for path in having} == {SERVICES}


def test_the_driver_is_used_past_sqlalchemy_in_few_places() -> None:
    connecting = [path for path in importing("psycopg") if path.name != "addresses.py"]  # which only reads addresses
    assert connecting == [SERVICES / "db/prepared_statements.py", SERVICES / "engine/relay_wakeup.py"]


def test_upserts_are_built_in_one_place() -> None:
    """So that none names a partial index's condition with parameters, which fails from the sixth execution on."""
    found = {path for path in PRODUCT for name, _ in calls(path) if name.startswith("on_conflict")}
    assert found == {SERVICES / "db/upserts.py"}
    assert importing("sqlalchemy.dialects.sqlite") == [SERVICES / "db/upserts.py"]


STATE_WORDS = {state.value for states in EDGES.values() for state in states}


def test_a_state_is_changed_only_by_the_transition_table() -> None:
    """Rows may be born in a state; from then on `transitions` has it. A circuit's states have a file of their own."""
    found = []
    for path in PRODUCT:
        if path in (TRANSITIONS, SERVICES / "resilience/circuit_breakers.py") or SANDBOX in path.parents:
            continue
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.FunctionDef):
                continue
            if any("update(" in ast.unparse(call.func) for call in state_values(node)):
                found.append(f"{path}:{node.lineno} {node.name}")
    assert found == []


def state_values(function: ast.FunctionDef) -> Iterator[ast.Call]:
    """Yield the calls of `….values(state=…)` in a function."""
    for node in ast.walk(function):
        is_values = isinstance(node, ast.Call) and names_in(node.func) == ["values"]
        if is_values and any(keyword.arg == "state" for keyword in node.keywords):
            yield node


def test_no_row_gets_a_state_by_assignment_and_none_by_a_bare_word() -> None:
    found = []
    for path in (path for path in PRODUCT if SANDBOX not in path.parents):
        for node in code_of(path):
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(target, ast.Attribute) and target.attr == "state" for target in targets):
                found.append(f"{path}:{node.lineno} assigns a state")
            given = node.value if isinstance(node, ast.keyword) and node.arg == "state" else None
            if isinstance(given, ast.Constant) and given.value in STATE_WORDS:
                found.append(f"{path}:{given.lineno} writes a state as a word")
    assert found == []


# Sizes


def lines_of_code(path: Path) -> set[int]:
    """Return the numbers of a file's lines that hold more than a comment."""
    nothing = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO((ROOT / path).read_text()).readline):
        if token.type not in nothing:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return lines


def test_a_module_fits_a_readers_head() -> None:
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in PRODUCT}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES_OF_A_MODULE} == {}


def test_a_function_fits_a_screen() -> None:
    """Counted are lines of code: neither the docstring nor comments, which only make it easier to read."""
    found = {}
    for path in PRODUCT:
        code = lines_of_code(path)
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                length = len(code & set(range(body[0].lineno, (body[-1].end_lineno or 0) + 1))) if body else 0
                if length > MOST_LINES_OF_A_FUNCTION and node.name != WIRING:
                    found[f"{path}:{node.lineno} {node.name}"] = length
    assert found == {}
