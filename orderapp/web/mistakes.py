"""What the checks of typed values say, in the page's language. The checks say it in English, which the API answers."""

from __future__ import annotations

from orderapp.web.language import declared
from orderapp.web.language import lazy_gettext as _

# All that customers can mend in the order form and that names nothing of theirs. What isn't here stays in English.
MISTAKES = (
    _("Enter your name."),
    _("Enter your e-mail address, like name@example.com."),
    _("This came twice; please type it again."),
    _("Choose at least one product."),
    _("Enter a whole number from 0 to 1000."),
    _("Order at most 1000 of one product."),
    _("At most 100 different products can be ordered at once."),
    _("This product isn't sold here."),
    _("An order of this size can't be placed here; please talk to us."),
    _("This can't be used: please check how it is written."),
    _("Only letters, digits and . _ : - are used here."),
    _("This isn't the code that we sent, or it is too old."),
    _("We have this address already."),
    _("Mail to this address is refused; check how it is written."),
    _("Use 1 to 200 characters."),
    _("Use 1 to 254 characters."),
    _("Use at most 30 characters."),
    _("Use at most 64 characters."),
    _("Use letters or digits that can be seen."),
    _("Leave web addresses out of the name."),
    _("The @ is missing; write it like name@example.com."),
    _("There is more than one @; write it like name@example.com."),
    _("What stands before the @ is missing; write it like name@example.com."),
    _("What stands after the @ isn't complete; write it like name@example.com."),
    _("Mail can't be sent to this; write it like name@example.com."),
    _("We can't send to addresses with letters such as ä before the @; use another one."),
    _("There are more than 64 characters before the @; no mailbox has so many."),
    _("Write the number with its country code, such as +49 30 901820."),
    _("No country has this code; write the number such as +49 30 901820."),
    _("Write the number in digits, such as +49 30 901820."),
    _("This number has too few digits."),
    _("This number has too many digits."),
    _("This number has too few or too many digits."),
    _("This number can't be dialled; check its digits."),
    _("The area code is missing."),
    _("Leave out the extension."),
    _("We don't call numbers of this kind (premium, shared cost, service or satellite); use an ordinary one."),
    _(
        "This form came with the key by which another order is tried again. Nothing was ordered; check your order and "
        "place it as a new one."
    ),
)


def as_read(message: str) -> str:
    """Return a check's message in the page's language; systems bring their own with what they declare."""
    return declared(message)
