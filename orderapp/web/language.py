"""The language of a page: the one that the visitor has switched to, or else the one that the browser wishes."""

from __future__ import annotations

from babel import negotiate_locale
from babel.support import LazyProxy
from flask import Flask, Response, current_app, has_request_context, request

from orderapp import languages
from orderapp.config import current_settings
from orderapp.languages import ENGLISH, Language

OFFICE = "/admin"  # staff's pages are in English
_CHOSEN = "orderapp.language"  # in the request's environment


def init_app(app: Flask) -> None:
    """Speak to each visitor in a language of theirs."""
    languages.teach(app.jinja_env, current)
    app.jinja_env.globals["languages"] = lambda: [Language(code) for code in languages.codes()]

    @app.after_request
    def tell_caches(response: Response) -> Response:
        if response.mimetype == "text/html":
            response.vary.update(("Accept-Language", "Cookie"))
            response.content_language.add(current().code)
        return response


def current() -> Language:
    """Return the language of the page; English outside a request and in the back office."""
    if not has_request_context():
        return ENGLISH
    found = request.environ.get(_CHOSEN)
    if found is None:
        found = request.environ[_CHOSEN] = _choose()
    return found


def gettext(text: str, **values: object) -> str:
    """Return a text in the page's language, with its values."""
    return current().gettext(text, **values)


def ngettext(one: str, many: str, number: int, **values: object) -> str:
    """Return a text in the page's language, in the form that goes with a number."""
    return current().ngettext(one, many, number, **values)


def lazy_gettext(text: str) -> str:
    """Return a text that is translated wherever it is used, for texts that are defined once."""
    return LazyProxy(gettext, text, enable_cache=False)  # type: ignore[return-value]  # it is used like a text


def declared(text: str) -> str:
    """Return what a system declares for customers in the page's language."""
    spoken = current()
    return text if spoken == ENGLISH else current_settings().systems.text(text, spoken)


def cookie_name() -> str:
    """Return the name of the language's cookie; it belongs to the session's."""
    return f"{current_app.config['SESSION_COOKIE_NAME']}-language"


def _choose() -> Language:
    if request.path.startswith(OFFICE):
        return ENGLISH
    wished = request.cookies.get(cookie_name(), "")
    if wished in languages.codes():
        return Language(wished)
    tags = {code.replace("_", "-"): code for code in languages.codes()}
    accepted = [tag for tag, quality in request.accept_languages if quality > 0]
    tag = negotiate_locale(accepted, tags, sep="-")
    return languages.language(tags[tag] if tag in tags else current_settings().language)
