"""The base of every view of the back office: each page needs a login, and each act a role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn, TypeVar

import structlog
from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import Admin, BaseView, expose

from orderapp.admin import error_pages, proof, who
from orderapp.errors import InvalidRequest
from orderapp.models import Role
from orderapp.services.access.refused_acts import record_refusal
from orderapp.services.access.sessions import Member
from orderapp.services.backoffice.bulk import plural
from orderapp.services.db.audit import Act, clean_reason

log = structlog.get_logger()

MAX_SUBJECT_CHARACTERS = 100  # as long as its column

View = TypeVar("View", bound=Callable[..., Any])


def page_at(url: str, role: Role | None = None) -> Callable[[View], View]:
    """Make a view's method a page, by GET: it changes nothing. With a role, it needs at least that role."""

    def mark(view: View) -> View:
        expose(url)(view)
        view.least_role = role  # type: ignore[attr-defined]
        return view

    return mark


def act_at(url: str, role: Role, act: str = "", *, proved: bool = False) -> Callable[[View], View]:
    """Make a view's method an act, by POST, which needs at least `role`; the audit calls it `act`.

    With `proved` it asks for the password or a code, unless that was done a moment ago.
    """

    def mark(view: View) -> View:
        expose(url, methods=("POST",))(view)
        view.least_role = role  # type: ignore[attr-defined]
        view.act = act  # type: ignore[attr-defined]
        view.proved = proved  # type: ignore[attr-defined]
        return view

    return mark


class Guarded(BaseView):  # type: ignore[misc]  # Flask-Admin has no types
    """A view whose every endpoint requires a login and a role.

    An endpoint that isn't a page and doesn't say what it needs is for admins: closed until it is opened.
    CSRF tokens are asked for by the application, before any view is reached.
    """

    least_role: ClassVar[Role] = Role.VIEWER
    #: Whether it is open to members who lack the second factor that is demanded of their role.
    open_without_factor: ClassVar[bool] = False

    def create_blueprint(self, admin: Admin) -> Blueprint:
        """Return the view's blueprint, which answers errors within the back office's frame."""
        blueprint: Blueprint = super().create_blueprint(admin)
        error_pages.register(blueprint, self.render)
        return blueprint

    def render(self, template: str, **values: Any) -> str:
        """Return a page; `me` in it is who has logged in."""
        page: str = super().render(template, me=who.member_or_none(), **values)
        return page

    def is_accessible(self) -> bool:
        """Return whether the view is shown in the menu."""
        member = who.member_or_none()
        return member is not None and member.may(self.least_role)

    def _handle_view(self, name: str, /, **kwargs: Any) -> ResponseReturnValue | None:
        """Refuse members without the needed role; Flask-Admin calls this before each endpoint."""
        member = who.member_or_none()
        if member is None:
            if request.method in ("GET", "HEAD"):
                return redirect(url_for("office.login", next=request.full_path.rstrip("?")))
            abort(401)
        if member.lacks_factor and not self.open_without_factor:
            if request.method in ("GET", "HEAD"):
                return redirect(url_for("second_factor.index"))
            self._refuse(member, name, "the second factor that is demanded is missing")
        if not member.may(self._role_for(name)):
            self._refuse(member, name, f"not open to the role {member.role.value}")
        if getattr(getattr(self, name), "proved", False):
            return proof.ask_unless_fresh(self.render, member, lambda why: self._record(member, name, why))
        return None

    def _refuse(self, member: Member, name: str, why: str) -> NoReturn:
        log.warning("staff.refused", staff=member.id, role=member.role.value, endpoint=request.endpoint)
        self._record(member, name, why)
        abort(403)

    def _record(self, member: Member, name: str, why: str) -> None:
        """Record a refused act in the audit; a page isn't one."""
        if act := getattr(getattr(self, name), "act", ""):
            record_refusal(member.actor, Act(act, _subject(act), _reason()), why)

    def _role_for(self, name: str) -> Role:
        own: Role | None = getattr(getattr(self, name), "least_role", None)
        if own is not None:
            return own
        return self.least_role if request.method in ("GET", "HEAD", "OPTIONS") else Role.ADMIN

    def _run_view(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run an endpoint once; otherwise Flask-Admin would run it again after a TypeError."""
        return fn(self, *args, **kwargs)


def _subject(act: str) -> str:
    """Return the subject of a refused act as the request names it; the text may come from anybody."""
    noun = {"token": "API token"}.get(act.partition(".")[0], act.partition(".")[0])
    named = [*(request.view_args or {}).values()] or request.form.getlist(noun)
    if len(named) == 1:
        return f"{noun} {''.join(one for one in str(named[0]) if one.isprintable())}"[:MAX_SUBJECT_CHARACTERS]
    return f"{len(named)} {plural(noun)}" if named else noun


def _reason() -> str:
    try:
        return clean_reason(request.form.get("reason", ""))
    except InvalidRequest:
        return ""
