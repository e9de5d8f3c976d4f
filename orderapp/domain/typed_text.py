"""Checks typed text: invisible characters, visible content, web links."""

from __future__ import annotations

import re
import unicodedata

# By category: controls, format characters (zero width, direction, BOM, soft hyphen), surrogates, separators.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
# Letters, marks and symbols by category, but invisible: fillers of Hangul, Khmer and Mongolian, blank Braille.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
# Persian and Indic names need them; in other scripts they are invisible.
_JOINERS = frozenset("\u200c\u200d")
_VIRAMA = 9  # the combining class of the signs after which Indic scripts use joiners
_UNNAMED = {"\t": "tab", "\n": "line break", "\r": "line break", "\x0b": "line break", "\x0c": "page break",
            "\x85": "line break"}  # fmt: skip
# How many characters before a hidden one are quoted, to show its place.
_QUOTED_CHARACTERS = 20
# Mail programs and phones turn these into a link: a scheme, www., or a host with a path.
_LINK = re.compile(r"//|\bwww\.|\w\.\w{2,}(?::\d+)?[/?#\\]|\b(?:mailto|tel|sms|javascript|data):\S", re.IGNORECASE)
# A dot inside a word, in any form that browsers accept.
_INNER_DOT = re.compile(r"(?<=\w)([.\u3002\uff0e\uff61])(?=\w)")


def trimmed(text: str) -> str:
    """Return a text without blanks and invisible characters at its ends; surrogates stay."""
    if _is_plain(text):
        return text.strip(" ")
    start, end = 0, len(text)
    while start < end and _goes(text[start]):
        start += 1
    while end > start and _goes(text[end - 1]):
        end -= 1
    return text[start:end]


def hidden_in(text: str) -> str | None:
    """Return a sentence that names the first invisible character of a text and its place; None if there is none."""
    if _is_plain(text):
        return None
    for place, character in enumerate(text):
        if _is_hidden(character) and character != " " and not _joins(text, place):
            before = text[max(0, place - _QUOTED_CHARACTERS) : place]
            where = f"after \N{LEFT DOUBLE QUOTATION MARK}{before}\N{RIGHT DOUBLE QUOTATION MARK}"
            named = f"{_name_of(character)} (U+{ord(character):04X})"
            return f"There is a character that can't be seen {where if before else 'here'}: {named}. Delete it."
    return None


def can_be_seen(text: str) -> bool:
    """Return whether at least one character is visible: no space, mark, control or format character."""
    return any(
        unicodedata.category(character)[0] not in "ZCM" and character not in _BLANK
        for character in unicodedata.normalize("NFC", text)
    )


def folded(text: str) -> str:
    """Return a text as it is searched: without capitals, accents and variants of letters, the same on every database.

    Example:
        >>> folded("Grüner Tee, STRASSE"), folded("straße")
        ('gruner tee, strasse', 'strasse')
    """
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(one for one in apart if not unicodedata.combining(one))


def has_link(text: str) -> bool:
    """Return whether a mail program or a phone would turn a part of a text into a link."""
    return _LINK.search(unicodedata.normalize("NFKC", text)) is not None


def without_links(text: str) -> str:
    """Return a text in which no mail program or phone finds a host name to make a link of.

    Example:
        >>> without_links("Dr.Smith")
        'Dr. Smith'
    """
    return _INNER_DOT.sub(r"\1 ", text)


def _is_plain(text: str) -> bool:
    """Whether all characters are visible ASCII or blanks, as in most texts; the others are looked at one by one."""
    return text.isascii() and text.isprintable()


def _goes(character: str) -> bool:
    return character == " " or (_is_hidden(character) and unicodedata.category(character) != "Cs")


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN_CATEGORIES or character in _BLANK


def _joins(text: str, place: int) -> bool:
    """Return whether a character is a joiner at a place where its script uses one (RFC 5892, A.1 and A.2)."""
    if text[place] not in _JOINERS or not 0 < place < len(text) - 1:
        return False
    before, after = text[place - 1], text[place + 1]
    arabic = unicodedata.bidirectional(before) == unicodedata.bidirectional(after) == "AL"
    return arabic or unicodedata.combining(before) == _VIRAMA


def _name_of(character: str) -> str:
    half = "half a character" if unicodedata.category(character) == "Cs" else "control character"
    return _UNNAMED.get(character) or unicodedata.name(character, half).lower()
