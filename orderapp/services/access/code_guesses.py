"""Limits guessing of codes, such as coupons, benefits and member numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from orderapp.domain.customers import mailbox_of
from orderapp.domain.inputs import Code, Inputs
from orderapp.domain.networks import household_of
from orderapp.errors import InvalidRequest, TooManyAttempts, TotalChanged
from orderapp.services.access import attempt_counters
from orderapp.services.access.attempt_counters import Counted, bucket_of

WINDOW_SECONDS = 600
# A person who types a code from a voucher needs a few tries; more than ten in ten minutes is guessing.
WRONG_CODES_OF_PERSON = 10
# An API client orders for many people. But each new e-mail address would allow ten more guesses, so the client is
# limited too.
WRONG_CODES_OF_CLIENT = 200
# Visitors share an address, for example in an office or a school: five may guess before the others are affected. A
# visitor without a cookie has a new session each time, so only this limit applies.
WRONG_CODES_OF_NETWORK = 50
# Whoever sees a discount with their last look must still be able to order with it.
KEPT_FOR_ORDER = 1
TOO_MANY = (
    "Too many codes were tried. Nothing was recorded. Orders without a code are placed as ever; "
    "a code can be tried again later."
)


@dataclass(frozen=True, slots=True)
class Guesser:
    """A source whose wrong codes are counted together, and how many are allowed within WINDOW_SECONDS."""

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


@dataclass(frozen=True, slots=True)
class Guess:
    """The codes of a submission that may be guesses, and who may be guessing.

    Args:
        guessers: Who.
        codes: The codes, with the inputs that they need; empty if the submission has no guessable code.
    """

    guessers: Sequence[Guesser]
    codes: tuple[str, ...]

    @classmethod
    def of(cls, guessers: Sequence[Guesser], typed: Inputs, declared: Mapping[str, Code]) -> Guess:
        """Return what a submission's inputs may be guessing."""
        guessable = [code for name, code in declared.items() if code.guessable and typed[name]]
        names = sorted({name for code in guessable for name in (code.name, code.needs) if name})
        codes = tuple(f"{name}={typed[name]}" for name in names)
        return cls(guessers, codes)

    def limits(self, kept: int = 0) -> dict[str, int]:
        """Return the limits to check before the codes may be tried, by bucket; none without codes.

        `kept` is how many tries must be left.
        """
        return {bucket_of(one.bucket_parts): one.limit - kept for one in self.guessers} if self.codes else {}

    def buckets_of_tries(self) -> list[str]:
        """Return the names of the counters for exactly these codes; none without codes."""
        return [bucket_of(self.try_of(guesser)) for guesser in self.guessers] if self.codes else []

    def try_of(self, guesser: Guesser) -> tuple[str | int, ...]:
        """Return what is counted when a guesser tries these codes for the first time."""
        return (*guesser.bucket_parts, "tried", *self.codes)


def refuse_guessers(limits: Mapping[str, int], counted: Iterable[Counted]) -> None:
    """Raise TooManyAttempts if a guesser has tried too many wrong codes; count nothing."""
    left_seconds = attempt_counters.longest_used_up(limits, counted)
    if left_seconds is not None:
        raise TooManyAttempts(TOO_MANY, attempt_counters.whole_seconds(left_seconds))


@contextmanager
def counting(guess: Guess) -> Iterator[None]:
    """Count a try if the block raises for a wrong code, or for a total that the codes have changed.

    An answer with the total reveals that the codes are right, and places no order, so a wrong expected total can be
    used for guessing. Raises TooManyAttempts instead if this try is over the limit.
    """
    try:
        yield
    except InvalidRequest:
        # Whichever field it names: a right code with a wrong second one is a guess too.
        if guess.codes:
            refuse_guessers(*_counted(guess))
        raise
    except TotalChanged:
        if guess.codes:
            refuse_guessers(*_counted(guess))
        raise


def count_preview(guess: Guess) -> None:
    """Count codes whose discount a customer wants to see: it tells a guesser whether they are right.

    An order with these codes takes the count back. Raises TooManyAttempts if this try is over the limit.
    """
    if guess.codes:
        limits, counted = _counted(guess)
        refuse_guessers({bucket: limit - KEPT_FOR_ORDER for bucket, limit in limits.items()}, counted)


def take_back_ordered(guess: Guess, counted: Iterable[Counted]) -> None:
    """Take back a counted try after an order with its codes: asking for the total first was no guessing.

    Transaction: one for each change of a counter, committed here; none if nothing was counted.

    Args:
        guess: What was ordered, and by whom.
        counted: The earlier counts of the counters from `buckets_of_tries`.
    """
    seen = {one.bucket for one in counted}
    for guesser, bucket in zip(guess.guessers, guess.buckets_of_tries(), strict=False):
        if bucket in seen and attempt_counters.forget(guess.try_of(guesser)):
            attempt_counters.take_back(guesser.bucket_parts, 1)


def count_refused(guess: Guess) -> None:
    """Count codes that were refused, because "used up" or "expired" tells a guesser as much as "unknown".

    The answer of this order doesn't change; the next try is refused.
    """
    if guess.codes:
        _counted(guess)


def _counted(guess: Guess) -> tuple[dict[str, int], list[Counted]]:
    """Count a try once for each guesser; return the limits that this try must not exceed, and the counts.

    The same codes are counted only once in a window: pressing the button twice is no second guess, and a whole office
    may try the same expired code of a campaign.
    """
    counted: list[Counted] = []
    limits: dict[str, int] = {}
    for guesser in guess.guessers:
        if attempt_counters.tally(guess.try_of(guesser), WINDOW_SECONDS).attempts == 1:
            counted.append(attempt_counters.tally(guesser.bucket_parts, WINDOW_SECONDS))
            limits[counted[-1].bucket] = guesser.limit + 1
    return limits, counted
