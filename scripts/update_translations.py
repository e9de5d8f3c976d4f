"""Bring the files of translations up to date with the texts of the source, or begin one (LANGUAGE=fr).

A text that is new has no translation yet, and one that is gone goes. Texts of the shipped systems are found in what
they declare, all others by the functions that translate them.
"""

import os
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

from orderapp.languages import FOLDER, SOURCE, codes
from orderapp.no_arguments import refuse_arguments
from orderapp.systems.base import Progress
from orderapp.systems.registry import system_classes

ROOT = Path(__file__).resolve().parent.parent
KEYWORDS = DEFAULT_KEYWORDS | {"lazy_gettext": None}
PYTHON, TEMPLATES = [("**.py", "python")], [("office/**", "ignore"), ("sandbox/**", "ignore"), ("**.html", "jinja2")]
OPTIONS = {"**.html": {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}}


def texts() -> Catalog:
    """Return all texts that customers may read, with the files that they stand in."""
    found = Catalog(project="orderapp", copyright_holder="the orderapp authors", fuzzy=False)
    for folder, methods in (("orderapp", PYTHON), ("templates", TEMPLATES)):
        rows = extract_from_dir(
            str(ROOT / folder), methods, OPTIONS, KEYWORDS, comment_tags=("For translators:",), strip_comment_tags=True
        )
        for file, _line, text, comments, context in rows:
            found.add(text, locations=[(f"{folder}/{file}", None)], auto_comments=comments, context=context)
    for text, file in declared():
        found.add(text, locations=[(file, None)])
    return found


def declared() -> Iterator[tuple[str, str]]:
    """Yield what the shipped systems declare for customers, each with its file."""
    yield from ((text, "orderapp/systems/base.py") for text in Progress())
    for system in system_classes():
        file = f"{system.__module__.replace('.', '/')}.py"
        told = [system.title, *system.refusals.values(), *(set(system.progress) - set(Progress()))]
        for code in system.inputs:
            told += [code.label, code.hint, code.noun, code.section, code.missing]
        yield from ((text, file) for text in told if text)


def updated(code: str) -> Catalog:
    """Return a language's translations, with all texts and only these."""
    path = path_of(code)
    catalog = Catalog(locale=code, project="orderapp", fuzzy=False)
    if path.is_file():
        with path.open("rb") as file:
            catalog = read_po(file, locale=code)
    # Without guesses: a translation of a similar text says something else.
    catalog.update(texts(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    return catalog


def path_of(code: str) -> Path:
    """Return where a language's translations are."""
    return FOLDER / code / "LC_MESSAGES" / "messages.po"


def written(catalog: Catalog) -> bytes:
    """Return a file of translations: sorted by text, and without the numbers of lines, which change all the time."""
    file = BytesIO()
    write_po(file, catalog, width=120, sort_output=True, include_lineno=False, ignore_obsolete=True)
    return file.getvalue().rstrip() + b"\n"


def main() -> None:
    """Write the files, and say what is left to translate in each."""
    refuse_arguments("scripts.update_translations", __doc__)
    for code in sorted({*codes(), *os.environ.get("LANGUAGE", "").split()} - {SOURCE}):
        catalog, path = updated(code), path_of(code)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(catalog))
        empty = sum(1 for message in catalog if message.id and not any(message.string or ()))
        sys.stdout.write(f"{path.relative_to(ROOT)}: {len(catalog)} texts, {empty} without a translation\n")


if __name__ == "__main__":
    main()
