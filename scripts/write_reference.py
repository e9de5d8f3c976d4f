"""Write docs/ext.md, the reference of `orderapp.ext` and its `testing`, from docstrings; `--check` only compares it.

The groups and their order are those of `__all__`. A field is described by its line under `Args:` or `Attributes:` of
its class, or by the comment beside or above it. Whatever isn't described is an error.
"""

import argparse
import ast
import enum
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from orderapp import ext
from orderapp.ext import testing

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "ext.md"
BEGINNING = """\
# Reference of `orderapp.ext`

All that a plugin may import, and at the end what `orderapp.ext.testing` has for its tests. It follows semantic
versioning; everything else in orderapp may change at any time.
Read [Add an external system](add-a-system.md) first: it says when to use what. The groups stand here in the order in
which you meet them.

<!-- Made from the docstrings by `make reference`. -->
"""
SECTION = re.compile(r"(Args|Attributes|Raises|Yields|Example):")
EFFECT = re.compile(r"\n(?=Transaction|Idempotent because|If we die here)")
ENTRY = re.compile(r"(\w+): (.*)", re.DOTALL)
FIELDS = ("Args", "Attributes")
Definition = ast.ClassDef | ast.FunctionDef
Sections = dict[str, str]


class Undescribed(Exception):
    """Something public has no description."""


def groups(module: ModuleType) -> Iterator[tuple[str, list[str]]]:
    """Yield each heading of a module's `__all__` (its comments) with the names below it."""
    listed = inspect.getsource(module).partition("__all__ = [")[2].partition("]")[0]
    for group in listed.split("# ")[1:]:
        heading, _, names = group.partition("\n")
        yield heading, re.findall(r'"(\w+)"', names)


def sections_of(docstring: str) -> Sections:
    """Return a docstring's text under "", and its sections by their names."""
    found: Sections = {}
    name, lines = "", []
    for line in [*docstring.splitlines(), "Example:"]:
        if SECTION.fullmatch(line):
            found[name] = textwrap.dedent("\n".join(lines)).strip() or found.get(name, "")
            name, lines = line[:-1], []
        else:
            lines.append(line)
    return found


def entries(section: str) -> dict[str, str]:
    """Return the lines `name: text` of a section, in one line each."""
    joined = re.sub(r"\n\s+", " ", section)
    return {match[1]: match[2] for line in joined.splitlines() if (match := ENTRY.match(line))}


def comment_at(node: ast.stmt, lines: list[str]) -> str:
    """Return the comment beside a statement, or the one above it."""
    beside = re.search(r"  # (?!noqa|type:)(.+)", lines[node.end_lineno - 1]) if node.end_lineno else None
    if beside:
        return beside[1]
    above, at = [], node.lineno - 2
    while at >= 0 and lines[at].strip().startswith("# "):
        above.insert(0, lines[at].strip()[2:])
        at -= 1
    return " ".join(above)


def docstring_of(value: Any, name: str) -> Sections:
    """Return the sections of an object's own docstring, which must be one sentence at least."""
    sections = sections_of(inspect.cleandoc(value.__doc__ or ""))
    if not sections[""].partition("\n\n")[0].endswith((".", ":")):
        raise Undescribed(f"{name} has no docstring of its own that begins with a sentence")
    return sections


def texts_of(sections: Sections) -> Iterator[str]:
    """Yield a docstring's paragraphs, and its sections except those of fields."""
    yield EFFECT.sub("\n\n", sections[""])
    for name, section in sections.items():
        if name == "Example" and section:
            yield f"```python\n{section}\n```"
        elif name in ("Raises", "Yields"):
            listed = entries(section)
            said = "; ".join(f"`{error}` – {why.rstrip('.')}" for error, why in listed.items()) or section.rstrip(".")
            yield f"{name}: {said}.".replace("\n", " ")


def fields(kind: type, node: ast.ClassDef, lines: list[str], sections: Sections) -> Iterator[str]:
    """Yield a line for each public field of a class; its parent's fields stand with the parent."""
    described = entries("\n".join(sections.get(one, "") for one in FIELDS))
    for part in node.body:
        target = part.target if isinstance(part, ast.AnnAssign) else None
        if isinstance(part, ast.Assign):
            target = part.targets[0]
        if not isinstance(target, ast.Name) or target.id.startswith("_"):
            continue
        text = described.pop(target.id, "") or comment_at(part, lines)
        if not text and hasattr(kind.__base__, target.id):
            continue
        if not text:
            raise Undescribed(f"{node.name}.{target.id}: no line in the docstring and no comment")
        yield f"- `{declared(part, target.id)}`: {text[0].upper()}{text[1:].rstrip('.')}."
    for name, text in described.items():
        yield f"- `{name}`: {text}"


def declared(part: ast.stmt, name: str) -> str:
    """Return a field's declaration: its name, its type and its default."""
    value = ast.unparse(part.value) if isinstance(part, ast.Assign | ast.AnnAssign) and part.value else ""
    kind = ast.unparse(part.annotation) if isinstance(part, ast.AnnAssign) else ""
    kind = re.sub(r"^ClassVar\[(.*)\]$", r"\1", kind)
    value = re.sub(r"^(?:dataclasses\.)?field\(default_factory=(\w+)\)$", r"\1()", value)
    return name + (f": {kind}" if kind else "") + (f" = {value}" if value else "")


def signature(node: ast.FunctionDef) -> str:
    """Return a function's name, arguments and result, as they stand in the source, without `self`."""
    arguments = re.sub(r"^(?:self|cls)(?:, )?", "", ast.unparse(node.args))
    return f"{node.name}({arguments})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")


def methods(kind: type, node: ast.ClassDef) -> Iterator[str]:
    """Yield the texts about each public method and property that a class defines itself."""
    for part in node.body:
        special = part.name.startswith("_") if isinstance(part, ast.FunctionDef) else True
        if special or not isinstance(part, ast.FunctionDef):
            continue
        marks = {ast.unparse(mark) for mark in part.decorator_list}
        value = inspect.getattr_static(kind, part.name)
        value = getattr(value, "fget", None) or getattr(value, "__func__", value)
        shown = signature(part)
        if marks & {"property", "cached_property"}:
            shown = f"{part.name}: {ast.unparse(part.returns)}" if part.returns else part.name
        # Other abstract classes are what a plugin is given; it implements systems only.
        must = " (every subclass defines it)" if "abstractmethod" in marks and issubclass(kind, ext.System) else ""
        yield f"**`{kind.__name__}.{shown}`**{must}"
        yield from described_function(value, f"{kind.__name__}.{part.name}")


def described_function(value: Any, name: str) -> Iterator[str]:
    """Yield a function's docstring and its arguments."""
    sections = docstring_of(value, name)
    texts = list(texts_of(sections))
    yield texts[0]
    if arguments := entries(sections.get("Args", "")):
        yield "\n".join(f"- `{argument}`: {text}" for argument, text in arguments.items())
    yield from texts[1:]


def described(name: str, public: ModuleType) -> Iterator[str]:
    """Yield the texts about one public name of a module."""
    yield f"### {name}"
    value = getattr(public, name)
    if not isinstance(value, type) and not inspect.isfunction(value):
        yield from described_constant(name, value, public)
        return
    node = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]
    lines = textwrap.dedent(inspect.getsource(value)).splitlines()
    if isinstance(node, ast.FunctionDef):
        yield f"```python\n{signature(node)}\n```"
        yield from described_function(value, name)
    elif isinstance(node, ast.ClassDef):
        sections = docstring_of(value, name)
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        yield f"```python\nclass {name}{f'({bases})' if bases else ''}\n```"
        yield from texts_of(sections)
        if listed := list(fields(value, node, lines, sections)):
            plain = "Args" in sections and not hasattr(value, "__dataclass_fields__")
            yield "Its values:" if issubclass(value, enum.Enum) else "Its arguments:" if plain else "Its fields:"
            yield "\n".join(listed)
        yield from methods(value, node)
        for base in value.__mro__[1:]:
            if base.__module__.startswith("orderapp") and not hasattr(public, base.__name__):
                yield from methods(value, ast.parse(inspect.getsource(base)).body[0])


def described_constant(name: str, value: Any, public: ModuleType) -> Iterator[str]:
    """Yield a constant's value and the comment at its definition."""
    (module,) = (
        one.module
        for one in ast.parse(inspect.getsource(public)).body
        if isinstance(one, ast.ImportFrom) and one.module and any(alias.name == name for alias in one.names)
    )
    source = inspect.getsource(importlib.import_module(module))
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and name in re.findall(r"\w+", ast.unparse(node.targets[0])):
            text = comment_at(node, source.splitlines())
            if not text:
                raise Undescribed(f"{name}: no comment at its definition")
            shown = f"frozenset({sorted(value)})" if isinstance(value, frozenset) else repr(value)
            is_list = isinstance(value, Mapping) and all(isinstance(about, str) for about in value.values())
            if not is_list:
                yield f"`{name} = {shown}`"
            yield f"{text[0].upper()}{text[1:].rstrip('.')}."
            if is_list:
                yield "\n".join(f"- `{key}`: {about}." for key, about in value.items())


def link(heading: str) -> str:
    """Return a link to a heading of the page."""
    return f"[{heading}](#{heading.lower().replace(' ', '-')})"


def reference() -> str:
    """Return the whole page."""
    listed = [(module, *group) for module in (ext, testing) for group in groups(module)]
    if [name for _, _, names in listed for name in names] != [*ext.__all__, *testing.__all__]:
        raise Undescribed("orderapp.ext: every name of __all__ stands under a comment that is its heading")
    page = [
        BEGINNING.strip(),
        "\n".join(f"- {link(heading)}: {', '.join(map(link, names))}" for _, heading, names in listed),
    ]
    for module, heading, names in listed:
        page.append(f"## {heading}")
        for name in names:
            page += described(name, module)
    return "\n\n".join(page) + "\n"


def main() -> None:
    """Write the page; with `--check`, exit with status 1 and one line if it differs."""
    parser = argparse.ArgumentParser("python -m scripts.write_reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    only_checks = parser.parse_args().check
    try:
        page = reference()
    except Undescribed as error:
        sys.exit(f"{error}")
    if not only_checks:
        REFERENCE.write_text(page)
    elif not REFERENCE.is_file() or REFERENCE.read_text() != page:
        sys.exit(f"{REFERENCE.relative_to(ROOT)} isn't what the docstrings say; run make reference")


if __name__ == "__main__":
    main()
