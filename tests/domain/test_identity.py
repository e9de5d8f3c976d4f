"""Ids: UUIDs of version 7, sorted by the time they were made."""

from __future__ import annotations

import time
import uuid

from orderapp.domain.identity import new_id


def milliseconds_of(made: uuid.UUID) -> int:
    return made.int >> 80


def test_an_id_is_a_uuid_of_version_7() -> None:
    for _ in range(200):
        made = new_id()
        assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_an_id_holds_the_time_it_was_made() -> None:
    before_ms = time.time_ns() // 1_000_000
    made = new_id()
    assert before_ms <= milliseconds_of(made) <= time.time_ns() // 1_000_000


def test_ids_sort_by_time_as_values_and_as_text() -> None:
    made = [new_id()]
    while len(made) < 5:
        candidate = new_id()
        if milliseconds_of(candidate) > milliseconds_of(made[-1]):
            made.append(candidate)
    assert sorted(made) == made
    assert sorted(map(str, made)) == list(map(str, made))


def test_ids_of_the_same_moment_differ_and_cannot_be_guessed() -> None:
    made = [new_id() for _ in range(2000)]
    assert len(set(made)) == 2000
    # 74 bits are random: were any of them fixed, it would be equal in all 2,000.
    ones, zeros = 0, (1 << 128) - 1
    for one in made:
        ones, zeros = ones | one.int, zeros & one.int
    random_bits = ((1 << 12) - 1) << 64 | ((1 << 62) - 1)
    assert (ones & ~zeros) & random_bits == random_bits
