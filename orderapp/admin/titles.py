"""What staff call the external systems."""

from __future__ import annotations

from orderapp.config import current_settings


def system_title(name: str) -> str:
    """Return a system's title; its name if the running version doesn't know it."""
    system = current_settings().systems.get(name)
    return system.title if system else name
