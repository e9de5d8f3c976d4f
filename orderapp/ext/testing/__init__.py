"""Tests of a plugin in its own repository: `ORDERAPP_PLUGINS=myshop.giftcard pytest --pyargs orderapp.ext.testing`.

They run orders with the plugin's systems against their stand-ins, with every fault, and with processes that die.
`running_shop` is for further tests of your own. Needs pytest.
"""

from __future__ import annotations

from orderapp.ext.testing.shop import JobResult, Killed, TestedShop, running_shop

__all__ = ["JobResult", "Killed", "TestedShop", "running_shop"]
