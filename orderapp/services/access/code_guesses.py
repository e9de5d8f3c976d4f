"""Holds back whoever guesses coupon codes, benefits or member numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from orderapp.domain.customers import mailbox_of
from orderapp.domain.networks import household_of
from orderapp.domain.orders import OrderRequest
from orderapp.errors import InvalidRequest, TooManyAttempts, TotalChanged
from orderapp.services.access import attempt_counters
from orderapp.services.access.attempt_counters import Counted

WINDOW_SECONDS = 600
# Whoever types a code from a voucher gets it right within a few tries; who needs more than ten in ten minutes guesses.
WRONG_CODES_OF_PERSON = 10
# An API client speaks for many people; but e-mail addresses cost nothing, and each new one would buy ten more guesses.
WRONG_CODES_OF_CLIENT = 200
# Visitors behind one address, as in an office or a school: five of them may guess before the others notice. Whoever
# keeps no cookie has a new session each time, and is held back by this alone.
WRONG_CODES_OF_NETWORK = 50
# Where an InvalidRequest tells of a code that nobody knows.
CODE_FIELDS = frozenset({"coupon", "benefit"})
TOO_MANY = (
    "Too many codes were tried. Nothing was recorded. Orders without a code are placed as ever; "
    "a code can be tried again later."
)


@dataclass(frozen=True, slots=True)
class Guesser:
    """Whose wrong codes are counted together, and how many are allowed within WINDOW_SECONDS."""

    bucket_parts: Sequence[str | int]
    limit: int


def guessers_of_client(client_id: int, email: str) -> tuple[Guesser, ...]:
    """Return who may be guessing through the API: a customer of a client, and the client as a whole."""
    client = ("wrong-codes", "client", client_id)
    return (
        Guesser((*client, mailbox_of(email)), WRONG_CODES_OF_PERSON),
        Guesser(client, WRONG_CODES_OF_CLIENT),
    )


def guessers_of_visitor(address: str | None, session: str | None) -> tuple[Guesser, ...]:
    """Return who may be guessing in the shop: the browser, and everybody at its network address."""
    person = (Guesser(("wrong-codes", "session", session), WRONG_CODES_OF_PERSON),) if session else ()
    return (*person, Guesser(("wrong-codes", "address", household_of(address)), WRONG_CODES_OF_NETWORK))


def limits_of(guessers: Sequence[Guesser], request: OrderRequest) -> dict[str, int]:
    """Return what has to be looked at before a submission may try its codes, by bucket; nothing where it has none."""
    if not (request.coupon or request.benefit):
        return {}
    return {attempt_counters.bucket_of(guesser.bucket_parts): guesser.limit for guesser in guessers}


def buckets_of_tries(guessers: Sequence[Guesser], request: OrderRequest) -> list[str]:
    """Return under which names a submission's codes are counted as tried; none where it has no codes."""
    if not (request.coupon or request.benefit):
        return []
    return [attempt_counters.bucket_of(_try_of(guesser, request)) for guesser in guessers]


def refuse_guessers(limits: Mapping[str, int], counted: Iterable[Counted]) -> None:
    """Raise TooManyAttempts where somebody has tried too many wrong codes; counts nothing."""
    left_seconds = attempt_counters.longest_used_up(limits, counted)
    if left_seconds is not None:
        raise TooManyAttempts(TOO_MANY, attempt_counters.whole_seconds(left_seconds))


@contextmanager
def counting(guessers: Sequence[Guesser], request: OrderRequest) -> Iterator[None]:
    """Count what ends in the block with a code that nobody knows, or with the total that the codes lead to.

    An answer that tells the total tells that the codes are right, and places nothing: whoever expects a wrong total on
    purpose guesses. Raises TooManyAttempts in its place where it is one too many.
    """
    try:
        yield
    except InvalidRequest as error:
        if CODE_FIELDS & error.errors.keys():
            refuse_guessers(*_counted(guessers, request))
        raise
    except TotalChanged:
        if request.coupon or request.benefit:
            refuse_guessers(*_counted(guessers, request))
        raise


def take_back_ordered(guessers: Sequence[Guesser], request: OrderRequest, counted: Iterable[Counted]) -> None:
    """Count a try no more once its codes are ordered with: whoever wanted to know the total first guessed nothing.

    Transaction: one for each count that is taken back, committed here; none where nothing was counted.

    Args:
        guessers: Who was counted.
        request: What was ordered.
        counted: What `buckets_of_tries` had counted before.

    """
    seen = {one.bucket for one in counted}
    for guesser, bucket in zip(guessers, buckets_of_tries(guessers, request), strict=False):
        if bucket in seen and attempt_counters.forget(_try_of(guesser, request)):
            attempt_counters.take_back(guesser.bucket_parts, 1)


def count_refused(guessers: Sequence[Guesser], request: OrderRequest) -> None:
    """Count codes that were refused: that a code is used up or expired tells a guesser as much as that it is unknown.

    What the order's answer is, it stays; the next try is the one that is turned away.
    """
    if request.coupon or request.benefit:
        _counted(guessers, request)


def _counted(guessers: Sequence[Guesser], request: OrderRequest) -> tuple[dict[str, int], list[Counted]]:
    """Count a try once for each guesser; return the limits that one more would have broken, and what was counted.

    The same codes again within the window aren't counted: whoever presses the button twice guesses no more than once,
    and a campaign's code that has expired may be tried by a whole office.
    """
    counted: list[Counted] = []
    limits: dict[str, int] = {}
    for guesser in guessers:
        if attempt_counters.tally(_try_of(guesser, request), WINDOW_SECONDS).attempts == 1:
            counted.append(attempt_counters.tally(guesser.bucket_parts, WINDOW_SECONDS))
            limits[counted[-1].bucket] = guesser.limit + 1
    return limits, counted


def _try_of(guesser: Guesser, request: OrderRequest) -> tuple[str | int, ...]:
    member = request.customer.member_ref if request.benefit else ""
    return (*guesser.bucket_parts, "tried", request.coupon, request.benefit, member)
