"""Hints that wait for a thread: each once, in their order, and never without bound."""

from __future__ import annotations

from tasks.remembered import REMEMBERED_HINTS, Remembered


def test_a_task_told_of_again_is_remembered_once_where_it_was() -> None:
    remembered = Remembered()
    remembered.add([3, 1, 3])
    remembered.add([1, 2])
    assert remembered.take(2) == [3, 1]
    remembered.add([3])
    assert remembered.take(10) == [2, 3]
    assert not remembered
    assert remembered.take(10) == []


def test_beyond_a_thousand_the_oldest_are_forgotten() -> None:
    remembered = Remembered()
    remembered.add(range(REMEMBERED_HINTS + 2))
    assert remembered.take(REMEMBERED_HINTS + 2) == list(range(2, REMEMBERED_HINTS + 2))
