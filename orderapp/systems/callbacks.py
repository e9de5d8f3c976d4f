"""What a partner sends to `/callbacks/<system>`: a hint to ask it, never a proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from standardwebhooks import Webhook

from orderapp.systems.answers import parse


@dataclass(frozen=True, slots=True)
class Callback:
    """A call by a partner, as it came.

    Args:
        url: The address that was called, with its query.
        headers: By name in lower case.
        body: Of bounded size.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Mapping[str, Any]:
        """The JSON object in the body; empty if there is none."""
        return parse(self.body) or {}

    @property
    def form(self) -> Mapping[str, str]:
        """The form in the body."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the address."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    def signed_by(self, secret: str) -> bool:
        """Return whether it is signed with the secret as Standard Webhooks say, and at most five minutes old.

        An empty secret signs nothing, so a system without its setting accepts no callback.

        Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
        """
        if not secret:
            return False
        try:
            Webhook(secret).verify(self.body, dict(self.headers), json_parse=False)
        except Exception:  # noqa: BLE001 - whatever the library makes of what was sent, it isn't signed
            return False
        return True
