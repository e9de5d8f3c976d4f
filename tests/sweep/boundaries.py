"""The boundaries that a process crosses, hooked from outside the product; at a planned one the process is killed.

A boundary is a moment before or after something that can't be taken back: a commit, a call to another system, a
publish, an acknowledgement. Its name says who, what and which side, and is the same in each run; `#2` is the second
crossing of that name since the case began or since the last death.
"""

from __future__ import annotations

import fcntl
import json
import os
import smtplib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import dramatiq
from pika.adapters.blocking_connection import BlockingChannel
from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session
from urllib3.connection import HTTPConnection

from orderapp.services.db.prepared_statements import PreparedStatement, about_to_run, has_run

DEATH = 9  # the exit status of a planned death
DIED = "died at "
# All services commit through the second, so it doesn't identify the service.
SERVICES, UNDERNEATH = "/orderapp/services/", "/orderapp/services/db/"


class Journal:
    """The case's plan and every boundary crossed, in one file that all processes of an installation share."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def begin(self, plan: Sequence[str]) -> None:
        """Forget the last case; from now on each name of the plan, in turn, is deadly."""
        with self._opened() as file:
            file.truncate(0)
            file.write(json.dumps(list(plan)) + "\n")

    def cross(self, name: str) -> None:
        """Note the crossing; end the process here, with all its threads, if that is the plan."""
        with self._opened() as file:
            planned, *lines = file.read().splitlines()
            plan: list[str] = json.loads(planned)
            deaths = [number for number, line in enumerate(lines) if line.startswith(DIED)]
            alive = lines[deaths[-1] + 1 :] if deaths else lines
            numbered = f"{name} #{sum(line.rpartition(' #')[0] == name for line in alive) + 1}"
            deadly = len(deaths) < len(plan) and plan[len(deaths)] == numbered
            file.write(f"{DIED if deadly else ''}{numbered}\n")
            file.flush()
            if deadly:
                os._exit(DEATH)

    def crossed(self) -> list[str]:
        """Return the boundaries crossed since the case began, those where a process died marked so."""
        with self._opened() as file:
            return file.read().splitlines()[1:]

    @contextmanager
    def _opened(self) -> Iterator[IO[str]]:
        with self._path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed, or the process is gone
            yield file


class _At(threading.local):
    """What this thread is at, for the names: the system whose message it has, the call it makes."""

    system = ""
    call = ""
    replies = 0  # of the mail server, since the command that announces a text


_at = _At()
Cross = Callable[[str], None]


def watch(role: str, journal: Journal, broker: dramatiq.Broker) -> None:
    """Hook every boundary of this process, once, before it does anything."""

    def cross(what: str) -> None:
        journal.cross(f"{role}: {what}")

    _watch_commits(cross)
    _watch_http(cross)
    _watch_mail(cross)
    broker.add_middleware(_WatchMessages(cross))
    _watch_deliveries(cross)


def _watch_commits(cross: Cross) -> None:
    def before(_: Connection | PreparedStatement, reads: bool = False) -> None:
        if not reads:
            cross(f"{_transaction()}, before its commit")

    def after(_: Session | PreparedStatement, reads: bool = False) -> None:
        if not reads:
            cross(f"{_transaction()}, after its commit")

    event.listen(Engine, "commit", before)
    event.listen(Session, "after_commit", after)
    # A prepared statement is a transaction of its own.
    about_to_run.connect(before, weak=False)
    has_run.connect(after, weak=False)


def _transaction() -> str:
    """Return the service that commits and the system it is about: the nearest function of ours on the stack."""
    frame = sys._getframe().f_back
    while frame is not None:
        file = frame.f_code.co_filename
        if SERVICES in file and UNDERNEATH not in file:
            return f"{frame.f_code.co_name} {_at.system}".rstrip()
        frame = frame.f_back
    return "somebody"


def _watch_http(cross: Cross) -> None:
    send, get_response = HTTPAdapter.send, HTTPConnection.getresponse

    def watched_send(self: HTTPAdapter, request: PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        _at.call = _name(request)
        cross(f"{_at.call}, before it is sent")
        reply = send(self, request, *args, **kwargs)
        cross(f"{_at.call}, answered")
        return reply

    def watched_response(self: HTTPConnection) -> Any:
        cross(f"{_at.call}, sent")
        return get_response(self)

    HTTPAdapter.send, HTTPConnection.getresponse = watched_send, watched_response  # type: ignore[method-assign]


def _name(request: PreparedRequest) -> str:
    """Return `POST inventory/reservations/cancel`: a call without what differs from order to order."""
    _, system, _, *path = urlsplit(str(request.url)).path.split("/")
    kept = [path[0], *(word for word in path[1:] if word in ("cancel", "void"))]
    return f"{request.method} {'/'.join((system, *kept))}"


def _watch_mail(cross: Cross) -> None:
    data, get_reply = smtplib.SMTP.data, smtplib.SMTP.getreply

    def watched_data(self: smtplib.SMTP, text: Any) -> Any:
        cross("mail, before it is sent")
        _at.replies = 1
        reply = data(self, text)
        cross("mail, answered")
        return reply

    def watched_reply(self: smtplib.SMTP) -> Any:
        # The first reply invites the text, the second is to the text itself.
        if _at.replies == 2:
            cross("mail, sent")
        _at.replies = _at.replies and _at.replies + 1
        return get_reply(self)

    smtplib.SMTP.data, smtplib.SMTP.getreply = watched_data, watched_reply  # type: ignore[method-assign, assignment]


class _WatchMessages(dramatiq.Middleware):
    def __init__(self, cross: Cross) -> None:
        self._cross = cross

    def before_enqueue(self, broker: dramatiq.Broker, message: dramatiq.Message[Any], delay: int | None) -> None:
        self._cross(f"hint for {message.args[1]}, before it is published")

    def after_enqueue(self, broker: dramatiq.Broker, message: dramatiq.Message[Any], delay: int | None) -> None:
        self._cross(f"hint for {message.args[1]}, published")

    def before_process_message(self, broker: dramatiq.Broker, message: dramatiq.MessageProxy) -> None:
        _at.system = message.args[1]
        self._cross(f"hint for {_at.system}, received")

    def before_ack(self, broker: dramatiq.Broker, message: dramatiq.MessageProxy) -> None:
        self._cross(f"hint for {message.args[1]}, before its acknowledgement")

    def after_ack(self, broker: dramatiq.Broker, message: dramatiq.MessageProxy) -> None:
        self._cross(f"hint for {message.args[1]}, acknowledged")

    def after_consumer_thread_boot(self, broker: dramatiq.Broker, thread: Any) -> None:
        _at.system = " ".join(thread.queue_name.split(".")[1:2])


def _watch_deliveries(cross: Cross) -> None:
    """Hook acknowledgements in the thread that sends them to RabbitMQ, a little after the worker's call."""
    acknowledge = BlockingChannel.basic_ack

    def watched(self: BlockingChannel, *args: Any, **kwargs: Any) -> None:
        acknowledge(self, *args, **kwargs)
        cross(f"hint for {_at.system}, its acknowledgement sent")

    BlockingChannel.basic_ack = watched
