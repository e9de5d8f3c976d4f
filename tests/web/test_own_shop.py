"""A shop of one's own by settings: its name, contact, texts, logo and colours on pages, mails, texts and the API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from orderapp import appearance, seller, shop_texts
from orderapp.config import FILES
from orderapp.domain.money import Money
from orderapp.domain.orders import Customer, Effect, Line, OrderDocument
from orderapp.errors import ConfigurationError
from orderapp.systems.letters import Letters
from orderapp.systems.settings import Environment
from tests.servers.applications import running_application
from tests.web.conftest import VARIABLES

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 80 20"><rect width="80" height="20" fill="#7a1fa2"/></svg>'
CONTACT = {
    "SHOP_NAME": "Teehaus Süd",
    "SHOP_EMAIL": "hallo@teehaus.example",
    "SHOP_PHONE": "+49 30 901820",
    "SHOP_ADDRESS": "Gartenstraße 1; 10115 Berlin",
    "SHOP_TAX_ID": "DE123456789",
}


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """The settings of a shop that has changed all that can be changed."""
    (tmp_path / "logo.svg").write_text(LOGO)
    (tmp_path / "terms.txt").write_text("# Scope\n\nThese terms are <b>short</b>.\n")
    (tmp_path / "terms.de.txt").write_text("Diese AGB sind kurz.\n")
    (tmp_path / "next.txt").write_text("Your parcel leaves within two days.")
    texts = {"SHOP_TERMS": str(tmp_path / "terms.txt"), "SHOP_NEXT_STEPS": str(tmp_path / "next.txt")}
    links = {"SHOP_IMPRINT": "https://teehaus.example/imprint"}
    return {**CONTACT, **texts, **links, "SHOP_LOGO": str(tmp_path / "logo.svg"), "SHOP_COLOUR": "#7a1fa2"}


@pytest.fixture
def client(own: Mapping[str, str]) -> Iterator[FlaskClient]:
    with running_application(VARIABLES, own) as app:
        yield app.test_client()


def test_every_page_and_the_api_name_the_shop_and_how_to_reach_it(client: FlaskClient) -> None:
    for path in ("/", "/no-such-page", "/admin/login"):
        assert "– Teehaus Süd</title>" in client.get(path).text
        assert "Orderapp" not in client.get(path).text
    page = client.get("/").text
    assert "Gartenstraße 1, 10115 Berlin" in page
    assert 'href="mailto:hallo@teehaus.example"' in page
    assert 'href="tel:+4930901820"' in page
    about = client.get("/api/v1/openapi.json").json["info"]
    assert about["title"].startswith("Teehaus Süd")
    assert about["contact"] == {"name": "Teehaus Süd", "email": "hallo@teehaus.example"}


def test_legal_texts_are_pages_in_the_readers_language_or_links(client: FlaskClient) -> None:
    for path in ("/", "/no-such-page"):
        page = client.get(path).text
        assert 'href="https://teehaus.example/imprint"' in page
        assert 'href="/legal/terms"' in page
    assert "privacy" not in page.lower()
    terms = client.get("/legal/terms").text
    assert "<h2>Scope</h2>" in terms
    assert "&lt;b&gt;short&lt;/b&gt;" in terms
    assert "Diese AGB sind kurz." in client.get("/legal/terms", headers={"Accept-Language": "de"}).text
    assert {client.get(f"/legal/{name}").status_code for name in ("imprint", "privacy", "x")} == {404}


def test_logo_and_colours_are_kept_for_a_year_until_they_change(client: FlaskClient) -> None:
    page = client.get("/").text
    for address in re.findall(r'(?:src|href)="(/appearance/[^"]+)"', page):
        answer = client.get(address)
        assert "immutable" in answer.headers["Cache-Control"]
        outdated = client.get(re.sub(r"\.[0-9a-f]{12}\.", ".000000000000.", address))
        assert (outdated.data, outdated.headers["Cache-Control"]) == (answer.data, "no-cache")
    assert len(re.findall("/appearance/(?:logo|colours)", page)) == 2
    assert client.get("/appearance/settings.css").status_code == 404


def test_mails_and_text_messages_come_from_the_shop(own: Mapping[str, str]) -> None:
    tea = Line("tea", "Green tea", 2, Money(450, "EUR"))
    order = OrderDocument("A-1", Customer("Ada", "ada@example.org"), (tea,), tea.total, tea.total)
    letter = Letters.from_environment(Environment(own, production=True)).letter(Effect("A-1:1:email", order))
    assert letter.short.startswith("Teehaus Süd: Your order A-1 is confirmed")
    assert "Your parcel leaves within two days." in letter.text
    signature = "Teehaus Süd\nGartenstraße 1\n10115 Berlin\nhallo@teehaus.example · +49 30 901820"
    assert letter.text.endswith(signature)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SHOP_NAME", "x" * 41),
        ("SHOP_NAME", "two\nlines"),
        ("SHOP_EMAIL", "nobody"),
        ("SHOP_PHONE", "call us"),
        ("SHOP_ADDRESS", ";".join("1234567")),
        ("SHOP_TERMS", "/no/such/file.txt"),
        ("SHOP_TERMS", "http://shop.example/terms"),
        ("SHOP_NEXT_STEPS", "https://shop.example/next"),
        ("SHOP_LOGO", "/etc/hostname"),
        ("SHOP_LOGO", "/no/such/logo.svg"),
        ("SHOP_COLOUR", "red"),
        ("SHOP_COLOUR", "#ffcc00"),
        ("SHOP_COLOUR_DARK", "#63cbae"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line_that_names_it(variable: str, value: str) -> None:
    env = Environment({variable: value}, production=True)

    def read() -> None:
        for part in (seller.Seller, appearance.Appearance, shop_texts.ShopTexts):
            part.from_environment(env)

    with pytest.raises(ConfigurationError, match=rf"\A{variable}: [^\n]*\Z"):
        read()


def test_a_refused_colour_comes_with_one_that_can_be_read() -> None:
    def colours(light: str) -> appearance.Appearance:
        return appearance.Appearance.from_environment(Environment({"SHOP_COLOUR": light}, production=True))

    with pytest.raises(ConfigurationError) as refused:
        colours("#ffcc00")
    assert colours(re.findall("#[0-9a-f]{6}", str(refused.value))[-1]).colours


def test_the_checked_grounds_are_those_of_the_stylesheet() -> None:
    sheet = (FILES / "static" / "shop.css").read_text()
    papers, surfaces = (re.findall(rf"--{name}: (#[0-9a-f]+)", sheet)[:2] for name in ("paper", "surface"))
    assert papers == [str(appearance.LIGHT_PAPER), str(appearance.DARK_PAPER)]
    assert surfaces == ["#fff", str(appearance.DARK_SURFACE)]
