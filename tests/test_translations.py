"""Every text that customers may read is in every language, with the same values and the same markup."""

from __future__ import annotations

import ast
import re
from collections import Counter
from typing import Any

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from orderapp.config import ROOT
from orderapp.languages import SOURCE, codes
from scripts import update_translations as script

LANGUAGES = [code for code in codes() if code != SOURCE]
VALUE_OR_TAG = re.compile(r"%\(\w+\)[sd]|</?\w+[^>]*>")


TRANSLATING = {"_", "gettext", "ngettext", "lazy_gettext"}


def told(message: Message) -> list[tuple[str, str]]:
    """Return each form of a message with the text it translates."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    return [(message.id[-1], text) for text in message.string]


@pytest.fixture(scope="module", params=LANGUAGES)
def catalogue(request: pytest.FixtureRequest) -> Any:
    return script.updated(request.param)


def test_german_is_one_of_the_languages() -> None:
    assert codes()[0] == SOURCE
    assert "de" in codes()


def test_every_text_has_a_translation(catalogue: Any) -> None:
    missing = [message.id for message in catalogue if message.id and not all(message.string or [""])]
    assert missing == [], "`make translations` adds them to the files, to be translated there"


def test_every_translation_has_the_values_and_the_markup_of_its_text(catalogue: Any) -> None:
    for message in catalogue:
        for text, translation in told(message) if message.id else ():
            there, wanted = (Counter(VALUE_OR_TAG.findall(one)) for one in (translation, text))
            assert there == wanted, text
            assert translation.count("%") == text.count("%"), text


def test_every_translation_is_of_a_text_that_is_there(catalogue: Any) -> None:
    kept = script.path_of(str(catalogue.locale)).read_text()
    assert "#~" not in kept
    texts = {message.id for message in script.texts()}
    with script.path_of(str(catalogue.locale)).open("rb") as file:
        there = {message.id for message in read_po(file, locale=catalogue.locale)}
    assert there == texts


def test_no_text_is_translated_inside_an_f_string() -> None:
    """There the texts aren't found."""
    for path in (ROOT / "orderapp").rglob("*.py"):
        for joined in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.JoinedStr)):
            calls = {
                getattr(node.func, "id", getattr(node.func, "attr", ""))
                for node in ast.walk(joined)
                if isinstance(node, ast.Call)
            }
            assert not calls & TRANSLATING, (path, joined.lineno)
