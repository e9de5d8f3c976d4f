"""What people type: characters that nobody can see, whether there is anything to be read, addresses of the web."""

from __future__ import annotations

import re
import unicodedata

# By category: controls, format characters (zero width, direction, BOM, soft hyphen), half characters, separators.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
# Letters, marks and symbols by category, and blank all the same: fillers of Hangul, Khmer and Mongolian, blank Braille.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
# Persian and Indic names are written with them; elsewhere nobody sees them.
_JOINERS = frozenset("\u200c\u200d")
_VIRAMA = 9  # the combining class of the signs after which Indic scripts use joiners
_UNNAMED = {"\t": "tab", "\n": "line break", "\r": "line break", "\x0b": "line break", "\x0c": "page break",
            "\x85": "line break"}  # fmt: skip
# How much of the text before a hidden character is quoted to show where it is.
_QUOTED_CHARACTERS = 20
# What mail programs and phones make a link of: a scheme, www., or a host with a path.
_LINK = re.compile(r"//|\bwww\.|\w\.\w{2,}(?::\d+)?[/?#\\]|\b(?:mailto|tel|sms|javascript|data):\S", re.IGNORECASE)
# A dot within a word, in any of the forms that browsers take for one.
_INNER_DOT = re.compile(r"(?<=\w)([.\u3002\uff0e\uff61])(?=\w)")


def trimmed(text: str) -> str:
    """Return a text without blanks and characters that nobody can see at its ends; half characters stay."""
    start, end = 0, len(text)
    while start < end and _goes(text[start]):
        start += 1
    while end > start and _goes(text[end - 1]):
        end -= 1
    return text[start:end]


def hidden_in(text: str) -> str | None:
    """Say in a sentence which character of a text nobody can see, and after what it stands; None where all are seen."""
    for place, character in enumerate(text):
        if _is_hidden(character) and character != " " and not _joins(text, place):
            before = text[max(0, place - _QUOTED_CHARACTERS) : place]
            where = f"after \N{LEFT DOUBLE QUOTATION MARK}{before}\N{RIGHT DOUBLE QUOTATION MARK}"
            named = f"{_name_of(character)} (U+{ord(character):04X})"
            return f"There is a character that can't be seen {where if before else 'here'}: {named}. Delete it."
    return None


def can_be_seen(text: str) -> bool:
    """Say whether at least one character is more than a space, a mark, a control or a format character."""
    return any(
        unicodedata.category(character)[0] not in "ZCM" and character not in _BLANK
        for character in unicodedata.normalize("NFC", text)
    )


def has_link(text: str) -> bool:
    """Say whether a mail program or a phone would make a link of a part of a text."""
    return _LINK.search(unicodedata.normalize("NFKC", text)) is not None


def without_links(text: str) -> str:
    """Return a text in which no program finds the name of a host: "Dr.Smith" is "Dr. Smith", as is "win.example"."""
    return _INNER_DOT.sub(r"\1 ", text)


def _goes(character: str) -> bool:
    return character == " " or (_is_hidden(character) and unicodedata.category(character) != "Cs")


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN_CATEGORIES or character in _BLANK


def _joins(text: str, place: int) -> bool:
    """Say whether a character is a joiner where its script uses one (RFC 5892, A.1 and A.2)."""
    if text[place] not in _JOINERS or not 0 < place < len(text) - 1:
        return False
    before, after = text[place - 1], text[place + 1]
    arabic = unicodedata.bidirectional(before) == unicodedata.bidirectional(after) == "AL"
    return arabic or unicodedata.combining(before) == _VIRAMA


def _name_of(character: str) -> str:
    half = "half a character" if unicodedata.category(character) == "Cs" else "control character"
    return _UNNAMED.get(character) or unicodedata.name(character, half).lower()
