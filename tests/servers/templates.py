"""Compiled templates, shared by the applications of one process: compiling them takes longer than most pages."""

from __future__ import annotations

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket


class _Shared(BytecodeCache):
    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take a template's code, where it is known. Its key names the template, its checksum the source."""
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template's code."""
        self._compiled[bucket.key] = bucket.bytecode_to_string()


_shared = _Shared()


def share_compiled(app: Flask) -> Flask:
    """Let the application use templates that another one of this process has compiled; return it."""
    app.jinja_env.bytecode_cache = _shared
    return app
