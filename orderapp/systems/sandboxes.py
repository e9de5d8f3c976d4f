"""What a plugin brings so that the sandbox can stand in for its system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from flask import Blueprint

Json = Mapping[str, Any]


class Rows(Protocol):
    """A stand-in's rows of JSON, within one transaction; they and the ledger survive a restart."""

    def get(self, key: str) -> dict[str, Any] | None:
        """Return a row; None if there is none."""

    def all(self) -> dict[str, dict[str, Any]]:
        """Return all rows by key, oldest first."""

    def put(self, key: str, row: Json) -> None:
        """Write a row."""

    def done(self, reference: str, order_ref: str, content: Json, effect_id: str = "") -> None:
        """Enter in the ledger that an effect was brought about.

        Args:
            reference: Our key of the effect.
            order_ref: The order's number, or empty if the system isn't told it.
            content: What was done.
            effect_id: The system's own id of the effect, if one reference can have several.
        """

    def undone(self, reference: str, order_ref: str, content: Json, effect_id: str = "") -> None:
        """Enter in the ledger that it was taken back; the arguments are those of `done`."""


class Kept(Protocol):
    """What a stand-in keeps."""

    def change(self) -> AbstractContextManager[Rows]:
        """Lend the rows inside one transaction: written at the end of the block, undone if it raises."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A stand-in for a system, in the sandbox of `make run` and in the tests of its contract.

    Args:
        routes: Adds the system's addresses to a blueprint, which answers at the system's `…_URL`.
        rows: The rows of a new sandbox, by key.
        undo_paths: The ends of the paths that take something back. So does every DELETE; GET and HEAD only read.
    """

    routes: Callable[[Blueprint, Kept], None]
    rows: Mapping[str, Json] = field(default_factory=dict)
    undo_paths: tuple[str, ...] = ("/cancel", "/void")
