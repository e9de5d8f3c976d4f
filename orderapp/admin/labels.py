"""What states, modes and acts are called in the back office."""

from __future__ import annotations

from orderapp.domain.retry import Guarantee
from orderapp.domain.states import ItemState, OperationState, TaskState
from orderapp.models import CircuitState, SwitchMode

# Staff give tasks up; the table calls that cancelled.
TASK_STATES = {state: state.value.capitalize() for state in TaskState} | {TaskState.CANCELLED: "Given up"}
# With the badge of each.
OPERATION_STATES = {
    OperationState.RUNNING: ("running", "Running"),
    OperationState.PAUSED: ("warn", "Paused"),
    OperationState.ENDED: ("ok", "Ended"),
    OperationState.DRAFT: ("planned", "Not started"),
}
ITEM_STATES = {
    ItemState.FAILED: ("bad", "Failed again"),
    ItemState.REFUSED: ("bad", "Not possible any more"),
    ItemState.OPEN: ("warn", "Still under way"),
    ItemState.DONE: ("ok", "Done"),
    ItemState.GIVEN_UP: ("cancelled", "Given up"),
    ItemState.STOPPED: ("neutral", "Not begun"),
    ItemState.ACTED: ("running", "Being worked on"),
    ItemState.PLANNED: ("planned", "Still to come"),
    ItemState.LEFT_OUT: ("neutral", "Left out"),
}
MODES = {
    SwitchMode.ON: "In use",
    SwitchMode.COMPENSATE_ONLY: "Only compensates",
    SwitchMode.PAUSED: "Paused",
}
CIRCUITS = {
    CircuitState.OPEN: "Fails: given a rest",
    CircuitState.HALF_OPEN: "Answers again: being tried",
}
GUARANTEES = {
    Guarantee.IDEMPOTENT: "Repeats are harmless",
    Guarantee.QUERY_FIRST: "Asked before repeats",
    Guarantee.UNSAFE: "Repeats do it twice",
}
ACTS = {
    "alert.add": "Added a rule of alerts",
    "alert.change": "Changed a rule of alerts",
    "alert.remove": "Removed a rule of alerts",
    "customer.erase": "Erased a customer",
    "delivery.resend": "Sent an event again",
    "delivery.skip": "Gave a delivery up",
    "list.export": "Exported a list",
    "mismatch.correct": "Ordered a correction",
    "mismatches.correct": "Ordered the correction of a selection",
    "operation.pause": "Paused an operation",
    "operation.resume": "Resumed an operation",
    "operation.start": "Started an operation",
    "operation.stop": "Stopped an operation",
    "order.cancel": "Cancelled an order",
    "order.correct_email": "Corrected the e-mail address of an order",
    "order.check": "Had systems asked about an order",
    "orders.archive": "Archived orders",
    "orders.reconcile": "Compared orders with the systems",
    "products.import": "Imported products",
    "staff.accept": "Accepted an invitation",
    "staff.create": "Created an account",
    "staff.disable": "Disabled an account",
    "staff.enable": "Enabled an account",
    "staff.factor_begin": "Began to set up a second factor",
    "staff.factor_codes": "Made new recovery codes",
    "staff.factor_demand": "Demanded a second factor",
    "staff.factor_off": "Turned the second factor off",
    "staff.factor_reset": "Reset a second factor",
    "staff.factor_set": "Set up a second factor",
    "staff.invite": "Invited somebody again",
    "staff.login": "Logged in",
    "staff.logout": "Logged out",
    "staff.password": "Replaced a password",
    "staff.refuse": "Was refused at the login",
    "order.reveal": "Had a customer's data shown",
    "staff.role": "Changed a role",
    "staff.sessions": "Ended logins",
    "system.ask": "Asked a system whether it answers",
    "system.switch": "Switched a system",
    "system.try": "Tried one task of a system",
    "job.run": "Ran a job",
    "task.cancel": "Gave a task up",
    "task.mark": "Marked a task",
    "task.happened": "Marked a task as happened",
    "task.not_happened": "Marked a task as not happened",
    "task.requeue": "Requeued a task",
    "tasks.cancel": "Gave a selection up",
    "tasks.happened": "Marked a selection as happened",
    "tasks.not_happened": "Marked a selection as not happened",
    "tasks.requeue": "Requeued a selection",
    "token.create": "Made an API token",
    "token.revoke": "Revoked an API token",
    "view.delete": "Deleted a view",
    "view.save": "Saved a view",
    "webhook.add": "Added a webhook",
    "webhook.pause": "Paused a webhook",
    "webhook.remove": "Removed a webhook",
    "webhook.resume": "Resumed a webhook",
    "webhook.rotate": "Replaced a webhook's secret",
}
# The verbs of acts as they stand after "Tried to".
TRIED = {
    "Added": "add",
    "Archived": "archive",
    "Asked": "ask",
    "Cancelled": "cancel",
    "Changed": "change",
    "Compared": "compare",
    "Corrected": "correct",
    "Created": "create",
    "Deleted": "delete",
    "Disabled": "disable",
    "Enabled": "enable",
    "Erased": "erase",
    "Exported": "export",
    "Ended": "end",
    "Gave": "give",
    "Had": "have",
    "Imported": "import",
    "Made": "make",
    "Marked": "mark",
    "Ordered": "order",
    "Paused": "pause",
    "Ran": "run",
    "Removed": "remove",
    "Replaced": "replace",
    "Requeued": "requeue",
    "Resumed": "resume",
    "Revoked": "revoke",
    "Saved": "save",
    "Sent": "send",
    "Started": "start",
    "Stopped": "stop",
    "Switched": "switch",
    "Tried": "try",
}


def act_in_words(name: str, *, refused: bool = False) -> str:
    """Return what was done, or tried and refused, as people say it."""
    text = ACTS.get(name, name.replace(".", " ").replace("_", " ").capitalize())
    first, _, rest = text.partition(" ")
    return f"Tried to {TRIED[first]} {rest}" if refused and first in TRIED else text


def duration(seconds: float, units: int = 2) -> str:
    """Return a length of time in its largest units, two or one: "45 s", "3 min 20 s", "2 h 5 min", "4 d 1 h"."""
    whole = max(0, round(seconds))
    parts = (("d", whole // 86_400), ("h", whole // 3600 % 24), ("min", whole // 60 % 60), ("s", whole % 60))
    first = next((index for index, (_, number) in enumerate(parts) if number), len(parts) - 1)
    return " ".join(f"{number} {unit}" for unit, number in parts[first : first + units] if number) or "0 s"
