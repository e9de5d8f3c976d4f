"""What is kept of requests and answers: nobody's secrets or personal data, and never more than a bounded size."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, quote_plus

MASK = "[masked]"
MAX_KEPT_CHARACTERS = 2000  # enough for any documented answer; a flood from a broken system doesn't fill the table
# Single words of a name shorter than this would blacken half a text ("Al" in "total").
MIN_WORD_CHARACTERS = 4
# What other systems tell of people in JSON without our having asked with it.
PERSONAL_MEMBER = r'(?:(?<="name":")|(?<="name": "))(?:\\.|[^"\\])+'
LONGEST_ESCAPE = 12  # of one character: %F0%9F%8D%B5 in an address, \ud83c\udf75 in JSON


def mask(text: str, private: Iterable[str]) -> str:
    """Return `text` with every private value blotted out, however it is escaped or capitalised, cut to a bounded size.

    What JSON calls a `name` is hidden as well.

    Args:
        text: A request or an answer.
        private: The values to hide: names, addresses, numbers, tokens. Empty ones are passed over.

    """
    parts = {part for value in private for part in (value, *_long_words(value)) if part}
    kept = _without(text, parts)
    # What no database keeps: NUL, and half a character out of an escape such as "\ud800".
    kept = kept.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    if max(len(text), len(kept)) > MAX_KEPT_CHARACTERS:
        kept = f"{kept[:MAX_KEPT_CHARACTERS]} ... ({len(text)} characters)"
    return kept


def _long_words(value: str) -> list[str]:
    return [word for word in value.split() if len(word) >= MIN_WORD_CHARACTERS]


def _without(text: str, parts: set[str]) -> str:
    """Return the beginning of a text with every part that begins in it blotted out, in its whole length."""
    # Long enough that no part that begins among the characters kept is cut in two before it is found.
    searched = text[: MAX_KEPT_CHARACTERS + max(map(len, parts), default=0) * LONGEST_ESCAPE]
    pieces, end = [], 0
    for found in _pattern(frozenset(parts)).finditer(searched):
        if found.start() >= MAX_KEPT_CHARACTERS:
            break
        pieces += [searched[end : found.start()], MASK]
        end = found.end()
    return "".join((*pieces, searched[end:MAX_KEPT_CHARACTERS]))


@lru_cache(maxsize=64)  # all calls of an order hide the same; as many as threads of a process work at once, and more
def _pattern(parts: frozenset[str]) -> re.Pattern[str]:
    longest_first = sorted(parts, key=len, reverse=True)
    spelled = ("".join(map(_spellings, part)) for part in longest_first)
    return re.compile("|".join([*spelled, PERSONAL_MEMBER]), re.IGNORECASE)


@lru_cache(maxsize=1024)  # the punctuation and letters of a few alphabets
def _spellings(character: str) -> str:
    """Return a pattern of the ways to write one character: as it is, and as addresses, JSON and HTML escape it."""
    if character.isascii() and character.isalnum():
        return character
    ways = {
        character,
        f"\\{character}",
        json.dumps(character)[1:-1],
        quote(character, safe="", errors="replace"),
        quote_plus(character, errors="replace"),
        html.escape(character),
        f"&#{ord(character)};",
        f"&#x{ord(character):x};",
    }
    return f"(?:{'|'.join(map(re.escape, sorted(ways, key=len, reverse=True)))})"
