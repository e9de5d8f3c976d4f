"""What people type: whether there is anything in it to be read."""

from __future__ import annotations

import unicodedata


def can_be_seen(text: str) -> bool:
    """Say whether at least one character is more than a space, a separator, a control or a format character."""
    return any(unicodedata.category(character)[0] not in "ZC" for character in text)
