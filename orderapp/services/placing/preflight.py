"""Reads what must be known before an order is placed. On PostgreSQL one statement reads all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, JSON, FromClause, ScalarSelect, Select, String, any_, bindparam, func, or_, select

from orderapp.domain.money import Money
from orderapp.models import Product, Submission, table_of
from orderapp.services.access.attempt_counters import COUNTED, Counted
from orderapp.services.db.prepared_statements import PreparedStatement
from orderapp.services.db.transactions import asking, statements_nest
from orderapp.services.resilience.system_status import STANDING, Standing, standing_of
from orderapp.services.saga.archived_keys import OF_AN_ARCHIVED_ORDER, hash_key

_PRODUCTS, _SUBMISSIONS = table_of(Product).c, table_of(Submission).c


@dataclass(frozen=True, slots=True)
class Sold:
    """A product that is for sale."""

    name: str
    price: Money


@dataclass(frozen=True, slots=True)
class Beforehand:
    """What was known before an order was placed."""

    submitted: bool  # whether a submission is recorded under the key, or was before its order was archived
    products: Mapping[str, Sold]  # the wanted products that are for sale, by SKU
    standing: Standing  # the status of the external systems
    counted: Sequence[Counted]  # of the wanted counters, those that have counted something


def look_up(scope: str, key: str, skus: Iterable[str], buckets: Iterable[str] = ()) -> Beforehand:
    """Read what is recorded under a key, the products, the status of the systems, and the counters."""
    key_hash = hash_key(key)
    wanted = {"scope": scope, "key": key, "key_hash": key_hash, "skus": list(skus), "buckets": list(buckets)}
    submitted, products, standing, counted = (_at_once if statements_nest() else _one_by_one)(wanted)
    return Beforehand(
        bool(submitted),
        {sku: Sold(name, Money(price_minor, currency)) for sku, name, price_minor, currency in products},
        standing_of(standing),
        [Counted(*row) for row in counted],
    )


def _at_once(wanted: Mapping[str, Any]) -> tuple[Any, ...]:
    submitted, *lists = _ALL.ask(wanted)[0]
    return submitted, *(rows or () for rows in lists)


def _one_by_one(wanted: Mapping[str, Any]) -> tuple[Any, ...]:
    with asking() as connection:
        return (
            connection.execute(select(_SUBMITTED), wanted).scalar_one(),
            connection.execute(_SOLD.where(_PRODUCTS.sku.in_(bindparam("skus", expanding=True))), wanted).all(),
            connection.execute(STANDING).all(),
            connection.execute(COUNTED.where(_BUCKET.in_(bindparam("buckets", expanding=True))), wanted).all(),
        )


def _any_of(parameter: str) -> Any:
    return any_(bindparam(parameter, type_=ARRAY(String)))


def _as_list(rows: FromClause) -> ScalarSelect[Any]:
    return select(func.json_agg(func.json_build_array(*rows.c), type_=JSON)).select_from(rows).scalar_subquery()


def _all() -> Select[Any]:
    sold, counted = _SOLD.where(_PRODUCTS.sku == _any_of("skus")), COUNTED.where(_any_of("buckets") == _BUCKET)
    return select(
        _SUBMITTED.label("submitted"),
        _as_list(sold.subquery("sold")).label("products"),
        _as_list(STANDING.subquery("standing")).label("standing"),
        _as_list(counted.subquery("counted")).label("counters"),
    )


# Built once, because every order needs it.
_SUBMITTED = or_(
    select(_SUBMISSIONS.id)
    .where(_SUBMISSIONS.scope == bindparam("scope"), _SUBMISSIONS.key == bindparam("key"))
    .exists(),
    OF_AN_ARCHIVED_ORDER.exists(),
)
_SOLD = select(_PRODUCTS.sku, _PRODUCTS.name, _PRODUCTS.price_minor, _PRODUCTS.currency).where(
    _PRODUCTS.retired_at.is_(None)
)
_BUCKET = COUNTED.selected_columns.bucket
_ALL = PreparedStatement(_all())
