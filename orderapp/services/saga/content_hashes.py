"""What a submission asks for, as a hash: so that a repeat is told from the same key with other content."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orderapp.domain.orders import OrderRequest

# Said beside the content: a repeat that says otherwise is the same order.
BESIDE_THE_CONTENT = frozenset({"allow_duplicate", "expected_total", "expected_subtotal"})
# Before the hash, and compared with it: another way of hashing doesn't turn honest repeats into other content.
VERSION = "v2"


@dataclass(frozen=True, slots=True)
class ContentHash:
    """A content's hash, as it is kept with its key, in the present way and in each earlier one."""

    by_version: Mapping[str, str]

    def __str__(self) -> str:
        """Return what is kept."""
        return f"{VERSION}:{self.by_version[VERSION]}"

    def is_that_of(self, kept: str) -> bool:
        """Return whether a kept hash is of the same content.

        One of a version that isn't known here was kept by a newer release, which ran before or runs beside this one:
        the key alone has to do then.
        """
        version, _, digest = kept.partition(":")
        return self.by_version.get(version, digest) == digest


def hash_order(request: OrderRequest) -> ContentHash:
    """Return the hash of an order's content, of a canonical form: the order of the lines is no content."""
    members = _members(request)
    customer = {"phone": "", "member_ref": "", **members["customer"]}
    as_in_v1 = {"coupon": "", "benefit": "", **members, "customer": customer}
    return ContentHash({"v1": _digest(as_in_v1), VERSION: _digest(members)})


def hash_retry(order_id: uuid.UUID) -> ContentHash:
    """Return the hash of "place this order again"."""
    in_v1 = hashlib.sha256(f"retry {order_id}".encode()).hexdigest()
    return ContentHash({"v1": in_v1, VERSION: _digest({"retry": str(order_id)})})


def hash_cart(scope: str, request: OrderRequest) -> str:
    """Return the hash under which an identical cart of the same customer is recognised: all but name and phone.

    Of what people type, capitals don't count: systems correct them, or take either.
    """
    members = _members(request)
    who = {name: value for name, value in members["customer"].items() if name not in ("name", "phone")}
    typed = {"customer": who} | {name: value for name, value in members.items() if isinstance(value, str)}
    return _digest({**members, **_in_small_letters(typed), "scope": scope})


def _in_small_letters(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_small_letters(inner) for name, inner in value.items()}
    return value.casefold() if isinstance(value, str) else value


def _members(request: OrderRequest) -> dict[str, Any]:
    """Return a request's members that aren't empty: one that a later release adds changes no earlier content."""
    content = {name: value for name, value in asdict(request).items() if name not in BESIDE_THE_CONTENT}
    content["lines"] = sorted(content["lines"], key=lambda line: str(line["sku"]))
    members: dict[str, Any] = _without_empty(content)
    return members


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: kept for name, inner in value.items() if (kept := _without_empty(inner))}
    if isinstance(value, list | tuple):
        return [_without_empty(inner) for inner in value]
    return value


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
