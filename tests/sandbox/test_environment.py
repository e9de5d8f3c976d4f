"""The variables that point an order service at a sandbox."""

from __future__ import annotations

from pathlib import Path

from orderapp import development
from orderapp.sandbox import SandboxSettings, create_sandbox, state_of
from orderapp.sandbox.environment import environment
from orderapp.systems.registry import system_classes

URL, SMTP_URL = "http://127.0.0.1:8001", "smtp://127.0.0.1:8002"
NO_SYSTEMS = {"SMTP_URL"}


def test_a_system_is_pointed_at_the_sandbox_if_and_only_if_that_answers_for_it(tmp_path: Path) -> None:
    app = create_sandbox(SandboxSettings(data=tmp_path / "sandbox.sqlite"))
    answering = {name for name, one in state_of(app).stand_ins.items() if one.blueprint is not None}
    pointed = {name for name in environment(URL, SMTP_URL, system_classes()) if name.endswith("_URL")} - NO_SYSTEMS
    assert pointed == {f"{name.upper()}_URL" for name in answering}
    state_of(app).store.close()


def test_make_run_calls_no_real_system_that_the_sandbox_stands_in_for_and_any_other_as_told() -> None:
    said = {"INVENTORY_URL": "https://inventory.example.com", "GIFTCARD_URL": "http://127.0.0.1:9001"}
    variables = development._systems(said, URL, SMTP_URL)
    assert variables["INVENTORY_URL"] == f"{URL}/inventory"
    assert variables["GIFTCARD_URL"] == "http://127.0.0.1:9001"
