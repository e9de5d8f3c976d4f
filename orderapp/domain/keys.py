"""Order numbers and the keys by which the external systems know our effects."""

from __future__ import annotations

import secrets

from orderapp.domain.states import News
from orderapp.domain.typed_text import trimmed

# Crockford's alphabet: no I, L, O, U, so that a number dictated over the phone is typed correctly.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISTAKEN = str.maketrans({"O": "0", "I": "1", "L": "1"})  # as Crockford decodes them
GROUPS, GROUP_LENGTH = 2, 5  # 50 random bits: with 10 million orders, a new number collides with a chance of 1 in 10^8
MAX_KEY_LENGTH = 64  # every HTTP system accepts this length


def new_order_number() -> str:
    """Return a new order number such as `7K3M9-QXZ2F`; a unique constraint catches the rare collision."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))


def read_order_number(text: str) -> str:
    """Return the order number that is meant by `7k3m9 qxz2f`, `7K3M9QXZ2F` or an O in place of a 0.

    Text that can't be an order number is returned in capitals; no order has such a number.
    """
    typed = "".join(character for character in text.upper() if character.isalnum()).translate(_MISTAKEN)
    if len(typed) != GROUPS * GROUP_LENGTH or not set(typed) <= set(ALPHABET):
        return trimmed(text).upper()
    return "-".join(typed[start : start + GROUP_LENGTH] for start in range(0, len(typed), GROUP_LENGTH))


def next_key(key: str) -> str:
    """Return the key to use once `key` is barred: `order number:placement:system:2`, then `:3` and so on.

    ValueError if it would be too long.
    """
    rest, _, last = key.rpartition(":")
    # The parts of an effect's own key are three, or four for news.
    made = f"{rest}:{int(last) + 1}" if last.isdecimal() else f"{key}:2"
    if len(made) > MAX_KEY_LENGTH:
        raise ValueError(f"key {made!r} has {len(made)} characters, at most {MAX_KEY_LENGTH} are agreed")
    return made


def effect_key(order_number: str, placement_number: int, system: str, news: News = News.CONFIRMED) -> str:
    """Return the key of one system's part in one placement: `order number:placement:system`.

    A message of other news than the confirmation is an effect of its own: `order number:placement:system:cancelled`.

    It is computed from committed data, so after a crash another process can name the effect, ask for it and undo it. A
    retry is another placement, so it has other keys. ValueError if the key would be too long.
    """
    key = f"{order_number}:{placement_number}:{system}"
    key += "" if news is News.CONFIRMED else f":{news}"
    if len(key) > MAX_KEY_LENGTH:
        raise ValueError(f"key {key!r} has {len(key)} characters, at most {MAX_KEY_LENGTH} are agreed")
    return key
