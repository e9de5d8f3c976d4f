"""What is to say of a system beside its badge on the overview: why it isn't used, until when, what comes next."""

from __future__ import annotations

from orderapp.admin.labels import duration
from orderapp.admin.zones import local
from orderapp.models import CircuitState, SwitchMode
from orderapp.services.backoffice.overview import SystemState


def status_of(one: SystemState) -> str:
    """Return it as sentences; empty for a system in use that works."""
    return " ".join(said for said in (_switched(one), _circuit(one), _configured(one)) if said)


def _switched(one: SystemState) -> str:
    if one.mode is SwitchMode.ON:
        return ""
    until = f", until {local(one.resumes_at):%-d %b, %H:%M}" if one.resumes_at is not None else ""
    return f"{one.mode_reason.rstrip('.')}{until}."


def _circuit(one: SystemState) -> str:
    if one.circuit.pulling_forward:
        return "Works again; what waits for it is being pulled forward."
    if one.circuit.state is CircuitState.CLOSED:
        return ""
    seconds = one.circuit.probe_in_seconds
    return f"A task tries it again {f'in {duration(seconds)}' if seconds >= 1 else 'as soon as one is due'}."


def _configured(one: SystemState) -> str:
    return "" if one.system.configured else "It isn't configured."
