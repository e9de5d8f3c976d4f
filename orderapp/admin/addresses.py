"""The page that a form leads to afterwards: always one of the back office."""

from __future__ import annotations

import re

from flask import request, url_for

# A path below /admin where we are mounted, with its query; no backslash, which browsers read as a slash.
_OURS = re.compile(r"/admin(/[A-Za-z0-9_.~%/-]*)?(\?[A-Za-z0-9_.~%&=+@:,-]*)?")


def local_page(address: str | None) -> str:
    """Return the address of a page of the back office; for any other address, that of the first page.

    Args:
        address: The page's path as the application knows it: without the path that it is mounted under.
    """
    if address and _OURS.fullmatch(address):
        return request.script_root + address
    return url_for("admin.index")
