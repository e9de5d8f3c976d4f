"""The `flask` commands: each reads its arguments, calls one service and prints what came of it."""

from __future__ import annotations

from flask import Flask

from orderapp.cli.alerts import alerts
from orderapp.cli.archive import archive_orders
from orderapp.cli.configuration_errors import configuration_in_one_line
from orderapp.cli.customers import customers
from orderapp.cli.doctor import doctor
from orderapp.cli.jobs import jobs
from orderapp.cli.operations import operations
from orderapp.cli.products import products
from orderapp.cli.reconcile import reconcile_orders
from orderapp.cli.staff import staff
from orderapp.cli.tasks import tasks
from orderapp.cli.timer import timer
from orderapp.cli.tokens import tokens
from orderapp.cli.web import web
from orderapp.cli.webhooks import webhooks

__all__ = ["configuration_in_one_line", "init_app"]


def init_app(app: Flask) -> None:
    """Add the commands to `flask`."""
    for command in (
        alerts,
        archive_orders,
        customers,
        doctor,
        jobs,
        operations,
        products,
        reconcile_orders,
        staff,
        tasks,
        timer,
        tokens,
        web,
        webhooks,
    ):
        app.cli.add_command(command)
