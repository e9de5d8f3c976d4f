"""What staff call the external systems and jobs, and what systems ask customers for."""

from __future__ import annotations

from orderapp.config import current_settings


def system_title(name: str) -> str:
    """Return a system's or job's title; its name if the running version doesn't know it."""
    job = current_settings().jobs.get(name)
    return job.title if job else current_settings().systems.title_of(name)


def input_label(name: str) -> str:
    """Return the label of an input; its name if the running version doesn't know it."""
    code = current_settings().systems.inputs.get(name)
    return code.label if code else name


def input_shown(name: str, value: str) -> str:
    """Return what staff see of an input: only the end of a code that pays, or that the running version doesn't know."""
    systems = current_settings().systems
    paying = {code.name for system in systems.values() if system.is_payment for code in system.inputs}
    return value if name in systems.inputs and name not in paying else f"\N{HORIZONTAL ELLIPSIS}{value[-2:]}"
