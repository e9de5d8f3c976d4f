"""Orders with a system that isn't in the product: `python -m tests.systems.ordering_with_a_new_system DATA`.

DATA is a folder for databases and for `happened.json`. The plugin `litmus` has to be importable. A process of its own,
so that it is imported as in production.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from orderapp.ext.testing import TestedShop, running_shop

NAME = "litmus"  # the page's example under another name: a fork may have the page's own system in its folder


def main(data: Path) -> dict[str, Any]:
    """Order as a member, as nobody's member, and as a member what is out of stock."""
    with running_shop(data, NAME) as shop:
        happened = {
            "member": placed(shop, member_ref="M-1001"),
            "no_member": placed(shop),
            "doctor": shop.app.test_cli_runner().invoke(args=["doctor"]).output,
        }
        shop.set("stock", "TEA-GREEN", 0)
        return {**happened, "out_of_stock": placed(shop, member_ref="M-1001")}


def placed(shop: TestedShop, **member: str) -> dict[str, Any]:
    """Place an order, do its tasks, and return what became of it and what the systems hold of it."""
    answer = shop.place(**member)
    order = shop.work_until_done(answer.order)
    return {
        "result": answer.result,
        "steps": {step.system: step.state for step in answer.order.steps},
        "tasks": sorted(f"{task.kind} {task.system} {task.state}" for task in order.tasks),
        "held": dict(shop.held(order)),
        "effects": [one["effect"] for one in shop.effects(NAME) if one["order_ref"] == order.number],
    }


if __name__ == "__main__":
    happened_here = main(Path(sys.argv[1]))
    Path(sys.argv[1], "happened.json").write_text(json.dumps(happened_here))
