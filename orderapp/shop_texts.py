"""The shop's own texts: imprint, terms, privacy, withdrawal, and what happens after an order. Files, or links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from orderapp import languages
from orderapp.errors import ConfigurationError
from orderapp.languages import Language
from orderapp.systems.settings import Environment

LEGAL = ("imprint", "terms", "privacy", "withdrawal")  # in the order in which pages name them
LONGEST_BYTES = 200_000  # ten times the longest terms that we have seen
LONGEST_NEXT_STEPS = 1000  # characters: a paragraph or two on the order's page and in its mail


@dataclass(frozen=True, slots=True)
class ShopText:
    """A text in one or several languages, or the address where it stands."""

    link: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)  # by the language's code; "" for all other languages

    def paragraphs(self, spoken: Language) -> tuple[str, ...]:
        """Return the text's paragraphs, which blank lines separate; one that begins with `# ` is a heading."""
        text = self.texts.get(spoken.code, self.texts.get("", ""))
        blocks = ("\n".join(line.strip() for line in block.splitlines()) for block in text.split("\n\n"))
        return tuple(block.strip() for block in blocks if block.strip())


@dataclass(frozen=True, slots=True)
class ShopTexts:
    """All of them; what the shop has no text for is left out."""

    legal: Mapping[str, ShopText]  # by the names of LEGAL
    next_steps: ShopText  # what happens once an order is confirmed

    @classmethod
    def from_environment(cls, env: Environment) -> Self:
        """Read `SHOP_IMPRINT`, `SHOP_TERMS`, `SHOP_PRIVACY`, `SHOP_WITHDRAWAL` and `SHOP_NEXT_STEPS`.

        Raises:
            ConfigurationError: a file that can't be read, or is no plain text.
        """
        legal = {name: _text(env, f"SHOP_{name.upper()}") for name in LEGAL}
        return cls({name: text for name, text in legal.items() if text.link or text.texts}, next_steps_in(env))


def next_steps_in(env: Environment) -> ShopText:
    """Return the text of `SHOP_NEXT_STEPS`. Raises ConfigurationError."""
    found = _text(env, "SHOP_NEXT_STEPS")
    if found.link:
        raise ConfigurationError("SHOP_NEXT_STEPS: an address; it needs a file, because mails contain the text")
    if any(len(text) > LONGEST_NEXT_STEPS for text in found.texts.values()):
        raise ConfigurationError(f"SHOP_NEXT_STEPS: a text of more than {LONGEST_NEXT_STEPS} characters")
    return found


def _text(env: Environment, variable: str) -> ShopText:
    named = env.text(variable)
    if not named:
        return ShopText()
    if "://" in named:
        return ShopText(link=env.address("", {"https": True}, variable=variable, permits=("query", "fragment")))
    path = Path(named)
    beside = {code: path.with_suffix(f".{code}{path.suffix}") for code in languages.codes()}
    there = {code: one for code, one in beside.items() if one.is_file()}
    return ShopText(texts={code: _read(variable, one) for code, one in {"": path, **there}.items()})


def _read(variable: str, path: Path) -> str:
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{variable}: {str(path)!r} is not a text in UTF-8") from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{variable}: {str(path)!r} can't be read") from error
    lines = text.replace("\r\n", "\n").replace("\t", " ").strip()
    if len(content) > LONGEST_BYTES or not lines or any(ord(one) < ord(" ") and one != "\n" for one in lines):
        raise ConfigurationError(
            f"{variable}: {str(path)!r} is empty, longer than {LONGEST_BYTES} bytes, or has control characters in it"
        )
    return lines
