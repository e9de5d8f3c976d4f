"""orderapp places orders and keeps them consistent across systems it doesn't control. `create_app` wires the rooms."""

from __future__ import annotations

import os
from collections.abc import Mapping

from flask import Flask

from orderapp.config import FILES, PACKAGE, Settings, current_settings, instance_folder

__all__ = ["create_app", "current_settings"]


def create_app(variables: Mapping[str, str] | None = None) -> Flask:
    """Make the application: settings, database, pages, API, back office, commands.

    Args:
        variables: The environment variables; by default this process's own.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    from werkzeug.middleware.proxy_fix import ProxyFix

    from orderapp import (
        admin,
        api,
        cli,
        hosts,
        load_shedding,
        refusals,
        request_ids,
        security_headers,
        single_headers,
        web,
    )
    from orderapp.application import Application
    from orderapp.client_addresses import ClientAddresses
    from orderapp.extensions import csrf, db, migrate
    from orderapp.owners_files import make_folder
    from orderapp.services.db import transactions
    from orderapp.services.engine.enqueue import enqueue_job
    from orderapp.systems.jobs import ENQUEUE

    variables = os.environ if variables is None else variables
    with cli.configuration_in_one_line():
        settings = Settings.from_environment(variables)
    instance = instance_folder(variables)
    app = Application(
        "orderapp",
        root_path=str(PACKAGE),
        instance_path=str(instance),
        template_folder=str(FILES / "templates"),
        static_folder=str(FILES / "static"),
    )
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.old_secret_keys),
        # Flask-WTF signs with the last key and accepts any of them.
        WTF_CSRF_SECRET_KEY=[*settings.old_secret_keys, settings.secret_key],
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=transactions.engine_options(settings.database_url),
        MAX_CONTENT_LENGTH=262_144,  # the largest order that is accepted is about 20 kB
        MAX_FORM_PARTS=500,  # the fields of a basket; no basket has more
        SESSION_COOKIE_NAME="__Host-orderapp" if settings.secure_cookies else "orderapp",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,  # a form left open over lunch must still work
    )
    app.extensions["orderapp.settings"] = settings
    app.extensions[ENQUEUE] = enqueue_job
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=0, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.wsgi_app = ClientAddresses(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    if settings.database_url.startswith("sqlite"):
        make_folder(instance)
    request_ids.init_app(app, believe_proxy=settings.proxy_sets_request_id)
    hosts.init_app(app, settings.public_url)
    security_headers.init_app(app, only_https=settings.secure_cookies)
    refusals.init_app(app)
    single_headers.init_app(app)
    load_shedding.init_app(app)
    db.init_app(app)
    migrate.init_app(app, db, directory=str(FILES / "migrations"), render_as_batch=True)
    csrf.init_app(app)
    with app.app_context():
        transactions.prepare(app)
        for room in (web, api, admin, cli):
            room.init_app(app)
    return app
