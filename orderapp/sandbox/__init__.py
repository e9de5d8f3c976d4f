"""The sandbox: stand-ins for every external system, exactly by the contract, with faults to switch on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from orderapp import languages
from orderapp.config import FILES
from orderapp.sandbox.answers import Problem, error_body, json_answer
from orderapp.sandbox.control import control_blueprint
from orderapp.sandbox.coupon import CouponStandIn
from orderapp.sandbox.demo import seed
from orderapp.sandbox.faults import FaultBoard
from orderapp.sandbox.inventory import InventoryRules
from orderapp.sandbox.keyed import KeyedStandIn, Rules
from orderapp.sandbox.late_effects import LateEffects
from orderapp.sandbox.mail import mail_stand_in
from orderapp.sandbox.membership import MembershipRules
from orderapp.sandbox.misbehaving import LARGEST_BODY, Misbehaving
from orderapp.sandbox.pages import add_security_headers, pages_blueprint
from orderapp.sandbox.plugged_in import plugged_in
from orderapp.sandbox.settings import KeyedDeclaration, SandboxSettings, keyed_systems
from orderapp.sandbox.settlement import SettlementRules
from orderapp.sandbox.sms import NAME as SMS
from orderapp.sandbox.sms import SmsStandIn
from orderapp.sandbox.stand_in import StandIn
from orderapp.sandbox.state import State
from orderapp.sandbox.store import Store
from orderapp.systems.base import System

__all__ = ["KeyedDeclaration", "SandboxSettings", "create_sandbox", "state_of", "stood_in_for"]

RULES = {rules.system: rules for rules in (InventoryRules, MembershipRules, SettlementRules)}
# No other name is allowed, so that a foreign page can't reach the sandbox through its own host name.
OWN_HOSTS = ["127.0.0.1", "localhost"]


def create_sandbox(settings: SandboxSettings) -> Flask:
    """Return the sandbox's web application: every HTTP system under its name, the pages at `/`."""
    store = Store(settings.data)
    if settings.demo_data:
        seed(store)
    stand_ins = {stand_in.name: stand_in for stand_in in _stand_ins(settings, store)}
    board = FaultBoard({name: stand_in.faults for name, stand_in in stand_ins.items()}, settings.seed)
    state = State(store, stand_ins, board, LateEffects())

    app = Flask("orderapp.sandbox", root_path=str(FILES), template_folder="templates", static_folder="static")
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY, TRUSTED_HOSTS=OWN_HOSTS)
    app.extensions["sandbox"] = state
    for stand_in in stand_ins.values():
        if stand_in.blueprint is not None:
            app.register_blueprint(stand_in.blueprint)
    app.register_blueprint(control_blueprint(state))
    app.register_blueprint(pages_blueprint(state))
    app.after_request(add_security_headers)
    _answer_errors(app, state)
    languages.teach(app.jinja_env, lambda: languages.ENGLISH)
    app.wsgi_app = Misbehaving(app.wsgi_app, stand_ins, board, state.late)  # type: ignore[method-assign]
    return app


def state_of(app: Flask) -> State:
    """Return the state behind an application made by `create_sandbox`."""
    state: State = app.extensions["sandbox"]
    return state


def stood_in_for(kinds: Sequence[type[System]]) -> set[str]:
    """Return the names of those HTTP systems that the sandbox stands in for."""
    brought = {kind.name for kind in kinds if kind.sandbox is not None}
    return {declared.name for declared in keyed_systems(kinds)} | set(OTHERS) | brought


def _coupon(settings: SandboxSettings, store: Store) -> StandIn:
    token = settings.tokens.get(CouponStandIn.system, "")
    return CouponStandIn(store).stand_in(token, settings.coupon_late_seconds)


def _sms(settings: SandboxSettings, store: Store) -> StandIn:
    return SmsStandIn(store, settings.sms_account_sid, settings.sms_auth_token).stand_in()


# The systems with their own protocol, and how to make each one's stand-in.
OTHERS: dict[str, Callable[[SandboxSettings, Store], StandIn]] = {CouponStandIn.system: _coupon, SMS: _sms}


def _stand_ins(settings: SandboxSettings, store: Store) -> list[StandIn]:
    tokens = defaultdict(str, settings.tokens)
    keyed = [
        KeyedStandIn(declared, RULES.get(declared.name, Rules)(), store).stand_in(tokens[declared.name])
        for declared in keyed_systems(settings.kinds)
    ]
    brought = [
        plugged_in(kind, kind.sandbox, store, tokens[kind.name]) for kind in settings.kinds if kind.sandbox is not None
    ]
    return [*keyed, *brought, *(make(settings, store) for make in OTHERS.values()), mail_stand_in()]


def _answer_errors(app: Flask, state: State) -> None:
    @app.errorhandler(Problem)
    def problem(error: Problem) -> Response:
        stand_in = state.stand_ins.get(request.path.lstrip("/").partition("/")[0])
        return json_answer(error.status, (stand_in.error_body if stand_in else error_body)(error))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        return problem(Problem.of(error))
