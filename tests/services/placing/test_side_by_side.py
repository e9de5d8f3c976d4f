"""Questions at the same time: all are under way before any is answered, and the answers come in their order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial

import pytest

from orderapp.services.placing.side_by_side import THREADS, all_of

MEETING_SECONDS = 10.0


class Refused(Exception):
    pass


def test_nothing_is_asked_where_there_is_no_question() -> None:
    assert all_of([]) == []


def test_one_question_is_asked_in_this_thread() -> None:
    assert all_of([threading.get_ident]) == [threading.get_ident()]


def test_all_are_asked_before_any_is_answered_and_the_answers_keep_their_order() -> None:
    meeting = threading.Barrier(4)

    def meet(number: int) -> int:
        meeting.wait(MEETING_SECONDS)
        return number

    assert all_of([partial(meet, number) for number in range(4)]) == [0, 1, 2, 3]


def test_the_order_is_that_of_the_questions_whoever_answers_first() -> None:
    answered = [threading.Event() for _ in range(3)]

    def answer(number: int) -> int:
        """Wait for the one after it."""
        if number < 2:
            assert answered[number + 1].wait(MEETING_SECONDS)
        answered[number].set()
        return number

    assert all_of([partial(answer, number) for number in range(3)]) == [0, 1, 2]


@pytest.mark.parametrize("number", range(3))
def test_an_exception_comes_out_and_the_next_questions_are_answered(number: int) -> None:
    def refuse() -> int:
        raise Refused

    questions: list[Callable[[], int]] = [lambda: 1] * 3
    questions[number] = refuse
    with pytest.raises(Refused):
        all_of(questions)
    assert all_of([lambda: 1] * 3) == [1, 1, 1]


def test_each_is_asked_in_the_context_of_who_asks() -> None:
    request: ContextVar[str] = ContextVar("request", default="none")
    request.set("r1")

    def asked() -> tuple[str, int]:
        known = request.get()
        request.set("another")
        return known, threading.get_ident()

    answers = all_of([asked] * 2)
    assert [known for known, _thread in answers] == ["r1", "r1"]
    assert len({thread for _known, thread in answers}) == 2


def test_more_questions_than_threads_are_all_answered() -> None:
    many = 3 * THREADS
    assert all_of([partial(int, number) for number in range(many)]) == list(range(many))
