"""Lists of rows, newest first: read-only, with a few known filters, paged by key, never counted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar

from flask import abort, request, url_for
from flask_admin.contrib.sqla import ModelView
from flask_admin.contrib.sqla.filters import FilterEqual
from flask_admin.form import BaseForm
from flask_admin.model.base import ViewArgs
from sqlalchemy import ColumnElement, Select, literal, or_, select, tuple_
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from orderapp.admin import saved_views
from orderapp.admin.guard import Guarded
from orderapp.admin.time_filters import Moment
from orderapp.config import current_settings
from orderapp.domain.typed_text import trimmed
from orderapp.models import Order, db_now, holds
from orderapp.services.db.transactions import reading
from orderapp.systems.base import System
from orderapp.systems.jobs import Job, can_be_named

PAGE_SIZES = (20, 50, 100, 200)
PAGE_SIZE = 50
NO_CODE = "-"


class OneOf(FilterEqual):  # type: ignore[misc]  # Flask-Admin has no types
    """A filter `?<arg>=<value>` with a fixed set of values; another value is refused, not ignored."""

    def __init__(self, arg: str, column: Any, name: str, options: Sequence[tuple[str, str]]) -> None:
        super().__init__(column, name, options=options)
        self.arg = arg

    def validate(self, value: str) -> bool:
        """Return whether the value is one of those offered."""
        return value in dict(self.options)

    def in_words(self, value: str) -> str:
        """Return what staff call a value."""
        return str(dict(self.options).get(value, value))

    def apply(self, query: Select[Any], value: str, alias: Any = None) -> Select[Any]:
        """Narrow a statement to the rows that have the value."""
        return query.where(holds(self.column, value))


class OneSystem(OneOf):
    """A filter by system or job; rows may name one that isn't offered because the running version doesn't know it."""

    def __init__(self, arg: str, column: Any, wanted: Callable[[System | Job], bool] = lambda _: True) -> None:
        super().__init__(arg, column, "System", ())
        self._wanted = wanted

    def get_options(self, view: Any) -> list[tuple[str, str]]:
        """Return the names and titles of the application's systems and jobs."""
        self.options = [(one.name, one.title) for one in current_settings().runnable.values() if self._wanted(one)]
        return self.options

    def validate(self, value: str) -> bool:
        """Return whether the value can be the name of a system or job."""
        return can_be_named(value)


class Code(FilterEqual):  # type: ignore[misc]  # Flask-Admin has no types
    """A filter `?<arg>=<value>` by a code of another system, which may be any text; NO_CODE means none."""

    def __init__(self, arg: str, column: Any, name: str) -> None:
        super().__init__(column, name)
        self.arg = arg

    def validate(self, value: str) -> bool:
        """Return whether it can be a value of the column."""
        return 0 < len(value) <= int(self.column.type.length)

    def in_words(self, value: str) -> str:
        """Return what staff call a value."""
        return "none" if value == NO_CODE else value

    def apply(self, query: Select[Any], value: str, alias: Any = None) -> Select[Any]:
        """Narrow a statement to the rows that have the value."""
        none = or_(self.column.is_(None), self.column == "")
        return query.where(none if value == NO_CODE else self.column == value)


def order_numbers(session: Session, rows: Sequence[Any]) -> dict[uuid.UUID, str]:
    """Return the numbers of the orders that rows belong to, by id."""
    numbers = select(Order.id, Order.number).where(Order.id.in_({row.order_id for row in rows}))
    return {row.id: row.number for row in session.execute(numbers)}


def choices(states: Iterable[StrEnum]) -> list[tuple[str, str]]:
    """Return states as a filter's options."""
    return [(state.value, state.value.capitalize()) for state in states]


class Listing(Guarded, ModelView):  # type: ignore[misc]  # Flask-Admin has no types
    """A list of one table's rows. An unknown part of the address is refused, so no filter is silently dropped."""

    can_create = can_edit = can_delete = can_view_details = can_export = can_set_page_size = False
    # Their endpoints don't exist either: each act of staff is a service with an endpoint of its own.
    create_view = edit_view = delete_view = details_view = action_view = export = ajax_lookup = ajax_update = None
    column_display_actions = False
    list_template = "office/list.html"
    page_size = PAGE_SIZE

    #: Column and key by which the list is sorted, descending; the last one is the primary key.
    newest_first: ClassVar[tuple[Any, ...]]
    #: Further columns by which it can be sorted, each with the key of an index that ends with the primary key.
    sorted_by: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    #: The columns that hold figures.
    figures: ClassVar[frozenset[str]] = frozenset()
    #: What the search box asks for, or None where there is none.
    search_label: ClassVar[str | None] = None
    #: What to say where there is nothing.
    empty_title: ClassVar[str] = "Nothing here"

    def search_for(self, text: str) -> ColumnElement[bool]:
        """Return the condition for a text in the search box."""
        raise NotImplementedError

    def read_key(self, text: str) -> Any:
        """Return the primary key that a page begins after. Raises ValueError."""
        key = int(text)
        if not 0 < key < 2**63:
            raise ValueError(f"{text} is no key")
        return key

    def further_values(self, session: Session, rows: Sequence[Any]) -> dict[str, Any]:
        """Return what the template needs besides the rows, read together for the whole page."""
        return {}

    def scaffold_form(self) -> type[Any]:
        """Return an empty form: nothing is edited here."""
        return type("NoForm", (BaseForm,), {})

    def init_search(self) -> bool:
        """Return whether there is a search box."""
        return self.search_label is not None

    def get_sortable_columns(self) -> dict[str, Any]:
        """Return the columns that have an index, by name."""
        return {name: key[0] for name, key in self._keys().items()}

    def narrowed(self, statement: Select[Any], but: str) -> Select[Any]:
        """Return a statement narrowed by the search and by all chosen filters but one, which is a tab's."""
        args = self._get_list_extra_args()
        for index, _, value in args.filters:
            if self._filters[index].arg != but:
                statement = self._filters[index].apply(statement, value)
        return statement.where(self.search_for(args.search)) if args.search else statement

    def get_list(  # noqa: PLR0913 - Flask-Admin's signature
        self,
        page: int | None,
        sort_column: Any,
        sort_desc: Any,
        search: str | None,
        filters: Sequence[tuple[int, str, str]] | None,
        execute: bool = True,
        page_size: int | None = None,
    ) -> tuple[None, list[Any]]:
        """Return a page of rows, and leave the addresses of its neighbours to the template."""
        statement = self._chosen(search, filters)
        before, after = request.args.get("before"), request.args.get("after")
        if before and after:
            abort(400)
        key, descending = self.sorting(sort_column, bool(sort_desc))
        rows, more = self._page(statement, (key, descending), before or after, back=bool(after))
        has_previous, has_next = (more, True) if after else (bool(before), more)
        self._template_args["previous_url"] = self._turned("after", rows[0]) if rows and has_previous else None
        self._template_args["next_url"] = self._turned("before", rows[-1]) if rows and has_next else None
        self._template_args.update(
            by_time=key == self.newest_first,
            descending=descending,
            sorted_by=key[0].key,
            sizes=PAGE_SIZES,
            size=self._size(),
            kept=self._kept(),
            saved_query=saved_views.query_of(request.args) if not request.args.get("search") else "",
            shared=saved_views.SHARED,
        )
        return None, rows

    def rows_of(self, args: MultiDict[str, str]) -> Select[Any]:
        """Return the statement of the ids that the filters of an address let through. Raises BadRequest."""
        return self._chosen(None, self.read_args(args).filters).with_only_columns(self.model.id)

    def lasting(self, args: MultiDict[str, str]) -> str:
        """Return the filters of an address as a view keeps them: times are the same for every reader. BadRequest."""
        given = dict(args)
        for index, _, value in self.read_args(args).filters:
            if isinstance(self._filters[index], Moment):
                given[self._filters[index].arg] = self._filters[index].lasting(value)
        return saved_views.query_of(given)

    def _chosen(self, search: str | None, filters: Sequence[tuple[int, str, str]] | None) -> Select[Any]:
        """Return the statement of the rows that a search and filters let through."""
        statement = select(self.model)
        if search:
            statement = statement.where(self.search_for(search))
        for index, _, value in filters or ():
            statement = self._filters[index].apply(statement, value)
        return statement

    def sorting(self, column: str | None, desc: bool) -> tuple[tuple[Any, ...], bool]:
        """Return the key of a column by which rows are sorted, and whether descending; newest first without one."""
        return (self._keys()[column], desc) if column else (self.newest_first, True)

    def _keys(self) -> dict[str, tuple[Any, ...]]:
        return {self.newest_first[0].key: self.newest_first, **self.sorted_by}

    def _page(
        self, statement: Select[Any], sorting: tuple[tuple[Any, ...], bool], edge: str | None, *, back: bool
    ) -> tuple[list[Any], bool]:
        """Return the rows before an edge (`back`) or after it, and whether there are more beyond them."""
        key, size, descending = sorting[0], self._size(), sorting[1] is not back
        with reading() as session:
            if edge is not None:
                values = session.execute(select(*key).where(key[-1] == self._key(edge)))
                row = values.one_or_none() or abort(404)
                place = tuple_(*(literal(value, column.type) for value, column in zip(row, key, strict=True)))
                columns = tuple_(*key)
                statement = statement.where(columns < place if descending else columns > place)
            order = [column.desc() if descending else column.asc() for column in key]
            rows = list(session.scalars(statement.order_by(*order).limit(size + 1)))
            self._template_args["now"] = session.execute(select(db_now())).scalar_one()
            self._template_args.update(self.further_values(session, rows))
            self._template_args["saved_views"] = saved_views.shown(session, self) if self.column_filters else ()
        shown = rows[:size]
        return (shown[::-1] if back else shown), len(rows) > size

    def _key(self, text: str) -> Any:
        try:
            return self.read_key(text)
        except ValueError:
            abort(400)

    def _turned(self, direction: str, row: Any) -> str:
        return url_for(".index_view", **self._kept(), **{direction: getattr(row, self.newest_first[-1].key)})

    def _get_list_url(self, view_args: ViewArgs) -> str:
        """Return the address of the same rows sorted otherwise; columns have their names in it, not their places."""
        column = None if view_args.sort is None else self.get_list_columns()[view_args.sort][0]
        sorting = {"sort": column, "desc": "1" if column and view_args.sort_desc else None}
        return url_for(".index_view", **{**self._kept(), **sorting})

    def filters_in_words(self, args: ViewArgs) -> dict[str, Any]:
        """Return the filters that are chosen, as staff read them: what they are about, and what they let through."""
        return {self._filters[index].name: self._filters[index].in_words(value) for index, _, value in args.filters}

    def _kept(self) -> dict[str, Any]:
        return {name: value for name, value in request.args.items() if name not in ("before", "after") and value}

    def _size(self) -> int:
        return int(request.args.get("size") or PAGE_SIZE)

    def _get_list_extra_args(self) -> ViewArgs:
        return self.read_args(request.args)

    def read_args(self, args: MultiDict[str, str]) -> ViewArgs:
        """Return what an address asks for. Raises BadRequest for what isn't known."""
        known = {"before", "after", "sort", "desc", "size", *(filter_.arg for filter_ in self._filters or ())}
        known |= {"search"} if self.search_label else set()
        search = trimmed(args.get("search", ""))
        others = [text for name, text in args.items() if name != "search"]
        if not set(args) <= known or not all(text.isprintable() for text in (search, *others)):
            abort(400)
        names = [name for name, _ in self.get_list_columns()]
        if args.get("sort", "") not in ("", *self._keys().keys() & names) or args.get("desc", "") not in ("", "1"):
            abort(400)
        if args.get("size", "") not in ("", *map(str, PAGE_SIZES)):
            abort(400)
        if any(len(values) > 1 for values in args.listvalues()):
            abort(400)
        place = names.index(args["sort"]) if args.get("sort") else None
        return ViewArgs(
            sort=place, sort_desc=bool(args.get("desc")), search=search or None, filters=self._known_filters(args)
        )

    def _known_filters(self, args: MultiDict[str, str]) -> list[tuple[int, str, str]]:
        chosen = [
            (index, filter_.name, value)
            for index, filter_ in enumerate(self._filters or ())
            if (value := args.get(filter_.arg))
        ]
        if any(not self._filters[index].validate(value) for index, _, value in chosen):
            abort(400)
        return chosen

    def _get_filters(self, filters: Sequence[tuple[int, str, str]] | None) -> dict[str, str]:
        return {self._filters[index].arg: value for index, _, value in filters or ()}
