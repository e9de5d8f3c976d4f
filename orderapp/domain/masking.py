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
ALWAYS_ITSELF = re.compile("[A-Za-z0-9]+")  # escaped nowhere
DOTLESS_I = "\N{LATIN SMALL LETTER DOTLESS I}"
LONGEST_ESCAPE = 12  # of one character: %F0%9F%8D%B5 in an address, \ud83c\udf75 in JSON


def mask(text: str, private: Iterable[str]) -> str:
    """Return `text` with every private value blotted out, however it is escaped or capitalised, cut to a bounded size.

    What JSON calls a `name` is hidden as well.

    Args:
        text: A request or an answer.
        private: The values to hide: names, addresses, numbers, tokens. Empty ones are passed over.

    """
    kept = _without(text, _parts(tuple(private)))
    # What no database keeps: NUL, and half a character out of an escape such as "\ud800".
    kept = kept.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    if max(len(text), len(kept)) > MAX_KEPT_CHARACTERS:
        kept = f"{kept[:MAX_KEPT_CHARACTERS]} ... ({len(text)} characters)"
    return kept


@lru_cache(maxsize=256)  # an order's calls hide the same values but for the tokens, whatever thread makes them
def _parts(private: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return what to look for, each part with a piece of it that is in every text that holds it, however escaped."""
    parts = {part for value in private for part in (value, *_long_words(value)) if part}
    return tuple((part, _folded(max(ALWAYS_ITSELF.findall(part), key=len, default=""))) for part in parts)


def _long_words(value: str) -> list[str]:
    return [word for word in value.split() if len(word) >= MIN_WORD_CHARACTERS]


def _folded(text: str) -> str:
    # As IGNORECASE compares: it takes the letter i with and without its dot for one.
    return text.replace("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}", "i").casefold().replace(DOTLESS_I, "i")


def _without(text: str, parts: tuple[tuple[str, str], ...]) -> str:
    """Return the beginning of a text with every part that begins in it blotted out, in its whole length."""
    # Long enough that no part that begins among the characters kept is cut in two before it is found.
    searched = text[: MAX_KEPT_CHARACTERS + max((len(part) for part, _piece in parts), default=0) * LONGEST_ESCAPE]
    # Most texts hold none of them, and making a pattern for each order costs more than this look.
    folded = _folded(searched)
    present = frozenset(part for part, piece in parts if piece in folded)
    pieces, end = [], 0
    for found in _pattern(present).finditer(searched):
        if found.start() >= MAX_KEPT_CHARACTERS:
            break
        pieces += [searched[end : found.start()], MASK]
        end = found.end()
    return "".join((*pieces, searched[end:MAX_KEPT_CHARACTERS]))


@lru_cache(maxsize=64)  # an answer often holds what its request did
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
