"""The WSGI application around the stand-ins: decides which call gets a fault."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from orderapp.sandbox.faults import DO, READ, UNDO, FaultBoard
from orderapp.sandbox.http_faults import ACTS, Call
from orderapp.sandbox.late_effects import LateEffects
from orderapp.sandbox.stand_in import StandIn

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LARGEST_BODY = 256 * 1024  # of a request: a thousand lines with the longest SKUs


class Misbehaving:
    """The WSGI application as its callers meet it: each call of a system may get the system's fault."""

    def __init__(
        self, app: WSGIApplication, stand_ins: Mapping[str, StandIn], board: FaultBoard, late: LateEffects
    ) -> None:
        self._app = app
        self._stand_ins = stand_ins
        self._board = board
        self._late = late

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one call."""
        stand_in = self._stand_ins.get(environ["PATH_INFO"].lstrip("/").partition("/")[0])
        if stand_in is None:
            return self._app(environ, start_response)
        kind = _kind_of_call(environ, stand_in.undo_paths)
        fault = self._board.draw(stand_in.name, kind)
        if fault is None or not _read_whole(environ):
            return self._app(environ, start_response)
        call = Call(self._app, environ, start_response, kind, fault, stand_in, self._board, self._late)
        return ACTS[fault.name](call)


def _kind_of_call(environ: WSGIEnvironment, undo_paths: tuple[str, ...]) -> str:
    if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        return READ
    takes_back = environ["REQUEST_METHOD"] == "DELETE" or environ["PATH_INFO"].endswith(undo_paths)
    return UNDO if takes_back else DO


def _read_whole(environ: WSGIEnvironment) -> bool:
    """Read the request's body into memory; return False if it is too large, which the stand-in answers itself."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > LARGEST_BODY or environ.get("wsgi.input_terminated"):
        return False
    environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(length)))
    return True
