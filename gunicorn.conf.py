"""Settings of the web process, `gunicorn wsgi:app`. Options of the command line override them."""

import os
import sys

from orderapp.application import Application
from orderapp.config import Settings
from orderapp.errors import ConfigurationError
from orderapp.garbage import leave_what_stays
from orderapp.services.engine.relay_wakeup import start_telling
from orderapp.services.placing.under_way import start_telling_steps
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
# A submission ends within its lease (30 s by default), so at a stop running requests may end. Supervisors wait
# five seconds longer (deploy/systemd, compose.yaml).
graceful_timeout = 35
timeout = 60
# Restarting workers sometimes limits the damage of a leak; the jitter keeps them from restarting together.
max_requests = 50_000
max_requests_jitter = 5_000
# The application's TRUSTED_PROXIES decides which forwarded headers to trust; gunicorn itself trusts none.
forwarded_allow_ips = ""
accesslog = None
# Nothing controls it from outside, and its socket would be in the home folder of the account that started it.
control_socket_disable = True
# No preload: an engine must not be shared with a forked process.
preload_app = False


def post_worker_init(worker):
    """Let the application wake the relay and tell which step is called, and leave its objects out of collections."""
    if isinstance(worker.wsgi, Application):  # not the plain shop, which `make bench` runs with the same settings
        start_telling(worker.wsgi)
        start_telling_steps(worker.wsgi)
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
