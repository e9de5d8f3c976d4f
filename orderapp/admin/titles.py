"""What staff call the external systems, and what those ask customers for."""

from __future__ import annotations

from orderapp.config import current_settings
from orderapp.domain.inputs import PAYMENT


def system_title(name: str) -> str:
    """Return a system's title; its name if the running version doesn't know it."""
    return current_settings().systems.title_of(name)


def input_label(name: str) -> str:
    """Return the label of an input; its name if the running version doesn't know it."""
    code = current_settings().systems.inputs.get(name)
    return code.label if code else name


def input_shown(name: str, value: str) -> str:
    """Return what staff see of an input: only the end of a code that pays, or that the running version doesn't know."""
    code = current_settings().systems.inputs.get(name)
    return value if code is not None and code.section != PAYMENT else f"\N{HORIZONTAL ELLIPSIS}{value[-2:]}"
