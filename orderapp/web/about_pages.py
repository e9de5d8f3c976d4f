"""What the shop says of itself: its legal texts as pages, its logo, and its colour as a stylesheet."""

from __future__ import annotations

from flask import Flask, Response, abort, render_template, url_for

from orderapp import static_files
from orderapp.appearance import Named
from orderapp.config import current_settings
from orderapp.web.blueprint import shop
from orderapp.web.language import current
from orderapp.web.language import lazy_gettext as _

TITLES = {
    "imprint": _("Imprint"),
    "terms": _("Terms and conditions"),
    "privacy": _("Privacy"),
    "withdrawal": _("Right of withdrawal"),
}


def init_app(app: Flask) -> None:
    """Let all templates name the shop, link to its texts, and look like it."""
    app.jinja_env.globals.update(
        seller=lambda: current_settings().seller,
        appearance=lambda: current_settings().appearance,
        legal_links=legal_links,
        own_file=own_file,
        next_steps=lambda: current_settings().shop_texts.next_steps.paragraphs(current()),
    )


def legal_links() -> list[tuple[str, str]]:
    """Return address and title of each of the shop's legal texts."""
    texts = current_settings().shop_texts.legal
    return [(text.link or url_for("shop.legal", name=name), str(TITLES[name])) for name, text in texts.items()]


def own_file(file: Named) -> str:
    """Return the address of the logo or the stylesheet."""
    return url_for("shop.appearance", name=file.name)


@shop.get("/legal/<name>")
def legal(name: str) -> str:
    """Show one of the shop's legal texts."""
    text = current_settings().shop_texts.legal.get(name)
    if text is None or text.link:
        abort(404)
    return render_template("shop/legal.html", title=TITLES[name], paragraphs=text.paragraphs(current()))


@shop.get("/appearance/<name>")
def appearance(name: str) -> Response:
    """Answer with the logo or the stylesheet; a page that is older than the present one gets the present one."""
    stem, _dot, rest = name.partition(".")
    one = next((one for one in current_settings().appearance.files if one.name.startswith(f"{stem}.")), None)
    if one is None:
        abort(404)
    return static_files.respond(one.file, one.suffix, rest.removesuffix(one.suffix))
