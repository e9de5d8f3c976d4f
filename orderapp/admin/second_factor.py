"""A member's second factor: set up with a code of the device, with recovery codes that are shown once."""

from __future__ import annotations

import segno
from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from orderapp.admin import cells, who
from orderapp.admin.acting import act, sentence_of
from orderapp.admin.guard import Guarded, act_at, page_at
from orderapp.errors import InvalidRequest, TooManyAttempts, WrongState
from orderapp.models import Role
from orderapp.services.access import second_factors
from orderapp.services.access.second_factors import Offer

TOO_MANY = "Too many codes were tried. Nothing was changed; wait {minutes} minutes, then begin again."


class SecondFactorView(Guarded):
    """The second factor of whoever has logged in."""

    open_without_factor = True

    def is_visible(self) -> bool:
        """Return False: the member's own page leads here."""
        return False

    @page_at("/")
    def index(self) -> str:
        """Show how it stands."""
        if request.args:
            abort(400)
        page: str = self.render(
            "office/second_factor.html", factor=second_factors.factor_of(who.member()), time_of=cells.time_of
        )
        return page

    @act_at("/begin", Role.VIEWER, "staff.factor_begin", proved=True)
    def begin(self) -> ResponseReturnValue:
        """Show a new secret, which counts once its first code came."""
        try:
            return self._offer(second_factors.new_offer(who.member()))
        except WrongState as error:
            return self._back(error)

    @act_at("/confirm", Role.VIEWER, "staff.factor_set", proved=True)
    def confirm(self) -> ResponseReturnValue:
        """Let the secret count, if the code is right, and show the recovery codes."""
        try:
            codes = second_factors.confirm(who.member(), request.form.get("code", ""), who.token_sent())
        except InvalidRequest as error:
            return self._offer(second_factors.offer_of(who.member()), sentence_of(error))
        except TooManyAttempts as error:
            return self._back(WrongState(TOO_MANY.format(minutes=-(-error.retry_after_seconds // 60))))
        except WrongState as error:
            return self._back(error)
        return self._codes(codes)

    @act_at("/codes", Role.VIEWER, "staff.factor_codes", proved=True)
    def codes(self) -> ResponseReturnValue:
        """Replace the recovery codes, and show the new ones."""
        try:
            return self._codes(second_factors.renew_codes(who.member()))
        except WrongState as error:
            return self._back(error)

    @act_at("/off", Role.VIEWER, "staff.factor_off", proved=True)
    def off(self) -> ResponseReturnValue:
        """Take it away."""
        done = "You log in with your password alone from now on."
        return act(lambda: second_factors.turn_off(who.member()), done, url_for(".index"))

    def _offer(self, offer: Offer, problem: str = "") -> ResponseReturnValue:
        groups = " ".join(offer.secret[at : at + 4] for at in range(0, len(offer.secret), 4))
        picture = Markup(segno.make(offer.address).svg_inline(border=4, light="#fff", omitsize=True))  # noqa: S704 - drawn
        values = {"secret": groups, "address": offer.address, "picture": picture, "problem": problem}
        return self.render("office/second_factor_offer.html", **values), 400 if problem else 200

    def _codes(self, codes: tuple[str, ...]) -> ResponseReturnValue:
        return self.render("office/recovery_codes.html", codes=codes)

    def _back(self, error: WrongState) -> ResponseReturnValue:
        """Lead back to the page, which tells why nothing was done."""

        def refuse() -> None:
            raise error

        return act(refuse, "", url_for(".index"))
