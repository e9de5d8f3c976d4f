from dataclasses import replace

import pytest

from orderapp import create_app
from orderapp.web.order_reference import number_in, reference_of, retry_key


@pytest.fixture(autouse=True)
def application(tmp_path):
    app = create_app({"DATABASE_URL": f"sqlite:///{tmp_path}/o.db", "SECRET_KEY": "0f" * 32})
    with app.app_context():
        yield app


def test_a_reference_leads_back_to_its_order_number():
    assert number_in(reference_of("7K3M9-QXZ2F")) == "7K3M9-QXZ2F"


def test_the_token_has_at_least_128_bits():
    token = reference_of("7K3M9-QXZ2F").rpartition(".")[2]
    assert len(token) * 6 >= 128


@pytest.mark.parametrize(
    "reference",
    ["", ".", "7K3M9-QXZ2F", "7K3M9-QXZ2F.", "x.y.z", "7K3M9-QXZ2F.\N{SNOWMAN}", "\udc80.\udc80", "\x00.\x00"],
)
def test_what_is_no_reference_leads_nowhere(reference):
    assert number_in(reference) is None


def test_a_token_that_is_changed_cut_or_of_another_order_leads_nowhere():
    reference, other = reference_of("7K3M9-QXZ2F"), reference_of("7K3M9-QXZ2G")
    assert number_in(reference[:-1]) is None
    assert number_in(reference + "A") is None
    assert number_in("7K3M9-QXZ2F." + other.rpartition(".")[2]) is None


def test_another_installation_makes_other_references(application):
    reference = reference_of("7K3M9-QXZ2F")
    settings = application.extensions["orderapp.settings"]
    application.extensions["orderapp.settings"] = replace(settings, secret_key="1e" * 32)
    assert number_in(reference) is None


def test_a_retry_key_stands_for_one_placement_and_says_nothing_about_the_page():
    keys = {retry_key("7K3M9-QXZ2F", 1), retry_key("7K3M9-QXZ2F", 2), retry_key("7K3M9-QXZ2G", 1)}
    assert len(keys) == 3
    assert retry_key("7K3M9-QXZ2F", 1) in keys
    assert max(map(len, keys)) <= 64
    assert not any(reference_of("7K3M9-QXZ2F").rpartition(".")[2] in key for key in keys)
