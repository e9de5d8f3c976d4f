"""What the shipped systems ask customers for."""

from __future__ import annotations

from orderapp.systems.registry import inputs_of, system_classes

INPUTS = inputs_of(system_classes())
