"""How it is installed: the wheel runs the whole product, what is imported is asked for, the locks are up to date."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from runpy import run_path

import pytest
import requests
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from orderapp.config import ROOT
from tests.servers.loopback import HOST, free_port, poll_until

PROJECT = (ROOT / "pyproject.toml").read_text()
PRODUCT = ("orderapp", "tasks", "migrations", "wsgi.py", "gunicorn.conf.py")
READY_SECONDS = 60


# The wheel


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it. What it depends on comes from ours: no package index is asked."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    for_build = ["--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*pip, "wheel", *for_build, str(ROOT)], check=True, timeout=60)
    (wheel,) = folder.glob("orderapp-*.whl")
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-index", "--no-deps", str(wheel)], check=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "ours.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "venv"


@pytest.fixture(scope="module")
def said(environment: Path) -> Iterator[str]:
    """What the product says when it is started from the wheel, far from any checkout."""
    log = environment / "said.txt"
    port = free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(environment / "bin" / "python"), "-m", "orderapp.development"],
            cwd=environment,
            env={"PATH": os.environ["PATH"], "PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        poll_until(lambda: "Ctrl-C" in log.read_text() or process.poll() is not None, within_seconds=READY_SECONDS)
        yield log.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_the_wheel_alone_serves_the_shop_and_the_sandbox_with_all_their_files(said: str) -> None:
    shop, sandbox = (re.search(rf"{name}\s+(http://{HOST}:\d+)/", said) for name in ("Shop", "Sandbox"))
    assert shop is not None, said
    assert sandbox is not None, said
    assert requests.get(f"{shop[1]}/readyz", timeout=5).json()["status"] == "ready"
    for address in (shop[1], f"{shop[1]}/admin/login", sandbox[1]):
        page = requests.get(address, timeout=5)
        assert page.status_code == 200, address
        files = re.findall(r'(?:href|src)="(/static/[^"?]+)', page.text)
        assert files, address
        for file in files:
            served = requests.get(f"{address.partition('/admin')[0]}{file}", timeout=5)
            stands_in = re.sub(r"\.[0-9a-f]{12}(?=\.)", "", file.lstrip("/"))  # without the hash of its content
            assert served.content == (ROOT / stands_in).read_bytes(), file


@pytest.mark.slow
def test_the_wheel_keeps_its_data_in_the_environment_and_writes_nothing_among_its_files(
    said: str, environment: Path
) -> None:
    assert (environment / "var" / "orderapp-instance" / "orderapp.db").is_file(), said
    assert [path for path in environment.rglob("instance") if path.is_dir()] == []


@pytest.mark.slow
def test_the_wheel_has_types_and_every_file_that_is_no_python(environment: Path) -> None:
    (package,) = environment.glob("lib/python*/site-packages/orderapp")
    assert (package / "py.typed").is_file()
    for room in ("templates", "static", "migrations"):
        ours = {path.relative_to(ROOT) for path in (ROOT / room).rglob("*") if path.is_file()}
        ours = {path for path in ours if "__pycache__" not in path.parts}
        assert ours == {path for path in ours if (package / path).is_file()}


# What is asked for


def asked_for(extra: str = "") -> set[str]:
    table = tomllib.loads(PROJECT)["project"]
    lines = table["optional-dependencies"][extra] if extra else table["dependencies"]
    return {canonicalize_name(Requirement(line).name) for line in lines}


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def imported_by(*rooms: str) -> set[str]:
    """Return the distributions whose modules are imported in these files and folders."""
    ours = {"orderapp", "tasks", "bench", "examples", "scripts", "tests", *sys.stdlib_module_names}
    distributions = _distributions()
    found: set[str] = set()
    for room in rooms:
        for path in [ROOT / room] if room.endswith(".py") else (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names.append(node.module)
                found |= {name.partition(".")[0] for name in names}
    modules = {name for name in found - ours if not name.startswith("_")}  # `_typeshed` is only there for mypy
    return {canonicalize_name(distributions.get(module, [module])[0]) for module in modules}


def test_what_the_product_imports_is_asked_for_and_nothing_else() -> None:
    # The driver's binary part and the reader of .flaskenv are found by SQLAlchemy and Flask.
    assert asked_for() - imported_by(*PRODUCT) == {"python-dotenv"}
    assert imported_by(*PRODUCT) - asked_for() == asked_for("testing")


def test_what_tests_and_the_benchmark_import_is_asked_for() -> None:
    assert imported_by("tests", "bench", "scripts") - asked_for() - asked_for("dev") - asked_for("bench") == set()


# The locks

LOCKS = run_path(str(ROOT / "scripts" / "check_locks.py"))
LOCKED = {file: (ROOT / file).read_text() for file in LOCKS["FILES"]}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"zxcvbn~=4.5"', '"zxcvbn~=99.0"', r"requirements\.txt: zxcvbn \S+ is not ~=99\.0"),
        ('"zxcvbn~=4.5"', '"zxcvbn~=4.5", "pyphen"', r"requirements\.txt: pyphen is missing"),
        ('"zxcvbn~=4.5",', "", r"requirements\.txt: zxcvbn is not asked for any more"),
        ('"mypy~=2.4"', '"mypy~=99.0"', r"requirements-dev\.txt: mypy \S+ is not ~=99\.0"),
    ],
)
def test_a_lock_that_is_older_than_pyproject_is_noticed(old: str, new: str, complaint: str) -> None:
    assert old in PROJECT
    found = LOCKS["complaints"](PROJECT.replace(old, new), LOCKED)
    assert any(re.fullmatch(complaint, line) for line in found)


def test_a_version_that_differs_between_locks_or_has_no_hash_is_noticed() -> None:
    development = re.sub(r"^click==\S+( \\\n    --hash=\S+)+", "click==0.1", LOCKED["requirements-dev.txt"], flags=re.M)
    found = list(LOCKS["complaints"](PROJECT, {**LOCKED, "requirements-dev.txt": development}))
    assert "requirements-dev.txt: click has no hash" in found
    assert any(
        line.startswith("requirements-dev.txt: click 0.1 is ") and "in requirements.txt" in line for line in found
    )


def test_the_locks_are_those_of_pyproject() -> None:
    assert list(LOCKS["complaints"](PROJECT, LOCKED)) == []
