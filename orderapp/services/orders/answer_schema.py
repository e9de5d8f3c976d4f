"""What all schemas of answers and events share: times, money, and members that later versions add."""

from __future__ import annotations

import datetime as dt
from typing import Any

from marshmallow import INCLUDE, Schema, fields


class UtcTime(fields.DateTime):
    """A time as RFC 3339 in UTC, such as `2026-11-22T21:03:05.123456Z`."""

    def _serialize(self, value: dt.datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else f"{value.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


class Answer(Schema):
    """The base of all answers, which may get further members in later versions."""

    class Meta:
        """Lets the description allow unknown members."""

        unknown = INCLUDE


class MoneySchema(Answer):
    """An amount in minor units."""

    value = fields.Integer(required=True, attribute="minor", metadata={"description": "Minor units, such as cents"})
    currency = fields.String(required=True, metadata={"description": "ISO 4217", "example": "EUR"})
