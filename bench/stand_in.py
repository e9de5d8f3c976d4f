"""A stand-in for all external systems, fast enough not to be what is measured; it counts each effect, to be audited.

`python -m bench.stand_in PORT` answers on loopback: the contract's calls, all refusals and faults left out, and

POST /bench/reset {"delay_seconds"}    forgets everything; from now on each answer takes this long
POST /bench/slow {"<system>": seconds} these systems take this long for each answer, all others as said at the reset
GET  /bench/totals                     {"<system>": effects in place}
GET  /bench/effects                    {"effects": {"<system>": {"<order or phone number>": n}}, "calls", "repeats"}
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote

HOST = "127.0.0.1"
# Per collection: the system, what an effect is called, and its state once it is in place.
KEYED = {
    "reservations": ("inventory", "reservation", "reserved"),
    "consumptions": ("membership", "consumption", "consumed"),
    "settlements": ("settlement", "settlement", "settled"),
}
# Whose calls a collection's are; what isn't here is the message service's.
OWNERS = {**{name: system for name, (system, _, _) in KEYED.items()}, "members": "membership"}
OWNERS |= {"coupons": "coupon", "redemptions": "coupon"}
PERCENT_OFF = {"kind": "percent", "value": 10}
Reply = tuple[int, Any]


class Books:
    """What each system has done, and the answers that follow from it."""

    def __init__(self, delay_seconds: float = 0.0) -> None:
        self.delay_seconds = delay_seconds
        self.calls = self.repeats = 0
        self._effects: dict[str, Counter[str]] = {}
        self._states: dict[str, str] = {}  # of the keyed systems, by key
        self._owners: dict[str, str] = {}  # whose order a key is
        self._redemptions: dict[str, list[dict[str, str]]] = {}  # by reference

    def answer(self, method: str, target: str, key: str, body: bytes) -> Reply:
        """Return status and body of the answer to a system's call."""
        self.calls += 1
        path, _, query = target.partition("?")
        match (method, *path.strip("/").split("/")):
            case ("POST", "v1", collection) if collection in KEYED:
                return self._take(collection, key, json.loads(body))
            case ("POST", "v1", collection, held, "cancel") if collection in KEYED:
                return self._cancel(collection, unquote(held))
            case ("GET", "v1", collection, held) if collection in KEYED:
                return self._show(collection, unquote(held))
            case ("GET", "v1", "coupons", code):
                return 200, {"coupon": {"code": unquote(code), "state": "active", "discount": PERCENT_OFF}}
            case ("GET", "v1", "members", ref):
                benefit = {"code": "WELCOME", "title": "Welcome", "remaining": 10**9, "discount": PERCENT_OFF}
                return 200, {"member": {"ref": unquote(ref), "name": "A", "tier": "gold", "benefits": [benefit]}}
            case ("POST", "v1", "redemptions"):
                return self._redeem(json.loads(body))
            case ("GET", "v1", "redemptions"):
                return 200, {"redemptions": self._redemptions.get(parse_qs(query)["reference"][0], [])}
            case ("POST", "v1", "redemptions", redemption_id, "void"):
                return self._void(redemption_id)
            case ("POST", "2010-04-01", "Accounts", _, "Messages.json"):
                self._count("sms", parse_qs(body.decode())["To"][0], 1)
                return 201, {"sid": f"SM{self.calls:032d}", "status": "queued"}
        return 404, {"error": {"code": "not_found", "message": f"{method} {path}"}}

    def totals(self) -> Mapping[str, int]:
        """Return how many effects of each system are in place."""
        return {system: counted.total() for system, counted in self._effects.items()}

    def audit(self) -> Mapping[str, Any]:
        """Return everything that was counted."""
        return {"effects": self._effects, "calls": self.calls, "repeats": self.repeats}

    def _take(self, collection: str, key: str, content: Mapping[str, Any]) -> Reply:
        _, noun, done = KEYED[collection]
        if self._states.get(key) == "cancelled":
            return 409, {"error": {"code": "key_cancelled", "message": key}}
        if key in self._states:
            self.repeats += 1
            return 200, {noun: {"key": key, "state": done}}
        self._states[key], self._owners[key] = done, content["order_ref"]
        self._count(KEYED[collection][0], content["order_ref"], 1)
        return 201, {noun: {"key": key, "state": done}}

    def _cancel(self, collection: str, key: str) -> Reply:
        if self._states.get(key) == KEYED[collection][2]:
            self._count(KEYED[collection][0], self._owners[key], -1)
        self._states[key] = "cancelled"
        return 200, {KEYED[collection][1]: {"key": key, "state": "cancelled"}}

    def _show(self, collection: str, key: str) -> Reply:
        if key not in self._states:
            return 404, {"error": {"code": "not_found", "message": key}}
        return 200, {KEYED[collection][1]: {"key": key, "state": self._states[key]}}

    def _redeem(self, content: Mapping[str, Any]) -> Reply:
        made = {"id": str(self.calls), "reference": content["reference"], "state": "redeemed"}
        self._redemptions.setdefault(content["reference"], []).append(made)
        self._owners[made["id"]] = content["order_ref"]
        self._count("coupon", content["order_ref"], 1)
        return 201, {"redemption": made}

    def _void(self, redemption_id: str) -> Reply:
        of_all = (one for listed in self._redemptions.values() for one in listed)
        found = next((one for one in of_all if one["id"] == redemption_id), None)
        if found is None:
            return 404, {"error": {"code": "not_found", "message": redemption_id}}
        if found["state"] == "voided":
            return 409, {"error": {"code": "already_voided", "message": redemption_id}}
        found["state"] = "voided"
        self._count("coupon", self._owners[redemption_id], -1)
        return 200, {"redemption": {"id": redemption_id, "state": "voided"}}

    def _count(self, system: str, whose: str, difference: int) -> None:
        self._effects.setdefault(system, Counter())[whose] += difference


class StandIn:
    """The stand-in: its present records and delays."""

    def __init__(self) -> None:
        self.books = Books()
        self._slow_seconds: dict[str, float] = {}

    def answer(self, method: str, target: str, key: str, body: bytes) -> tuple[Reply, float]:
        """Return the answer to a call, and after how many seconds to give it."""
        match (method, target):
            case ("POST", "/bench/reset"):
                self.books, self._slow_seconds = Books(**json.loads(body)), {}
                return (200, {}), 0.0
            case ("POST", "/bench/slow"):
                self._slow_seconds = json.loads(body)
                return (200, {}), 0.0
            case ("GET", "/bench/totals"):
                return (200, self.books.totals()), 0.0
            case ("GET", "/bench/effects"):
                return (200, self.books.audit()), 0.0
        delay_seconds = self._slow_seconds.get(_owner(target), self.books.delay_seconds)
        return self.books.answer(method, target, key, body), delay_seconds


class Connection(asyncio.Protocol):
    """As much of HTTP/1.1 as our callers speak: bodies with a Content-Length, connections kept open, no pipelining."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer once the request is complete."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if len(body) < int(headers.get("content-length", 0)):
            return
        self._received = b""
        method, target, _ = first.split(" ")
        (status, content), delay_seconds = self._stand_in.answer(
            method, target, headers.get("idempotency-key", ""), body
        )
        reply = _written(status, content)
        if delay_seconds:
            asyncio.get_running_loop().call_later(delay_seconds, self._send, reply)
        else:
            self._send(reply)

    def _send(self, reply: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(reply)


def _owner(target: str) -> str:
    """Return the system that a call is for."""
    collection = target.partition("?")[0].split("/")[2:3]
    return OWNERS.get("".join(collection), "sms")


def _written(status: int, content: Any) -> bytes:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def serve(port: int) -> None:
    """Answer on loopback until the process is ended."""
    stand_in = StandIn()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(stand_in), HOST, port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
