"""Masks requests and answers before they are stored: no secrets, no personal data, and a bounded size.

`systems.http`, `systems.email` and `systems.guarding` apply it to whatever another system wrote;
`System.private_values` says which values of an order are hidden.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, quote_plus

MASK = "[masked]"
MAX_KEPT_CHARACTERS = 2000  # enough for any documented answer; a broken system can't fill the table
# Shorter values are hidden only as whole words: inside other words they would hide half a text ("Al" in "total", "Rose"
# in "prose"), and the gaps would reveal the value.
WHOLE_WORD_CHARACTERS = 8
# Shorter words of a name are too common to hide ("de", "Al").
MIN_WORD_CHARACTERS = 4
# Personal data that other systems send in JSON although our request didn't contain it.
PERSONAL_MEMBER = re.compile(r'(?:(?<="name":")|(?<="name": "))(?:\\.|[^"\\])+', re.IGNORECASE)
ALWAYS_ITSELF = re.compile("[A-Za-z0-9]+")  # characters that are never escaped
DOTTED_AND_DOTLESS_I = "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}\N{LATIN SMALL LETTER DOTLESS I}"
# An escape that may stand before a word although it ends in a letter or digit: a blank in URLs or JSON.
ESCAPE_BEFORE = re.compile(r"(?:%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\[bfnrt])\Z")
MEMBER_ENDS = re.compile(r'"\s*:')
LONGEST_ESCAPE = 14  # of one character: %F0%9F%8D%B5 in an address, \\ud83c\\udf75 in JSON within JSON


@dataclass(frozen=True, slots=True)
class Part:
    """A value to search: an anchor, and for each character before it (backwards) and after it the ways to write it.

    The anchor is the longest piece that is never escaped, so that one search is enough for most texts; if there is no
    such piece, it is the first character in each of its spellings.
    """

    before: tuple[tuple[str, ...], ...]
    anchors: tuple[str, ...]
    after: tuple[tuple[str, ...], ...]
    whole_word: bool  # matches only without a letter or digit directly before or after it
    plain_word: bool  # only letters, so that JSON may have a member of that name

    @property
    def characters(self) -> int:
        """The largest number of its characters, if none is escaped."""
        return len(self.before) + max(map(len, self.anchors)) + len(self.after)


def mask(text: str, private: Iterable[str]) -> str:
    """Return `text` with every private value hidden, in any escaping or capitalisation, cut to a bounded size.

    Values of JSON members called `name` are hidden too. Short values are hidden only as whole words, and the names of
    JSON members stay, so that the text is readable whatever the customer's name is. For the same reason callers mask
    only what another system wrote, not their own text around it.

    Args:
        text: A request or an answer.
        private: The values to hide: names, addresses, numbers, tokens. Empty ones are ignored.
    """
    if not text:
        return text
    parts = [part for value in private for part in _parts(value)]
    kept = _without(text, parts).replace("\x00", "\N{REPLACEMENT CHARACTER}")  # databases can't store NUL
    if not kept.isascii():
        kept = kept.encode("utf-8", "replace").decode()  # nor a lone surrogate from an escape such as "\ud800"
    if max(len(text), len(kept)) > MAX_KEPT_CHARACTERS:
        kept = f"{kept[:MAX_KEPT_CHARACTERS]} ... ({len(text)} characters)"
    return kept


@lru_cache(maxsize=1024)  # an order's calls hide the same values, and each system's its token
def _parts(value: str) -> tuple[Part, ...]:
    digits = value[1:] if value.startswith("+") else ""  # a phone number without its +, a common form
    return tuple(_part(text) for text in {value, digits, *_long_words(value)} if text)


def _long_words(value: str) -> list[str]:
    return [word for word in value.split() if len(word) >= MIN_WORD_CHARACTERS]


def _part(text: str) -> Part:
    anchor = max(ALWAYS_ITSELF.findall(text), key=len, default="")
    kind = len(text) < WHOLE_WORD_CHARACTERS, text.isalpha()
    if not anchor:
        return Part((), _spellings(text[0]), tuple(map(_spellings, text[1:])), *kind)
    before, _, after = text.partition(anchor)
    return Part(tuple(map(_spellings, reversed(before))), (_folded(anchor),), tuple(map(_spellings, after)), *kind)


def _folded(text: str) -> str:
    """Return the text with case folded, without changing its length."""
    return text.lower() if text.isascii() else text.translate(_FOLDING)


class _Folding(dict[int, int]):
    """Folds a character to exactly one character, so that positions in the text stay the same."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        if character in DOTTED_AND_DOTLESS_I:
            folded = "i"
        else:
            folded = next((one for one in (character.casefold(), character.lower()) if len(one) == 1), character)
        self[code] = ord(folded)
        return self[code]


_FOLDING = _Folding()


def _without(text: str, parts: Sequence[Part]) -> str:
    """Return the beginning of a text with every part that starts in it hidden completely."""
    searched = text
    if len(text) > MAX_KEPT_CHARACTERS:
        # Long enough that no part which starts in the kept characters is cut before it is found.
        searched = text[: MAX_KEPT_CHARACTERS + max((part.characters for part in parts), default=0) * LONGEST_ESCAPE]
    folded = _folded(searched)
    found: list[tuple[int, int]] = []
    for part in parts:
        for anchor in part.anchors:
            if anchor in folded:  # rare, so most parts need no further work
                found += _places(folded, part, anchor)
    if '"name"' in folded:
        found += [one.span() for one in PERSONAL_MEMBER.finditer(searched)]
    pieces, end = [], 0
    for begins, ends in sorted(found):
        if begins >= MAX_KEPT_CHARACTERS:
            break
        if begins >= end:
            pieces += [searched[end:begins], MASK]
        end = max(end, ends)
    return "".join((*pieces, searched[end:MAX_KEPT_CHARACTERS]))


def _places(folded: str, part: Part, anchor: str) -> Iterator[tuple[int, int]]:
    """Find a part in a folded text: its anchor, and then the other characters on both sides in any escaping."""
    at = folded.find(anchor)
    while at >= 0:
        begins = {at}
        for ways in part.before:
            begins = {place - len(way) for place in begins for way in ways if folded.endswith(way, 0, place)}
        ends = {at + len(anchor)}
        for ways in part.after:
            ends = {place + len(way) for place in ends for way in ways if folded.startswith(way, place)}
        if part.whole_word:
            begins = {place for place in begins if not _joined(folded, place)}
            ends = {place for place in ends if not (place < len(folded) and _joins(folded[place], folded[place - 1]))}
        if begins and ends and not (part.plain_word and _is_member(folded, min(begins), max(ends))):
            yield min(begins), max(ends)
        at = folded.find(anchor, at + 1)


def _joined(folded: str, place: int) -> bool:
    """Whether the word at a position begins before it."""
    if place == 0 or not _joins(folded[place - 1], folded[place]):
        return False
    return not ESCAPE_BEFORE.search(folded, max(0, place - LONGEST_ESCAPE), place)


def _joins(outside: str, inside: str) -> bool:
    """Whether two neighbours are in one word. Scripts without capitals may have no blanks between words."""
    return _of_a_word(outside) and _of_a_word(inside)


@lru_cache(maxsize=1024)  # the letters of a few alphabets
def _of_a_word(character: str) -> bool:
    return character == "_" or character.isdigit() or character.lower() != character.upper()


def _is_member(folded: str, begins: int, ends: int) -> bool:
    return folded[begins - 1 : begins] == '"' and MEMBER_ENDS.match(folded, ends) is not None


@lru_cache(maxsize=1024)  # the punctuation and letters of a few alphabets
def _spellings(character: str) -> tuple[str, ...]:
    """Return the ways to write one folded character: unescaped, and as URLs, JSON and HTML escape it."""
    if character.isascii() and character.isalnum():
        return (_folded(character),)
    ways = {
        character,
        f"\\{character}",
        json.dumps(character)[1:-1],
        json.dumps(json.dumps(character)[1:-1])[1:-1],
        quote(character, safe="", errors="replace"),
        quote_plus(character, errors="replace"),
        html.escape(character),
        f"&#{ord(character)};",
        f"&#x{ord(character):x};",
    }
    return tuple({_folded(way) for way in ways})
