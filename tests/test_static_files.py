"""Static files are kept by browsers for a year, under names that change with their content."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient

from orderapp.application import Application
from orderapp.config import ROOT


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    (tmp_path / "shop.css").write_text("body { color: red }\n" * 50)
    (tmp_path / "tiny.js").write_text("1")
    return Application("tests", static_folder=str(tmp_path), static_url_path="/static", root_path=str(tmp_path))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def address(app: Flask, filename: str) -> str:
    with app.test_request_context():
        return url_for("static", filename=filename)


def test_a_file_is_kept_for_a_year_and_comes_compressed(app: Flask, client: FlaskClient) -> None:
    path = address(app, "shop.css")
    assert re.fullmatch(r"/static/shop\.[0-9a-f]{12}\.css", path)
    answer = client.get(path, headers={"Accept-Encoding": "br, gzip"})
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert (answer.content_type, answer.content_encoding) == ("text/css; charset=utf-8", "gzip")
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert len(answer.data) < 100
    assert gzip.decompress(answer.data) == client.get(path).data


@pytest.mark.parametrize("wanted", ["", "gzip;q=0", "br"])
def test_who_can_t_unpack_it_gets_it_as_it_is(app: Flask, client: FlaskClient, wanted: str) -> None:
    answer = client.get(address(app, "shop.css"), headers={"Accept-Encoding": wanted})
    assert answer.content_encoding is None
    assert answer.data.startswith(b"body")


def test_another_content_has_another_name_and_the_old_name_still_works_but_isn_t_kept(
    app: Flask, client: FlaskClient, tmp_path: Path
) -> None:
    old = address(app, "shop.css")
    (tmp_path / "shop.css").write_text("body { color: blue }")
    assert address(app, "shop.css") != old
    answer = client.get(old)
    assert answer.text == "body { color: blue }"
    assert answer.headers["Cache-Control"] == "no-cache"


def test_what_gets_no_shorter_is_not_compressed(app: Flask, client: FlaskClient) -> None:
    assert client.get(address(app, "tiny.js"), headers={"Accept-Encoding": "gzip"}).content_encoding is None


@pytest.mark.parametrize(
    "path",
    ["/static/gone.0123456789ab.css", "/static/../secret.0123456789ab.txt", "/static/..%2fsecret.0123456789ab.txt"],
)
def test_nothing_else_is_given_out(client: FlaskClient, tmp_path: Path, path: str) -> None:
    (tmp_path.parent / "secret.txt").write_text("secret")
    assert client.get(path).status_code == 404


def test_a_name_without_a_hash_works_as_ever(client: FlaskClient) -> None:
    assert client.get("/static/tiny.js", buffered=True).text == "1"


def test_every_page_takes_its_files_by_their_hash() -> None:
    for page in (ROOT / "templates").rglob("*.html"):
        assert "/static/" not in page.read_text(), page
