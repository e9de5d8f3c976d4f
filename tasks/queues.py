"""The message that tasks are due, which contains only ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dramatiq

from orderapp.services.engine.outbox import queue_name

ACTOR = "run"


def hint_message(task_ids: Sequence[int], system: str) -> dramatiq.Message[Any]:
    """Return the message that tasks of a system are due. It has only ids, because dramatiq logs arguments."""
    return dramatiq.Message(queue_name(system), ACTOR, (list(task_ids), system), {}, {})
