"""The blueprint `api`. Everything on it needs a client's token, except its own description."""

from __future__ import annotations

from flask import Blueprint

PREFIX = "/api/v1"

api = Blueprint("api", __name__, url_prefix=PREFIX)
