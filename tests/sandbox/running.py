"""A sandbox for tests: real servers on free ports, in threads of the test's process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import requests

from orderapp.sandbox.environment import ACCOUNT_SID, AUTH_TOKEN, environment
from orderapp.sandbox.serving import SandboxServer
from orderapp.sandbox.settings import SandboxSettings
from tests.servers.loopback import free_port

# The external systems that the product comes with.
SHIPPED = ("inventory", "coupon", "membership", "email", "settlement", "sms")
CALL_SECONDS = 10  # of our own questions to the sandbox, which answers in milliseconds


class RunningSandbox:
    """Starts at once, by default with no token, nothing pending (settlements settle at once) and the demo data.

    Further keywords are those of SandboxSettings. `stop` and `start` again is a restart: same ports, same data;
    between the two, connections are refused.
    """

    def __init__(self, folder: Path, *, settlement_seconds: float = 0, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        agreed = {"sms_account_sid": ACCOUNT_SID, "sms_auth_token": AUTH_TOKEN, **settings}
        self.settings = SandboxSettings(data=folder / "sandbox.sqlite", **agreed)
        self.port, self.smtp_port = free_port(), free_port()
        self._server: SandboxServer | None = None
        self.start()
        self.set("options", "settlement_seconds", settlement_seconds)

    def start(self) -> None:
        """Start; after a stop it is on the same ports."""
        self._server = SandboxServer(self.settings, self.port, self.smtp_port)
        self._server.start()

    def stop(self) -> None:
        """Stop; harmless when stopped already."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> RunningSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Where the pages and the sandbox's own interface are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def smtp_url(self) -> str:
        """Where the mail server is."""
        return f"smtp://127.0.0.1:{self.smtp_port}"

    def url(self, system: str) -> str:
        """Return the base URL of an HTTP system."""
        return f"{self.base_url}/{system}"

    def environ(self, *further: str) -> dict[str, str]:
        """Return the environment variables that point an order service at this sandbox.

        What the tests expect of an order is the work of the systems that the product comes with; one that somebody has
        added is off, but for those named here.
        """
        added = {system.name for system in self.settings.kinds} - {*SHIPPED, *further}
        off = {f"{name.upper()}_URL" for name in added}
        pointed = environment(self.base_url, self.smtp_url, self.settings.kinds)
        return {
            **{name: value for name, value in pointed.items() if name not in off},
            **{f"{name.upper()}_TOKEN": token for name, token in self.settings.tokens.items()},
            "SMS_ACCOUNT_SID": self.settings.sms_account_sid,
            "SMS_AUTH_TOKEN": self.settings.sms_auth_token,
            "COUPON_LATE_SECONDS": str(self.settings.coupon_late_seconds),
        }

    def fault(self, system: str, fault: str = "none", **values: Any) -> None:
        """Give a system a fault: `rate` (0 to 1), `seconds`, `scope` (all, writes, do, undo, reads), `detail`."""
        self._checked(requests.post, f"/faults/{system}", json={"fault": fault, **values})

    def clear_faults(self) -> None:
        """Take every system's fault away."""
        self._checked(requests.post, "/faults/clear")

    def faults(self) -> dict[str, dict[str, Any]]:
        """Return every system's fault, with the numbers of its `calls` and those `disturbed`."""
        found: dict[str, dict[str, Any]] = self._checked(requests.get, "/faults.json")["faults"]
        return found

    def set(self, section: str, key: str, value: float) -> None:
        """Set a number in a table: stock by SKU, coupons by code, benefits by `MEMBER/CODE`, options by name."""
        self._checked(requests.post, f"/state/{section}", json={"key": key, "value": value})

    def change(self, statement: str, *values: object) -> None:
        """Change what a system has in store behind its back, with a statement on the sandbox's own tables."""
        with closing(sqlite3.connect(self.settings.data, timeout=CALL_SECONDS)) as connection, connection:
            connection.execute(statement, values)

    def rows(self, section: str) -> list[dict[str, Any]]:
        """Return a table: stock, coupons, redemptions, members, benefits, texts, mails, or a keyed collection."""
        found: list[dict[str, Any]] = self._checked(requests.get, f"/state/{section}.json")["rows"]
        return found

    def value(self, section: str, key: str, column: str) -> Any:
        """Return one value of the row whose first column is `key`."""
        return next(row[column] for row in self.rows(section) if next(iter(row.values())) == key)

    def ledger(self, order_ref: str | None = None, system: str | None = None) -> dict[str, Any]:
        """Return `{"effects": [...], "net": [...], "waiting": n}`, of all orders or one, all systems or one."""
        return self._checked(requests.get, "/ledger.json", params={"order_ref": order_ref, "system": system})

    def held(self, order_ref: str) -> dict[str, int]:
        """Return what each system holds of an order at present: done minus undone, systems with nothing left out."""
        net: dict[str, int] = {}
        for row in self.ledger(order_ref)["net"]:
            net[row["system"]] = net.get(row["system"], 0) + row["net"]
        return {system: count for system, count in net.items() if count}

    def _checked(self, send: Callable[..., requests.Response], path: str, **kwargs: Any) -> dict[str, Any]:
        answer = send(self.base_url + path, timeout=CALL_SECONDS, **kwargs)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body
