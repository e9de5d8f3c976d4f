"""The back office: what staff see of orders, tasks and systems, and what they can do about them."""

from __future__ import annotations

from flask import Flask
from flask_admin import Admin
from flask_admin.theme import Theme

from orderapp.admin import appearance, login, who, zones
from orderapp.admin.account import AccountView
from orderapp.admin.alerts import AlertsView
from orderapp.admin.attempts import AttemptsView
from orderapp.admin.audit import AuditView
from orderapp.admin.invitation import invitation
from orderapp.admin.listing import Listing
from orderapp.admin.mismatches import MismatchesView
from orderapp.admin.operation_items import OperationItemsView
from orderapp.admin.operations import OperationsView
from orderapp.admin.orders import OrdersView
from orderapp.admin.overview import OverviewView
from orderapp.admin.people import StaffView, TokensView
from orderapp.admin.reports import ReportsView
from orderapp.admin.saved_views import LISTS, SavedViewsView, count
from orderapp.admin.second_factor import SecondFactorView
from orderapp.admin.systems import SystemsView
from orderapp.admin.tasks import TasksView
from orderapp.admin.webhooks import WebhooksView
from orderapp.extensions import db
from orderapp.models import ApiToken, AuditEntry, Delivery, Mismatch, Operation, OperationItem, Order, Staff, Task
from orderapp.services.backoffice.alert_conditions import COUNT_VIEWS


def init_app(app: Flask) -> None:
    """Add the back office under /admin. Each application gets its own views, since a view remembers its application."""
    who.init_app(app)
    app.register_blueprint(login.office)
    app.register_blueprint(invitation)
    app.register_blueprint(appearance.looks)
    app.jinja_env.filters["local"] = zones.local
    app.jinja_env.globals.update(reader_zone=zones.zone, reader_theme=appearance.theme, themes=list(appearance.Theme))
    admin = Admin(
        app,
        name="Back office",
        theme=Theme(folder="bootstrap4", base_template="office/base.html"),
        index_view=OverviewView(name="Overview", endpoint="admin", url="/admin"),
    )
    views = (
        OrdersView(Order, db, name="Orders", endpoint="orders"),
        TasksView(Task, db, name="Tasks", endpoint="tasks"),
        OperationsView(Operation, db, name="Operations", endpoint="task_operations", url="/admin/operations"),
        OperationItemsView(
            OperationItem, db, name="Tasks of an operation", endpoint="operation_items", url="/admin/operation-items"
        ),
        MismatchesView(Mismatch, db, name="Mismatches", endpoint="mismatches"),
        SystemsView(name="Systems", endpoint="systems", url="/admin/systems"),
        WebhooksView(Delivery, db, name="Webhooks", endpoint="webhooks"),
        AttemptsView(name="Two attempts", endpoint="attempts", url="/admin/attempts"),
        ReportsView(name="Weekly report", endpoint="reports", url="/admin/reports"),
        AlertsView(name="Alerts", endpoint="alerts", url="/admin/alerts"),
        AuditView(AuditEntry, db, name="Audit", endpoint="audit"),
        StaffView(Staff, db, name="Staff", endpoint="staff"),
        AccountView(name="Your account", endpoint="account", url="/admin/account"),
        SecondFactorView(name="Second factor", endpoint="second_factor", url="/admin/second-factor"),
        TokensView(ApiToken, db, name="API clients", endpoint="tokens"),
        SavedViewsView(name="Saved views", endpoint="views", url="/admin/views"),
    )
    admin.add_views(*views)
    app.extensions[COUNT_VIEWS] = count
    app.extensions[LISTS] = {one.endpoint: one for one in views if isinstance(one, Listing) and one.column_filters}
