"""The workers' side: `dramatiq tasks` imports this package, and finds the broker and the actor.

Only wiring: `broker` makes the broker, `actors` declares the actor, `relay` sends due tasks to the broker, `timer`
runs recovery.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import dramatiq
from flask import Flask

from orderapp.config import Settings
from orderapp.errors import ConfigurationError
from orderapp.garbage import leave_what_stays
from orderapp.logs import set_up_logs

set_up_logs(json_lines=os.environ.get("ORDERAPP_MODE") != "development")


def _wire() -> tuple[Flask, Settings, dramatiq.Broker, dramatiq.Actor[[list[int], str], Any]]:
    # Imported here, because these modules may log while they are imported, and logging is set up only now.
    from orderapp import create_app
    from orderapp.systems.settings import Environment
    from tasks.actors import SLOTS_PER_SYSTEM, declare_actor
    from tasks.broker import make_broker
    from tasks.heartbeat import Beating
    from tasks.yielding import NICENESS, Yielding

    app = create_app()
    settings: Settings = app.extensions["orderapp.settings"]
    settings.require_systems()
    env = Environment(os.environ, settings.production)
    slots = env.integer("WORKER_SLOTS_PER_SYSTEM", SLOTS_PER_SYSTEM, 1, 1000)
    broker = make_broker(settings, app)
    broker.add_middleware(Yielding(env.integer("WORKER_NICENESS", NICENESS, 0, 19)))
    broker.add_middleware(Beating())
    return app, settings, broker, declare_actor(broker, app, settings, slots)


try:
    app, settings, broker, run = _wire()
    leave_what_stays()
except ConfigurationError as error:
    sys.exit(f"orderapp: {error}")
