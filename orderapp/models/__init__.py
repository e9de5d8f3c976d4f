"""The tables. Their constraints protect the data; the services implement the meaning."""

from orderapp.models.access import ApiToken, RateCounter, Refusal, Role, Staff, StaffSession
from orderapp.models.archives import Archive, ArchivedKey, ArchivedOrder
from orderapp.models.base import Base, db_now, holds, seconds_until, table_of
from orderapp.models.books import Drift, Override, Reconciliation, Word
from orderapp.models.catalogue import Product
from orderapp.models.health import Circuit, CircuitState, Pace, SkippedItem
from orderapp.models.orders import Order, OrderDiscount, OrderLine
from orderapp.models.records import AuditEntry, SwitchMode, SystemSwitch
from orderapp.models.submissions import CartLock, Submission
from orderapp.models.work import Attempt, Placement, Step, Task

__all__ = [
    "ApiToken",
    "Archive",
    "ArchivedKey",
    "ArchivedOrder",
    "Attempt",
    "AuditEntry",
    "Base",
    "CartLock",
    "Circuit",
    "CircuitState",
    "Drift",
    "Order",
    "OrderDiscount",
    "OrderLine",
    "Override",
    "Pace",
    "Placement",
    "Product",
    "RateCounter",
    "Refusal",
    "Reconciliation",
    "Role",
    "SkippedItem",
    "Staff",
    "StaffSession",
    "Step",
    "Submission",
    "SwitchMode",
    "SystemSwitch",
    "Task",
    "Word",
    "db_now",
    "holds",
    "seconds_until",
    "table_of",
]
