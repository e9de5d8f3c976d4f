"""The public interface for plugins: everything that a plugin may import, and nothing that it mustn't rely on.

A plugin is a module with a `System` or a `job`. An installed package names it with the entry point `orderapp.plugins`,
and `ORDERAPP_PLUGINS=myshop.giftcard,...` names it without a package. It makes no migration and edits no file of ours.
What stands here follows semantic versioning; everything else in orderapp may change at any time.
"""

from __future__ import annotations

from orderapp.currencies import amount_text
from orderapp.domain.customers import customer_ref
from orderapp.domain.inputs import ABOUT_YOU, DISCOUNTS, PAYMENT, Code, Inputs
from orderapp.domain.mails import Mail
from orderapp.domain.masking import mask
from orderapp.domain.money import MAX_MINOR, Money
from orderapp.domain.orders import Customer, Discount, Effect, Line, LineRequest, OrderDocument, OrderRequest
from orderapp.domain.outcome import Answer, Exchange, Finding, Outcome, Quote, Report, Shortage
from orderapp.domain.references import page_reference
from orderapp.domain.retry import Backoff, Guarantee
from orderapp.domain.schedules import Daily, Every
from orderapp.domain.states import News
from orderapp.domain.typed_text import without_links
from orderapp.errors import ConfigurationError, LeaseLost
from orderapp.languages import Language, language
from orderapp.systems.answers import Received, error_code, unreadable, whole
from orderapp.systems.base import Errand, OnRefusal, Part, Progress, Repeats, System, backoff_from
from orderapp.systems.bounded import call_within, connect, tls_context
from orderapp.systems.callbacks import Callback
from orderapp.systems.http import Content, HttpClient
from orderapp.systems.jobs import enqueue, job
from orderapp.systems.keyed import HTTP_SCHEMES, HttpSystem, KeyedSystem
from orderapp.systems.letters import Letter, Letters
from orderapp.systems.lockouts import CREDENTIALS, SMTP_CODES, lock_out, why_unreachable
from orderapp.systems.offers import as_answered, read_offer, same_code
from orderapp.systems.runs import GivenUp, NeedsAttention, PlacedOrder, Run, Snooze, TryAgain
from orderapp.systems.sandboxes import Kept, Rows, Sandbox
from orderapp.systems.settings import Environment

# The comments are the headings of docs/ext.md, which `make reference` makes from the docstrings.
# fmt: off
__all__ = [
    # Declare a system
    "System", "HttpSystem", "KeyedSystem", "Part", "Guarantee", "Repeats", "Backoff", "OnRefusal", "Progress",
    "Errand",
    # Ask customers for something
    "Code", "Inputs", "ABOUT_YOU", "DISCOUNTS", "PAYMENT",
    # Read the order
    "Effect", "OrderDocument", "OrderRequest", "Customer", "Line", "LineRequest", "Discount", "Money", "MAX_MINOR",
    "amount_text", "customer_ref", "page_reference",
    # Write to customers
    "News", "Letters", "Letter", "Language", "language",
    # Write to those who run the shop
    "Mail",
    # Say what happened
    "Outcome", "Answer", "Finding", "Report", "Quote", "Shortage", "Exchange",
    # Call over HTTP
    "HttpClient", "Content", "Received", "HTTP_SCHEMES", "unreadable", "error_code", "whole", "same_code",
    "as_answered", "read_offer",
    # Call in another way
    "connect", "call_within", "tls_context", "mask", "without_links", "lock_out", "why_unreachable", "CREDENTIALS",
    "SMTP_CODES",
    # Hear the partner
    "Callback",
    # Work without an order
    "job", "enqueue", "Run", "Snooze", "TryAgain", "NeedsAttention", "Daily", "Every", "PlacedOrder", "LeaseLost",
    "GivenUp",
    # Read settings
    "Environment", "backoff_from", "ConfigurationError",
    # Stand in for the system
    "Sandbox", "Kept", "Rows",
]
# fmt: on
