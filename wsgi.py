"""The web process: `gunicorn wsgi:app`."""

from __future__ import annotations

import sys

from orderapp import create_app
from orderapp.config import Settings
from orderapp.errors import ConfigurationError
from orderapp.logs import set_up_logs

try:
    app = create_app()
    settings: Settings = app.extensions["orderapp.settings"]
    settings.require_systems()
except ConfigurationError as error:
    sys.exit(f"orderapp: {error}")
set_up_logs(json_lines=settings.production)
