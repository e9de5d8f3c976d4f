"""`make run`: the whole product in one foreground command, with SQLite, an in-process broker and the sandbox.

It prepares the database once, then supervises four processes: the sandbox, the web process, the worker, the timer.
Ctrl-C stops them all; if this process or the `make` above it is killed, the kernel ends them. `PORT` (default 8000) is
the shop's port, `INSTANCE_PATH` the folder of its data; every setting of docs/production.md counts too.
"""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import requests
from flask_migrate import upgrade

from orderapp import create_app
from orderapp.config import FILES, PACKAGE, ROOT, instance_folder
from orderapp.errors import InvalidRequest, OrderappError
from orderapp.models import Role
from orderapp.no_arguments import refuse_arguments
from orderapp.owners_files import make_folder
from orderapp.sandbox.environment import environment
from orderapp.services.access.accounts import create_staff
from orderapp.services.orders.catalogue import is_empty
from orderapp.services.orders.product_import import import_products
from orderapp.systems.registry import plugin_modules, system_classes

HOST = "127.0.0.1"
READY_SECONDS = 60.0  # a slow laptop on battery takes ten; after a minute something is wrong
STOP_SECONDS = 10.0  # time to finish; then processes are killed, and recovery follows at the next start
PR_SET_PDEATHSIG = 1  # linux/prctl.h
STAFF_EMAIL = "admin@example.com"
# Settings in which a demo differs from a shop, unless the environment sets them: one person on one machine may order
# without a limit and cancel again, and the products' prices are in euros.
DEMO = {
    "SHOP_COUNTRY": "DE",
    "SHOP_CANCEL_MINUTES": "30",
    **{f"ORDERS_PER_{kind}": "0" for kind in ("NETWORK", "SESSION", "EMAIL", "PHONE")},
}


def main() -> int:
    """Run the product until Ctrl-C; return the exit status."""
    refuse_arguments("orderapp.development", __doc__)
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        # Set explicitly: a shell starts background commands with SIGINT ignored, and Python doesn't change that.
        signal.signal(signal_number, _interrupt)
    if "MAKELEVEL" in os.environ:
        _die_with_parent()
    port = _port()
    instance = instance_folder(os.environ)
    make_folder(instance)
    remembered = _remembered(instance / "development.json")
    sandbox_port, smtp_port = _free_port(port + 1), _free_port(port + 2)
    sandbox_url = f"http://{HOST}:{sandbox_port}"
    print("Preparing the database ...", flush=True)
    try:
        variables = {
            **DEMO,
            **_systems(os.environ, sandbox_url, f"smtp://{HOST}:{smtp_port}"),
            "ORDERAPP_MODE": "development",
            "SECRET_KEY": remembered["secret_key"],
            "PUBLIC_URL": f"http://{HOST}:{port}",
        }
        _prepare(variables, remembered["staff_password"])
    except OrderappError as error:
        print(f"orderapp: {error}", file=sys.stderr)
        return 1
    programs = _programs(port, sandbox_port, smtp_port, instance)
    print("Starting the sandbox, the shop, the worker and the timer ...", flush=True)
    children = {name: _start(command, variables) for name, command in programs.items()}
    try:
        _wait_until_ready(f"http://{HOST}:{port}/readyz", children)
        _greet(port, sandbox_url, remembered, instance)
        return _watch(children)
    except KeyboardInterrupt:
        print("\nStopping ...", flush=True)
        return 0
    except RuntimeError as error:
        print(f"orderapp: {error}", file=sys.stderr)
        return 1
    finally:
        _stop(children)


def _systems(environ: Mapping[str, str], sandbox_url: str, smtp_url: str) -> dict[str, str]:
    """Point every system that has a stand-in at it, even if the environment names a real one."""
    return {**environ, **environment(sandbox_url, smtp_url, system_classes(plugin_modules(environ)))}


def _programs(port: int, sandbox_port: int, smtp_port: int, instance: Path) -> dict[str, list[str]]:
    web = ["--config", str(FILES / "gunicorn.conf.py"), "wsgi:app", "--bind", f"{HOST}:{port}", "--workers", "1"]
    sandbox = ["-m", "orderapp.sandbox", "--port", str(sandbox_port), "--smtp-port", str(smtp_port)]
    return {
        "sandbox": [sys.executable, *sandbox, "--data", str(instance / "sandbox.sqlite")],
        "shop": [sys.executable, "-m", "gunicorn", *web],
        "worker": [sys.executable, "-m", "dramatiq", "tasks", "--processes", "1"],
        "timer": [sys.executable, "-m", "tasks.timer"],
    }


def _prepare(variables: Mapping[str, str], staff_password: str) -> None:
    app = create_app(variables)
    with app.app_context():
        upgrade()
        if is_empty():
            import_products(json.loads((PACKAGE / "demo_products.json").read_text()))
        with suppress(InvalidRequest):
            # Raised from the second start on, because the account exists.
            create_staff(STAFF_EMAIL, Role.ADMIN, staff_password)


def _remembered(path: Path) -> dict[str, str]:
    """Return the secrets of this installation's demo. The first start makes them; only their owner can read them."""
    if not path.exists():
        made = {"secret_key": secrets.token_hex(), "staff_password": secrets.token_urlsafe(12)}
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(made, file)
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


def _port() -> int:
    raw = os.environ.get("PORT", "8000")
    if not raw.isdigit() or not 1 <= int(raw) <= 65_533:
        sys.exit(f"orderapp: PORT: {raw!r} is not a port from 1 to 65533")
    port = int(raw)
    if _free_port(port) != port:
        sys.exit(f"orderapp: port {port} is taken; choose another one, such as: PORT={port + 1000} make run")
    return port


def _free_port(wanted: int) -> int:
    """Return the wanted port, or any free one if that is taken."""
    for candidate in (wanted, 0):
        with socket.socket() as listener:
            # As servers do: a port whose last connections are only closing counts as free.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, candidate))
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise RuntimeError("no free port on 127.0.0.1")


def _start(command: list[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # A session of its own, so that Ctrl-C reaches only this process, which stops the others in order.
    return subprocess.Popen(
        command,
        env=dict(variables),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )


def _die_with_parent() -> None:
    """Ask the kernel to end this process when its parent is killed (Linux; elsewhere a kill may leave it behind)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_until_ready(url: str, children: Mapping[str, subprocess.Popen[bytes]]) -> None:
    ends_at = time.monotonic() + READY_SECONDS
    while time.monotonic() < ends_at:
        _refuse_dead(children)
        try:
            requests.get(url, timeout=1).raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{url} did not answer within {READY_SECONDS:g} seconds")


def _refuse_dead(children: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for name, child in children.items():
        if child.poll() is not None:
            raise RuntimeError(f"the {name} ended by itself (exit status {child.returncode}); what it said is above")


def _watch(children: Mapping[str, subprocess.Popen[bytes]]) -> int:
    while True:
        _refuse_dead(children)
        time.sleep(0.5)


def _stop(children: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """Stop all processes, the sandbox last: the others may still need it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("shop", "timer", "worker", "sandbox"):
        child = children[name]
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    print("Stopped. Your data is kept; `make run` goes on with it.", flush=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _greet(port: int, sandbox_url: str, remembered: Mapping[str, str], instance: Path) -> None:
    print(
        f"""
  Shop          http://{HOST}:{port}/
  Back office   http://{HOST}:{port}/admin/   {STAFF_EMAIL} / {remembered["staff_password"]}
  Sandbox       {sandbox_url}/   switch systems off, see stock, coupons, messages
  API           http://{HOST}:{port}/api/v1/openapi.json

  Ctrl-C stops everything; the data stays in {instance}.
""",
        flush=True,
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("orderapp: stopped before it had started; the next start goes on from here")
