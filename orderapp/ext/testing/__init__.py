"""Tests of a plugin in its own repository: `ORDERAPP_PLUGINS=myshop.giftcard pytest --pyargs orderapp.ext.testing`.

They run orders with the plugin's systems against their stand-ins, with every fault, and with processes that die.
`running_shop` is for further tests of your own. Needs pytest.
"""

from __future__ import annotations

from orderapp.errors import InvalidRequest
from orderapp.ext.testing.running import running_shop
from orderapp.ext.testing.shop import FAULTS, JobResult, Killed, TestedShop
from orderapp.services.orders.views import OrderView, StepView, TaskView
from orderapp.services.placing.place import Placed, Result
from orderapp.services.saga.values import Stopped

# The comments are the headings of docs/ext.md, as those of `orderapp.ext`.
# fmt: off
__all__ = [
    # Test a plugin
    "running_shop", "TestedShop", "FAULTS", "Placed", "Result", "Stopped", "OrderView", "StepView", "TaskView",
    "JobResult", "InvalidRequest", "Killed",
]
# fmt: on
