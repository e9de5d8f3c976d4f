"""Check that the locked packages are those that pyproject.toml asks for; `make lock` updates them."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from orderapp.no_arguments import refuse_arguments

ROOT = Path(__file__).resolve().parent.parent
# Each file of locked packages, and the extra that it has beside what the product itself runs on.
FILES = {"requirements.txt": "", "requirements-dev.txt": "dev", "requirements-bench.txt": "bench"}
# A package as uv writes it: version and condition, its hashes, and the packages that need it.
PACKAGE = re.compile(
    r"^(?P<name>[\w.-]+)(?:\[[\w,]+\])?==(?P<version>[^\s;]+)(?P<rest>.*\n(?:[ \t].*\n)*)", re.MULTILINE
)
ASKED_FOR = "orderapp (pyproject.toml)"


def asked_for(project: str, extra: str) -> dict[str, Requirement]:
    """Return what pyproject.toml asks for, by name: the product's packages, and those of an extra."""
    table = tomllib.loads(project)["project"]
    lines = table["dependencies"] + (table["optional-dependencies"][extra] if extra else [])
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}


def complaints(project: str, locks: dict[str, str]) -> Iterator[str]:
    """Yield a line for each difference between pyproject.toml and the files of locked packages.

    Args:
        project: The text of pyproject.toml.
        locks: The text of each file of FILES, by name.
    """
    product = {
        canonicalize_name(found["name"]): found["version"] for found in PACKAGE.finditer(locks["requirements.txt"])
    }
    for file, extra in FILES.items():
        wanted, direct = asked_for(project, extra), set()
        for found in PACKAGE.finditer(locks[file]):
            name, version = canonicalize_name(found["name"]), found["version"]
            if "--hash=sha256:" not in found["rest"]:
                yield f"{file}: {name} has no hash"
            if ASKED_FOR in found["rest"]:
                direct.add(name)
            if name in wanted and not wanted[name].specifier.contains(version):
                yield f"{file}: {name} {version} is not {wanted[name].specifier}"
            if product.get(name, version) != version:
                yield f"{file}: {name} {version} is {product[name]} in requirements.txt"
        yield from (f"{file}: {name} is missing" for name in sorted(wanted.keys() - direct))
        yield from (f"{file}: {name} is not asked for any more" for name in sorted(direct - wanted.keys()))


def main() -> None:
    """Print one complaint per line and exit with status 1, or print that all is well."""
    refuse_arguments("scripts.check_locks", __doc__)
    locks = {file: (ROOT / file).read_text() for file in FILES}
    found = list(complaints((ROOT / "pyproject.toml").read_text(), locks))
    if found:
        sys.exit("\n".join([*found, "The locked packages are older than pyproject.toml: make lock"]))
    sys.stdout.write("The locked packages are those that pyproject.toml asks for.\n")


if __name__ == "__main__":
    main()
