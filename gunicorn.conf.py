"""How the web process runs: `gunicorn wsgi:app`. What the command line says still wins."""

import os
import sys

from orderapp.application import Application
from orderapp.config import Settings
from orderapp.errors import ConfigurationError
from orderapp.garbage import leave_what_stays
from orderapp.services.engine.notify import start_telling
from orderapp.single_headers import note_repeated

bind = "127.0.0.1:8000"
# Two processes of sixteen threads: a thread waits for the external systems most of its time, and each thread holds one
# database connection at the most (the pool has room for forty a process).
# WEB_CONCURRENCY changes their number; gunicorn has read it already, and `on_starting` refuses what makes no sense.
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
worker_class = "orderapp.web_worker.Worker"  # gthread, with a bound to its queue
threads = 16
# Longer than the idle time after which common proxies (60 s) drop their connections to us.
keepalive = 75
# A submission is over within its lease (30 s by default); what still runs at a stop may end. Supervisors wait
# five seconds longer (deploy/systemd, compose.yaml).
graceful_timeout = 35
timeout = 60
# Restarting workers now and then bounds what any leak could do; the jitter keeps them from restarting together.
max_requests = 50_000
max_requests_jitter = 5_000
# Every forwarded header is believed or not by TRUSTED_PROXIES in the application; gunicorn itself believes none.
forwarded_allow_ips = ""
accesslog = None
# Nobody steers it from outside, and its socket would lie in the home folder of whoever started it.
control_socket_disable = True
# No preload: an engine must not be shared with a forked process.
preload_app = False


def post_worker_init(worker):
    """Let the application wake the relay, and settle down."""
    if isinstance(worker.wsgi, Application):  # not the plain shop, which `make bench` runs with the same settings
        start_telling(worker.wsgi)
        leave_what_stays()


def pre_request(_worker, request):
    """Note which headers came twice, before they are joined."""
    note_repeated(request)


def on_starting(_server):
    """Refuse to start with wrong settings, once, in one line, before any worker is forked."""
    try:
        Settings.from_environment(os.environ).require_systems()
    except ConfigurationError as error:
        sys.exit(f"orderapp: {error}")
