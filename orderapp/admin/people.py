"""Who has access: members of staff and API clients. For admins only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from orderapp.admin import cells, who
from orderapp.admin.acting import ID, act, row_act
from orderapp.admin.guard import act_at
from orderapp.admin.listing import Listing
from orderapp.models import ApiToken, Role, Staff
from orderapp.services.access import accounts, second_factors
from orderapp.services.backoffice import invitations


class StaffView(Listing):
    """Members of staff."""

    least_role = Role.ADMIN
    list_template = "office/staff.html"
    column_list = ("email", "role", "created_at", "totp_since", "disabled_at")
    column_labels = {
        "email": "E-mail",
        "created_at": "Since",
        "totp_since": "Second factor since",
        "disabled_at": "Disabled",
    }
    column_formatters = {
        "email": cells.text,
        "role": cells.words,
        "created_at": cells.moment,
        "totp_since": cells.moment,
        "disabled_at": cells.moment,
    }
    newest_first = (Staff.id,)
    empty_title = "No members of staff"

    def further_values(self, session: Session, rows: Sequence[Any]) -> dict[str, Any]:
        """Return what the forms need."""
        return {
            "own_id": who.member().id,
            "roles": [(role.value, role.value.capitalize()) for role in Role],
            "demanded": {role.value for role in second_factors.demanded_of(session)},
        }

    @act_at("/create", Role.ADMIN, "staff.create", proved=True)
    def create(self) -> ResponseReturnValue:
        """Create an account, and invite its owner by mail to set the password."""
        email, actor = request.form.get("email", ""), who.member().actor
        try:
            role = Role(request.form.get("role", ""))
        except ValueError:
            abort(400)
        return act(
            lambda: invitations.invite(email, role, actor),
            "The account is there. Its owner gets a mail with a link, which is valid for three days.",
            url_for(".index_view"),
        )

    invite = row_act(
        "/<id>/invite",
        Role.ADMIN,
        "staff.invite",
        invitations.invite_again,
        "A new link is on its way, which is valid for three days. The one before opens nothing any more.",
        proved=True,
    )
    sign_out = row_act(
        "/<id>/sign-out",
        Role.ADMIN,
        "staff.sessions",
        accounts.sign_out_everywhere,
        "The account is logged out everywhere.",
        proved=True,
    )
    disable = row_act(
        "/<id>/disable",
        Role.ADMIN,
        "staff.disable",
        accounts.disable_staff,
        "The account is disabled and logged out everywhere.",
        proved=True,
    )
    enable = row_act(
        "/<id>/enable",
        Role.ADMIN,
        "staff.enable",
        accounts.enable_staff,
        "The account is enabled, with the role and the password it had.",
        proved=True,
    )
    reset_factor = row_act(
        "/<id>/reset-factor",
        Role.ADMIN,
        "staff.factor_reset",
        second_factors.reset,
        "The second factor is gone, and the account is logged out everywhere.",
        proved=True,
    )

    @act_at(f"/<{ID}:row_id>/role", Role.ADMIN, "staff.role", proved=True)
    def change_role(self, row_id: int) -> ResponseReturnValue:
        """Give an account another role."""
        reason, actor = request.form.get("reason", ""), who.member().actor
        try:
            role = Role(request.form.get("role", ""))
        except ValueError:
            abort(400)
        return act(
            lambda: accounts.set_role(row_id, role, actor, reason),
            "The account has its new role.",
            url_for(".index_view"),
        )

    @act_at("/demand-factor", Role.ADMIN, "staff.factor_demand", proved=True)
    def demand_factor(self) -> ResponseReturnValue:
        """Demand a second factor of the ticked roles, and of no others."""
        reason, actor = request.form.get("reason", ""), who.member().actor
        try:
            roles = {Role(name) for name in request.form.getlist("role")}
        except ValueError:
            abort(400)
        return act(
            lambda: second_factors.demand(roles, actor, reason),
            "It is demanded as you ticked. Whoever lacks it can do nothing else until it is set up.",
            url_for(".index_view"),
        )


class TokensView(Listing):
    """API clients. Their tokens are shown once, where they are made; here are only their names."""

    least_role = Role.ADMIN
    list_template = "office/tokens.html"
    column_list = ("name", "created_at", "revoked_at")
    column_labels = {"name": "Client", "created_at": "Since", "revoked_at": "Revoked"}
    column_formatters = {"name": cells.text, "created_at": cells.moment, "revoked_at": cells.moment}
    newest_first = (ApiToken.id,)
    empty_title = "No API clients"

    revoke = row_act(
        "/<id>/revoke",
        Role.ADMIN,
        "token.revoke",
        accounts.revoke_token,
        "The token is revoked: the client is refused from now on.",
        proved=True,
    )
