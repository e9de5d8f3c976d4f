"""The queues' names and the message, which contains only ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dramatiq

ACTOR = "run"
# A queue's arguments can't be changed once it exists, so other arguments need another version.
QUEUE_VERSION = "v1"


def queue_name(system: str) -> str:
    """Return the name of a system's queue. Each system has its own, so that a slow one doesn't hold up others."""
    return f"orderapp.{system}.{QUEUE_VERSION}"


def hint_message(task_ids: Sequence[int], system: str) -> dramatiq.Message[Any]:
    """Return the message that tasks of a system are due. It has only ids, because dramatiq logs arguments."""
    return dramatiq.Message(queue_name(system), ACTOR, (list(task_ids), system), {}, {})
