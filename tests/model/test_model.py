"""Plays the model: thousands of steps, each checked, and an audit at the end of each example."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Orders
from tests.model.stage import set_up

# As many as fit into less than a minute of a slow core; `make model` plays more, and other ones each time.
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "120"))
STEPS = int(os.environ.get("MODEL_STEPS", "40"))
RANDOM = os.environ.get("MODEL_RANDOM") == "1"
SHRINK = os.environ.get("MODEL_SHRINK", "1") == "1"


@pytest.mark.timeout(1800)  # a failing example is made small, and `make model` plays as long as it is told to
def test_whatever_happens_orders_stay_consistent(tmp_path: Path) -> None:
    with set_up(tmp_path) as stage:
        machine = type("Orders", (Orders,), {"stage": stage})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                derandomize=not RANDOM,
                database=None,
                deadline=None,
                phases=[Phase.generate, *([Phase.shrink] if SHRINK else [])],
                suppress_health_check=list(HealthCheck),
            ),
        )
