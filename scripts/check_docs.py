"""Check that what the documentation points to exists: linked files and headings, paths, names, tests, make targets."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from orderapp.no_arguments import refuse_arguments

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    *("orderapp", "tasks", "templates", "static", "migrations", "tests", "examples"),
    *("docs", "scripts", "deploy", ".ci"),
)

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*make ([a-z]+)", re.MULTILINE)
PATH = re.compile(rf"(?:{'|'.join(map(re.escape, ROOMS))})/[\w./*-]*")
TEST = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")
NAME = re.compile(r"(?:orderapp|tasks)(?:\.\w+)+")


def anchors(document: str) -> set[str]:
    """Return the anchors of a document's headings, made as GitHub makes them."""
    titles = HEADING.findall(FENCE.sub("", document))
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def defines(module: Path, name: str) -> bool:
    """Whether a Python file has `name` at its top level: a function, a class, a variable or an import."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
            return True
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return True
        if isinstance(node, ast.Import | ast.ImportFrom) and any((a.asname or a.name) == name for a in node.names):
            return True
    return False


def has_test(module: Path, name: str) -> bool:
    """Whether a file has a test of this name, at its top level or in a class."""
    if not module.is_file():
        return False
    return any(
        isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(ast.parse(module.read_text()))
    )


def name_exists(dotted: str) -> bool:
    """Whether a dotted name is a package, a module, or something at the top level of one."""
    *parents, last = dotted.split(".")
    package = ROOT.joinpath(*parents)
    if (package / last).is_dir() or (package / f"{last}.py").is_file():
        return True
    modules = (package.with_suffix(".py"), package / "__init__.py")
    return any(module.is_file() and defines(module, last) for module in modules)


def broken_links(document: Path, text: str) -> Iterator[str]:
    """Yield a complaint for each relative link whose file or heading is missing."""
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (document.parent / path) if path else document
        if not linked.exists():
            yield f"no file {target}"
        elif anchor and linked.suffix == ".md" and anchor not in anchors(linked.read_text()):
            yield f"no heading for {target}"


def broken_names(text: str, make_targets: set[str]) -> Iterator[str]:
    """Yield a complaint for each path, dotted name or make target in code that doesn't exist."""
    snippets = CODE.findall(FENCE.sub("", text))
    for snippet in snippets:
        if PATH.fullmatch(snippet) and not any(ROOT.glob(snippet.rstrip("/"))):
            yield f"no path {snippet}"
        test = TEST.fullmatch(snippet)
        if test and not has_test(ROOT / test[1], test[2]):
            yield f"no test {snippet}"
        if NAME.fullmatch(snippet) and not name_exists(snippet):
            yield f"no name {snippet}"
    for target in MAKE.findall("\n".join([*snippets, *FENCE.findall(text)])):
        if target not in make_targets:
            yield f"no command make {target}"


def main() -> None:
    """Print one complaint per line and exit with status 1, or print how much was checked."""
    refuse_arguments("scripts.check_docs", __doc__)
    make_targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    documents = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    complaints = []
    for document in documents:
        text = document.read_text()
        found = [*broken_links(document, text), *broken_names(text, make_targets)]
        complaints += [f"{document.relative_to(ROOT)}: {complaint}" for complaint in found]
    if complaints:
        sys.exit("\n".join(complaints))
    sys.stdout.write("Every link, path, name and command in the documentation leads somewhere.\n")


if __name__ == "__main__":
    main()
