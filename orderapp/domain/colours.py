"""Colours and how well text can be read in them, by the rules of WCAG 2.2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_HEX = re.compile("#[0-9a-fA-F]{6}")
READABLE = 4.5  # the contrast that text needs (WCAG 2.2, 1.4.3, level AA)


@dataclass(frozen=True, slots=True)
class Colour:
    """An opaque colour of a screen: red, green and blue, each from 0 to 255."""

    red: int
    green: int
    blue: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the colour that a text such as `#0b6350` means; ValueError for any other text."""
        if not _HEX.fullmatch(text):
            raise ValueError(text)
        return cls(*(int(text[start : start + 2], 16) for start in (1, 3, 5)))

    def __str__(self) -> str:
        """Return the colour as stylesheets write it."""
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    def mixed(self, other: Colour, share: float) -> Colour:
        """Return a mixture with a share, from 0 to 1, of another colour."""
        pairs = ((self.red, other.red), (self.green, other.green), (self.blue, other.blue))
        return Colour(*(round(own + (its - own) * share) for own, its in pairs))

    def contrast(self, other: Colour) -> float:
        """Return the contrast with another colour, from 1 (the same) to 21 (black and white)."""
        low, high = sorted((self._luminance, other._luminance))
        return (high + 0.05) / (low + 0.05)

    @property
    def _luminance(self) -> float:
        def linear(channel: int) -> float:
            part = channel / 255
            return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)

        return 0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)


WHITE, BLACK = Colour(255, 255, 255), Colour(0, 0, 0)
