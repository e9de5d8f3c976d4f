"""Watches what the services do to the database, through SQLAlchemy or with a prepared statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from sqlalchemy import event

from orderapp.extensions import db
from orderapp.services.db.prepared_statements import PreparedStatement, about_to_run, has_run


@contextmanager
def watching(*, statement: Callable[[str], object], commit: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Call these as long as the block lasts; what they raise comes out of the statement or the commit.

    Args:
        statement: Called before each statement, with its text.
        commit: Called before each commit; where a statement is a transaction of its own, after it: it commits itself.
    """

    def by_sqlalchemy(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        statement(text)

    def committing(_connection: Any) -> None:
        commit()

    def ready(sender: PreparedStatement, *, reads: bool) -> None:
        statement(str(sender))

    def committed(sender: PreparedStatement, *, reads: bool) -> None:
        if not reads:
            commit()

    with ExitStack() as hooks:
        for name, hook in (("before_cursor_execute", by_sqlalchemy), ("commit", committing)):
            event.listen(db.engine, name, hook)
            hooks.callback(event.remove, db.engine, name, hook)
        hooks.enter_context(about_to_run.connected_to(ready))
        hooks.enter_context(has_run.connected_to(committed))
        yield
