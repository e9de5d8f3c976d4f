"""Imports products: checks all of them, then writes all of them, or none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from orderapp.currencies import is_currency
from orderapp.domain.money import MAX_MINOR
from orderapp.domain.typed_text import folded, hidden_in, trimmed
from orderapp.errors import InvalidRequest
from orderapp.models import Product, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.db.upserts import proposed, upsert

BATCH = 1000  # rows per round trip: some tens of milliseconds, so that progress is visible
MAX_ERRORS = 20  # about as many as one corrects before the next try; a file in a wrong format would have millions
LONGEST_SKU, LONGEST_NAME = 64, 200  # as wide as the columns
OPTIONAL = {"category": 60, "picture": 200}  # how long they may be
_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~%/-]*[A-Za-z0-9]")  # the browser loads pictures from no other host
LONGEST_SHOWN = 40  # characters of a wrong value, enough to find it

Row = dict[str, Any]
Errors = dict[str, str]


def import_products(data: Any, progress: Callable[[int, int], None] | None = None) -> int:
    """Insert new products and overwrite known ones, by SKU; all products must have one currency.

    Transaction: one for all of them, committed here.
    Idempotent because: the same products again change nothing.
    If we die here: nothing was written.

    Args:
        data: `[{"sku", "name", "price": {"value": <minor units>, "currency"}, "category"?, "picture"?}, ...]`, parsed
            from JSON. A picture is a path on the shop's own host.
        progress: Called after each batch with the number of written products and their total.

    Returns:
        How many products were imported.

    Raises:
        InvalidRequest: with the mistakes by position, such as `2.price.value` (from 0); nothing was written.
    """
    # Sorted, so that two imports at the same time can't deadlock.
    rows = sorted(_check(data), key=lambda row: str(row["sku"]))
    with writing() as session:
        statement = _upsert(session)
        for start in range(0, len(rows), BATCH):
            session.connection().execute(statement, rows[start : start + BATCH])
            if progress:
                progress(min(start + BATCH, len(rows)), len(rows))
        _refuse_second_currency(session, str(rows[0]["currency"]))
    return len(rows)


def _refuse_second_currency(session: Session, currency: str) -> None:
    """Refuse products if other products have another currency, because nobody could order both together."""
    other = session.execute(
        select(Product.sku, Product.currency).where(Product.currency != currency).order_by(Product.sku).limit(1)
    ).first()
    if other:
        left = f"products that they leave as they are, such as {_shown(other.sku)}, have {other.currency}"
        raise InvalidRequest({"": [f"these are in {currency}, and {left}; a shop has one currency"]})


def _upsert(session: Session) -> Any:
    written = {"updated_at": db_now()}
    columns = (Product.name, Product.searched, Product.price_minor, Product.currency, Product.category, Product.picture)
    changed = {column.key: proposed(column) for column in columns} | written
    different = or_(*(column != proposed(column) for column in columns))
    return upsert(session, Product, written, changed, unique="sku", where=different)


def _check(data: Any) -> list[Row]:
    if not isinstance(data, list) or not data:
        raise InvalidRequest({"": ["a list of at least one product is expected"]})
    known = _Known()
    rows: list[Row] = []
    errors: dict[str, list[str]] = {}
    for index, item in enumerate(data):
        row, wrong = _read(item)
        wrong = wrong or known.clashes(index, row)
        errors |= {f"{index}.{member}".rstrip("."): [message] for member, message in wrong.items()}
        if len(errors) > MAX_ERRORS:
            break
        rows.append(row)
    if errors:
        raise InvalidRequest(errors)
    return rows


class _Known:
    """The SKUs and the currency of the products so far."""

    def __init__(self) -> None:
        self._skus: dict[str, int] = {}
        self._currency = ""

    def clashes(self, index: int, row: Row) -> Errors:
        """Add a product; return its conflicts with earlier products."""
        errors: Errors = {}
        first = self._skus.setdefault(row["sku"], index)
        if first != index:
            errors["sku"] = f"{_shown(row['sku'])} is the SKU of product {first + 1} already"
        self._currency = self._currency or row["currency"]
        if row["currency"] != self._currency:
            # Nobody could order both together.
            errors["price.currency"] = f"{row['currency']}, where the products before have {self._currency}"
        return errors


def _read(item: Any) -> tuple[Row, Errors]:
    """Return a product as a row, and its mistakes by member."""
    if not isinstance(item, dict):
        return {}, {"": "an object with sku, name and price is expected"}
    errors = _wrong_members(item, ("sku", "name", "price"), optional=tuple(OPTIONAL))
    for member, longest in {"sku": LONGEST_SKU, "name": LONGEST_NAME, **OPTIONAL}.items():
        if member in item:
            errors |= _wrong_text(member, item[member], longest)
    if "picture" in item and "picture" not in errors and not _PATH.fullmatch(item["picture"]):
        errors["picture"] = f"{_shown(item['picture'])} is not a path on the shop's own host such as /pictures/tea.webp"
    if "price" in item:
        errors |= _wrong_price(item["price"])
    if errors:
        return {}, errors
    price = item["price"]
    return {
        "sku": item["sku"],
        "name": item["name"],
        "searched": folded(item["name"]),
        "price_minor": price["value"],
        "currency": price["currency"],
        **{member: item.get(member, "") for member in OPTIONAL},
    }, {}


def _wrong_members(
    item: Mapping[str, Any], expected: tuple[str, ...], prefix: str = "", optional: tuple[str, ...] = ()
) -> Errors:
    missing = {f"{prefix}{member}": "missing" for member in expected if member not in item}
    unknown = [member for member in item if member not in expected + optional]
    return missing | {f"{prefix}{_shown(member)}": "unknown member" for member in unknown}


def _wrong_text(member: str, value: Any, longest: int) -> Errors:
    if not isinstance(value, str):
        return {member: f"{_shown(value)} is not a text"}
    if not 1 <= len(value) <= longest:
        return {member: f"has {len(value)} characters, 1 to {longest} are allowed"}
    if value != trimmed(value):
        # An order's SKU is trimmed, so it would never match this one.
        return {member: f"{_shown(value)} begins or ends with a blank or a character that can't be seen"}
    if hidden_in(value):
        return {member: f"{_shown(value)} has characters in it that can't be seen"}
    return {}


def _wrong_price(price: Any) -> Errors:
    if not isinstance(price, dict):
        return {"price": f"{_shown(price)} is not an object with value and currency"}
    errors = _wrong_members(price, ("value", "currency"), "price.")
    value, currency = price.get("value"), price.get("currency")
    if "value" in price:
        if not isinstance(value, int) or isinstance(value, bool):
            errors["price.value"] = f"{_shown(value)} is not a whole number of minor units (1050 for 10.50)"
        elif not 0 <= value <= MAX_MINOR:
            errors["price.value"] = f"{_shown(value)} is not between 0 and {MAX_MINOR}"
    if "currency" in price and not (isinstance(currency, str) and is_currency(currency)):
        errors["price.currency"] = f"{_shown(currency)} is not an ISO 4217 code such as EUR"
    return errors


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
