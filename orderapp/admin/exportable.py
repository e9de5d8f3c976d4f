"""Lists that staff may take with them as a file."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flask import Response, abort, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from orderapp.admin import exporting, who
from orderapp.admin.guard import act_at
from orderapp.admin.listing import Listing, order_numbers
from orderapp.models import Role
from orderapp.services.backoffice.exports import record_export


class Exportable(Listing):
    """A list with an export of all its rows."""

    #: The columns of the file.
    exported: ClassVar[Mapping[str, exporting.Column]]

    @act_at("/export", Role.OPERATOR, "list.export")
    def download(self) -> ResponseReturnValue:
        """Send all rows that the address's search and filters let through, as a file."""
        form = request.form.get("format", "csv")
        args = self._get_list_extra_args()
        if form not in exporting.FORMS:
            abort(400)
        # What was searched for may be a customer's address, and audit entries stay for ever.
        narrowed_by = self._kept() | ({"search": f"{len(args.search)} characters"} if args.search else {})
        record_export(who.member().actor, self.endpoint, form, narrowed_by)
        numbers_of = order_numbers if hasattr(self.model, "order_id") else _no_numbers
        rows = exporting.batches_of(
            current_app._get_current_object(),  # type: ignore[attr-defined]  # a proxy has it, as Flask documents
            self._chosen(args.search, args.filters),
            *self.sorting(request.args.get("sort") or None, bool(request.args.get("desc"))),
            numbers_of,
        )
        answer = Response(exporting.lines(form, self.exported, rows), content_type=exporting.FORMS[form])
        answer.headers["Content-Disposition"] = f"attachment; filename={self.endpoint}.{form}"
        return answer


def _no_numbers(_session: Session, _rows: Sequence[Any]) -> dict[uuid.UUID, str]:
    return {}
