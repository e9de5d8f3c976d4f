"""The part `webhooks` of the API's description: the events that are sent to subscribers."""

from __future__ import annotations

from typing import Any

from orderapp.domain.events import MEANINGS, EventType

_HEADERS = {
    "webhook-id": "The event's id, the same at each repeat",
    "webhook-timestamp": "When it was sent, in seconds since 1970",
    "webhook-signature": "As Standard Webhooks say: v1,<base64>; two of them while a secret is being replaced",
}


def event_webhooks() -> dict[str, Any]:
    """Return each type of event, with the request that tells of it."""
    return {event.value: {"post": _operation(event)} for event in EventType}


def _operation(event: EventType) -> dict[str, Any]:
    this = {"type": "object", "properties": {"type": {"const": event.value}}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Event"}, this]}
    return {
        "operationId": "".join(word.capitalize() for word in event.value.split(".")),
        "summary": MEANINGS[event],
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in _HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "2XX": {"description": "The receiver has it"},
            "410": {"description": "The receiver wants no events any more: the subscription is paused"},
            "default": {"description": "It is sent again later"},
        },
    }
