"""Checks everything that an installation depends on, and reports each part in one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy.exc import DBAPIError

from orderapp.addresses import sqlite_file
from orderapp.config import SAFE_SECRET_CHARACTERS, Settings
from orderapp.domain.masking import mask
from orderapp.domain.outcome import Outcome
from orderapp.errors import DatabaseUnavailable
from orderapp.owners_files import readable_by_others
from orderapp.services.db.transactions import reading
from orderapp.services.operations.broker_check import BrokerState, look_at_broker
from orderapp.services.operations.database_settings import DatabaseState, look_at_database
from orderapp.services.saga.unknown_systems import unknown_systems
from orderapp.services.webhooks.health import look as webhooks
from orderapp.systems.base import System


class State(StrEnum):
    """The state of a part of the installation."""

    OK = "ok"
    OFF = "off"  # optional and not configured
    DOUBTFUL = "doubtful"  # it works, but an operator should look at it
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """The check of one part; `detail` contains no secrets."""

    name: str
    state: State
    detail: str = ""


def examine(settings: Settings) -> Iterator[Check]:
    """Check configuration, database, broker and each system, one after the other; yield each result immediately.

    Change nothing, here or elsewhere. This takes at most the systems' time-outs and a few seconds.
    """
    yield _configuration(settings)
    for check in _dependencies(settings):
        # Messages of drivers and systems may repeat secrets that they were given.
        yield replace(check, detail=mask(check.detail, settings.secrets))


def _dependencies(settings: Settings) -> Iterator[Check]:
    yield _database(settings)
    yield _broker(settings)
    for system in settings.systems.values():
        yield _system(system)
    yield from _jobs(settings)
    yield from _unknown_systems(settings)
    yield from _webhooks()


def _configuration(settings: Settings) -> Check:
    weak = list(_weak_settings(settings)) if settings.production else []
    mode = "production" if settings.production else "development"
    return Check("configuration", State.DOUBTFUL if weak else State.OK, "; ".join(weak) or mode)


def _weak_settings(settings: Settings) -> Iterator[str]:
    if 0 < len(settings.metrics_token) < SAFE_SECRET_CHARACTERS:
        yield (
            f"METRICS_TOKEN has {len(settings.metrics_token)} characters; {SAFE_SECRET_CHARACTERS} random ones or more "
            "can't be guessed"
        )
    if not settings.secure_cookies:
        yield "PUBLIC_URL is not an https:// address, so cookies travel over unencrypted connections too"
    if not settings.database_encrypted:
        yield "DATABASE_URL names another host without sslmode=require or better: encryption isn't certain"
    file = sqlite_file(settings.database_url)
    if file is not None and readable_by_others(file):
        yield f"others may read {file}; it is another user's than ours, who has to `chmod 600` it"


def _database(settings: Settings) -> Check:
    kind = "SQLite" if settings.database_url.startswith("sqlite") else "PostgreSQL"
    try:
        with reading() as session:
            seen = look_at_database(session.connection())
            found = set(MigrationContext.configure(session.connection()).get_current_heads())
    except (DatabaseUnavailable, DBAPIError) as error:
        cause = error.__cause__ if isinstance(error, DatabaseUnavailable) else error
        reason = str(getattr(cause, "orig", cause)).strip().partition("\n")[0]
        return Check("database", State.WRONG, f"{kind} can't be used: {reason}")
    config = current_app.extensions["migrate"].migrate.get_config()
    expected = set(ScriptDirectory.from_config(config).get_heads())
    if found != expected:
        here, needed = " and ".join(sorted(found)) or "empty", " and ".join(sorted(expected))
        return Check("database", State.WRONG, f"{kind}, schema {here}, but {needed} is needed: run `flask db upgrade`")
    return _seen("database", seen, f"{kind}, schema {' and '.join(sorted(found))}")


def _broker(settings: Settings) -> Check:
    if not settings.rabbitmq_urls:
        return Check("broker", State.OK, "in-process: RABBITMQ_URL is not set")
    seen = look_at_broker(settings.rabbitmq_urls, list(settings.runnable))
    return _seen("broker", seen, "RabbitMQ")


def _seen(name: str, seen: BrokerState | DatabaseState, sound: str) -> Check:
    state = State.WRONG if seen.wrong else State.DOUBTFUL if seen.doubtful else State.OK
    return Check(name, state, "; ".join((*seen.wrong, *seen.doubtful)) or sound)


def _jobs(settings: Settings) -> Iterator[Check]:
    """Say when each job runs. Whether its runs went well is for the overview, as for tasks."""
    for job in settings.jobs.values():
        yield Check(job.name, State.OK, f"job, {job.schedule or 'when it is enqueued'}")


def _unknown_systems(settings: Settings) -> Iterator[Check]:
    try:
        with reading() as session:
            found = unknown_systems(session, settings.runnable)
    except (DatabaseUnavailable, DBAPIError):
        return  # the check of the database reports it
    for one in found:
        waiting = [f"{count} {state.value} tasks" for state, count in one.tasks.items() if count]
        waiting += [f"{one.placements} placements that died half way"] if one.placements else []
        what = f"{', '.join(waiting)} wait for a version that knows it" if waiting else "nothing waits for it"
        orders = "" if one.is_job else "; orders with it can't be cancelled"
        detail = f"unknown to this version: {what}{orders}"
        yield Check(one.name, State.WRONG if one.waits else State.OFF, detail)


def _webhooks() -> Iterator[Check]:
    try:
        with reading() as session:
            found = webhooks(session)
    except (DatabaseUnavailable, DBAPIError):
        return  # the check of the database reports it
    for one in found:
        this, waiting = one.subscription, f"{one.waiting} events wait"
        if one.state == "paused":
            yield Check("webhooks", State.DOUBTFUL, f"{this.id} is paused, {waiting}: {this.paused_because}")
        elif this.failing_since is not None:
            since = f"{this.failing_since:%Y-%m-%d %H:%M} UTC"
            yield Check("webhooks", State.DOUBTFUL, f"{this.id} has failed since {since}, {waiting}")
    if found and all(one.state == "active" for one in found):
        yield Check("webhooks", State.OK)


def _system(system: System) -> Check:
    if not system.configured:
        if system.required:
            return Check(system.name, State.WRONG, "not configured, and no order can do without it")
        return Check(system.name, State.OFF, "not configured")
    answer = system.check()
    if answer.outcome is Outcome.DONE:
        return Check(system.name, State.OK)
    return Check(system.name, State.WRONG, answer.message or answer.code)
