"""The blueprint `shop` and what its templates can use."""

from __future__ import annotations

from flask import Blueprint

from orderapp.currencies import minor_digits
from orderapp.web import formats, language

shop = Blueprint("shop", __name__)
shop.add_app_template_filter(formats.amount_text, "money")
shop.add_app_template_filter(minor_digits, "minor_digits")
shop.add_app_template_filter(formats.moment, "moment")
shop.add_app_template_filter(formats.day, "day")
shop.add_app_template_filter(formats.system_title, "system_title")
shop.add_app_template_filter(language.declared, "declared")
