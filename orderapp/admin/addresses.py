"""Where a form leads to afterwards: always to a page of the back office."""

from __future__ import annotations

import re

from flask import url_for

# A path below /admin on this host, with its query; no backslash, which browsers read as a slash.
_OURS = re.compile(r"/admin(/[A-Za-z0-9_.~%/-]*)?(\?[A-Za-z0-9_.~%&=+@:,-]*)?")


def local_page(address: str | None) -> str:
    """Return the address if it is a page of the back office, else that of the first page."""
    return address if address and _OURS.fullmatch(address) else url_for("admin.index")
