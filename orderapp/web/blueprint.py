"""The blueprint `shop` and what its templates can use."""

from __future__ import annotations

from flask import Blueprint

from orderapp.web import formats

shop = Blueprint("shop", __name__)
shop.add_app_template_filter(formats.money, "money")
shop.add_app_template_filter(formats.moment, "moment")
