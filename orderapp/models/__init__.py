"""The tables. Their constraints protect the data; the services implement the meaning."""

from orderapp.models.access import (
    ApiToken,
    CustomerSession,
    RateCounter,
    Refusal,
    Role,
    SignInLink,
    Staff,
    StaffSession,
)
from orderapp.models.alerts import AlertKind, AlertRule, WeeklyReport
from orderapp.models.archives import Archive, ArchivedKey, ArchivedOrder
from orderapp.models.base import Base, db_now, holds, seconds_until, table_of
from orderapp.models.callbacks import HeardCallback
from orderapp.models.catalogue import BasketLine, Product
from orderapp.models.events import Delivery, Event, WebhookSubscription
from orderapp.models.health import Circuit, CircuitState, RateSlot, SkippedItem
from orderapp.models.operations import Operation, OperationItem
from orderapp.models.orders import Order, OrderDiscount, OrderLine
from orderapp.models.reconciliation import Check, ManualResolution, Mismatch, Reconciliation, Resolution
from orderapp.models.records import AuditEntry, SwitchMode, SystemSwitch
from orderapp.models.samples import HoldupSample, OrderSample
from orderapp.models.second_factors import FactorDemand, RecoveryCode
from orderapp.models.submissions import CartLock, Submission
from orderapp.models.views import SavedView
from orderapp.models.work import Attempt, Placement, Step, Task

__all__ = [
    "AlertKind",
    "AlertRule",
    "ApiToken",
    "Archive",
    "ArchivedKey",
    "ArchivedOrder",
    "Attempt",
    "AuditEntry",
    "Base",
    "BasketLine",
    "CartLock",
    "Check",
    "Circuit",
    "CircuitState",
    "CustomerSession",
    "Delivery",
    "Event",
    "FactorDemand",
    "HeardCallback",
    "HoldupSample",
    "Mismatch",
    "Operation",
    "OperationItem",
    "Order",
    "OrderDiscount",
    "OrderLine",
    "OrderSample",
    "ManualResolution",
    "RateSlot",
    "Placement",
    "Product",
    "RateCounter",
    "RecoveryCode",
    "Refusal",
    "Reconciliation",
    "Role",
    "SavedView",
    "SignInLink",
    "SkippedItem",
    "Staff",
    "StaffSession",
    "Step",
    "Submission",
    "SwitchMode",
    "SystemSwitch",
    "Task",
    "Resolution",
    "WebhookSubscription",
    "WeeklyReport",
    "db_now",
    "holds",
    "seconds_until",
    "table_of",
]
