"""Previews the correction of several mismatches: which it includes, which it leaves out, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from orderapp.config import Settings
from orderapp.models import Mismatch, Order
from orderapp.services.backoffice import corrections
from orderapp.services.backoffice.bulk import checked_ids
from orderapp.services.backoffice.risks import Objection
from orderapp.services.db.transactions import reading


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A row of a selection."""

    id: int  # the row's id
    order_number: str  # its order
    kind: str  # the kind of the mismatch
    system: str  # the system it concerns
    said: str  # what the system says about its effect
    objection: Objection | None  # why it is left out; None if it is included


@dataclass(frozen=True, slots=True)
class Preview:
    """What an act on a selection would do now. Rows that don't exist any more are left out."""

    rows: tuple[PreviewRow, ...]

    @property
    def included(self) -> tuple[PreviewRow, ...]:
        """Return the rows that the act includes."""
        return tuple(row for row in self.rows if row.objection is None)

    @property
    def left_out(self) -> tuple[PreviewRow, ...]:
        """Return the rows that the act leaves out; those that need their own decision come first."""
        out = [row for row in self.rows if row.objection is not None]
        return tuple(sorted(out, key=lambda row: row.objection is None or row.objection.risk is None))


def preview_corrections(mismatch_ids: Iterable[int], settings: Settings) -> Preview:
    """Preview correcting these mismatches. Orders that changed meanwhile are refused only by the act itself.

    Transaction: reads only. Raises InvalidRequest like the act.
    """
    ids = checked_ids("mismatch", mismatch_ids)
    with reading() as session:
        mismatches = session.execute(
            select(Mismatch, Order.number)
            .join(Order, Order.id == Mismatch.order_id)
            .where(Mismatch.id.in_(ids))
            .order_by(Mismatch.id.desc())
        ).all()
    return Preview(
        tuple(
            PreviewRow(
                mismatch.id,
                number,
                mismatch.kind,
                mismatch.system,
                mismatch.theirs,
                corrections.objection_to_correction(mismatch, settings.systems),
            )
            for mismatch, number in mismatches
        )
    )
