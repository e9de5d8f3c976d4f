"""What goes over the wire: the queues' names and the message, ids only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dramatiq

ACTOR = "run"
# A queue's arguments can't be changed once it exists, so other arguments need another version.
QUEUE_VERSION = "v1"


def queue_name(system: str) -> str:
    """Return the name of a system's queue: one each, so that a slow system holds up no other."""
    return f"orderapp.{system}.{QUEUE_VERSION}"


def hint_message(task_ids: Sequence[int], system: str) -> dramatiq.Message[Any]:
    """Return the message that tasks of a system are due. Ids only: dramatiq writes arguments to its logs."""
    return dramatiq.Message(queue_name(system), ACTOR, (list(task_ids), system), {}, {})
