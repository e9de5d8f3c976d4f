"""What is in the repository for supervisors: units of systemd and the containers' file agree with each other."""

from __future__ import annotations

import re
import subprocess
import sys
from runpy import run_path

import pytest
import yaml

from orderapp.config import ROOT, Settings

PROCESSES = ("web", "worker", "timer")
PAGE = (ROOT / "docs" / "production.md").read_text()


def unit(process: str) -> dict[str, str]:
    lines = (ROOT / "deploy" / "systemd" / f"orderapp-{process}.service").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def container(process: str) -> str:
    (found,) = re.findall(rf"^  {process}:\n((?: {{4}}.*\n)+)", (ROOT / "compose.yaml").read_text(), re.MULTILINE)
    return str(found)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_stop_signals_the_main_process_alone_and_waits_equally_long_everywhere(process: str) -> None:
    (grace,) = re.findall(r"stop_grace_period: (\d+)s", container(process))
    (told,) = re.findall(rf"^\| {process} \|.*\| (\d+) s \|", PAGE, re.MULTILINE)
    assert unit(process)["KillMode"] == "mixed"
    assert unit(process)["TimeoutStopSec"] == grace == told


def test_web_processes_may_end_what_they_are_at_before_they_are_killed() -> None:
    graceful = run_path(str(ROOT / "gunicorn.conf.py"))["graceful_timeout"]
    assert graceful < int(unit("web")["TimeoutStopSec"])


def test_how_many_processes_a_worker_has_is_said_and_not_left_to_the_host() -> None:
    assert "--processes" in unit("worker")["ExecStart"]
    assert "--processes" in container("worker")


def test_commands_in_a_container_find_flask_and_a_folder_that_they_may_write_to() -> None:
    image, compose = (ROOT / "Dockerfile").read_text(), (ROOT / "compose.yaml").read_text()
    (folder,) = re.findall(r'volumes: \["archive:([^"]+)"\]', compose)
    assert re.search(rf"install --directory --owner=orderapp .*{folder}$", image, re.MULTILINE)
    assert re.search(r'PATH="/app/\.venv/bin:\$PATH"', image)
    assert f"--to {folder}/" in PAGE


def test_the_containers_file_is_of_the_published_form() -> None:
    checked = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    done = subprocess.run(checked, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def test_one_service_builds_the_image_and_nobody_else_looks_for_it_elsewhere() -> None:
    ours = {name: service for name, service in COMPOSE.items() if service["image"] == "orderapp"}
    assert {name for name, service in ours.items() if "build" in service} == {"schema"}
    assert {service["pull_policy"] for name, service in ours.items() if name != "schema"} == {"never"}
    for name in PROCESSES:
        assert ours[name]["depends_on"]["schema"] == {"condition": "service_completed_successfully"}


def test_each_process_waits_for_what_it_uses_and_says_how_it_is() -> None:
    assert set(COMPOSE["web"]["depends_on"]) == {"schema"}
    assert set(COMPOSE["worker"]["depends_on"]) == set(COMPOSE["timer"]["depends_on"]) == {"schema", "rabbitmq"}
    assert set(COMPOSE["schema"]["depends_on"]) == {"postgres"}
    assert all("healthcheck" in COMPOSE[name] for name in (*PROCESSES, "postgres", "rabbitmq"))
    for name, service in COMPOSE.items():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in COMPOSE[needed], name


def test_the_settings_of_the_containers_are_taken() -> None:
    given = COMPOSE["web"]["environment"] | {"SECRET_KEY": "3f" * 32, "PUBLIC_URL": "https://shop.example"}
    filled = {name: re.sub(r"\$\{(\w+)[^}]*\}", "abc123", value) for name, value in given.items()}
    assert len(Settings.from_environment(filled).rabbitmq_urls) == 1
