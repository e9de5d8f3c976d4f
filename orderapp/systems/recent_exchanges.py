"""The exchanges of this thread's call so far, which are recorded if its connector raises."""

from __future__ import annotations

import threading

from orderapp.domain.outcome import Exchange


class _Made(threading.local):
    exchanges: tuple[Exchange, ...] = ()


_made = _Made()


def forget() -> None:
    """Clear the exchanges before a call."""
    _made.exchanges = ()


def note(exchange: Exchange) -> None:
    """Keep an exchange, masked and cut as in the history."""
    _made.exchanges = (*_made.exchanges, exchange)


def made() -> tuple[Exchange, ...]:
    """Return the exchanges since `forget`, oldest first."""
    return _made.exchanges
