"""What every stand-in offers to the rest of the sandbox: its routes, its pages, the shape of its errors."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from flask import Blueprint, request

from orderapp.sandbox.answers import Json, Problem, error_body
from orderapp.sandbox.faults import HTTP_FAULTS, FaultKind

REFUSED = Problem(409, "refused_by_sandbox", "The sandbox was told to refuse.")


@dataclass(frozen=True)
class Editable:
    """The one number in a section's rows that people may set: `sql` takes the value and the key in the first column."""

    column: str
    sql: str
    whole: bool = True  # whole numbers only


@dataclass(frozen=True)
class Section:
    """A table to look at. `query` takes the largest number of rows; newest first where there is a new and an old."""

    name: str
    title: str
    columns: tuple[str, ...]
    query: str
    editable: Editable | None = None

    def cells(self, row: Sequence[object]) -> Iterator[tuple[str, object]]:
        """Yield a row's values, each with its column."""
        return zip(self.columns, row, strict=True)


@dataclass(frozen=True)
class StandIn:
    """One external system's place in the sandbox; its address is `/<name>`."""

    name: str
    title: str
    sections: tuple[Section, ...]
    blueprint: Blueprint | None = None  # None: it doesn't speak HTTP
    error_body: Callable[[Problem], Json] = error_body
    refusal: Problem = REFUSED
    faults: dict[str, FaultKind] = field(default_factory=lambda: HTTP_FAULTS)
    keyed: bool = False
    undo_paths: tuple[str, ...] = ("/cancel", "/void")  # the ends of the paths that take something back
    latest_effect_seconds: float | None = None  # how late the contract lets an effect appear; None: there is no limit
    advance: Callable[[], None] = lambda: None  # lets what has become due happen


def require_token(blueprint: Blueprint, token: str) -> None:
    """Answer 401 to every call of the blueprint without the bearer token; an empty token allows every call."""
    expected = f"Bearer {token}".encode()

    def check() -> None:
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected):
            raise Problem(401, "unauthorized", "The bearer token is missing or wrong.")

    if token:
        blueprint.before_request(check)
