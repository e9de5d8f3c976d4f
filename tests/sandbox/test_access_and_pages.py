"""Who may call, what the pages show, and that no other site can touch anything."""

from __future__ import annotations

import pytest
import requests

from tests.sandbox.calls import INVENTORY, KEYED, code, redeem, reserve
from tests.sandbox.running import RunningSandbox


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A sandbox that knows a token for every system."""
    tokens = {system: f"{system}-secret" for system in ("inventory", "membership", "settlement", "coupon")}
    with RunningSandbox(tmp_path_factory.mktemp("guarded"), tokens=tokens) as sandbox:
        yield sandbox


class TestTokens:
    @pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", "inventory-secret"])
    def test_a_call_without_the_right_token_is_refused(self, guarded, authorization):
        headers = {} if authorization is None else {"Authorization": authorization}
        for url in (f"{guarded.url('inventory')}/v1/stock?sku=A", f"{guarded.url('inventory')}/v1/reservations/K"):
            answer = requests.get(url, headers=headers, timeout=5)
            assert (answer.status_code, code(answer)) == (401, "unauthorized")

    def test_nothing_happens_without_it(self, guarded):
        answers = [system.post(guarded, "K", system.content("K")) for system in KEYED] + [redeem(guarded, "K")]
        assert [answer.status_code for answer in answers] == [401] * 4
        assert guarded.ledger()["effects"] == []

    def test_the_right_token_is_let_in(self, guarded):
        environ = guarded.environ()
        headers = {"Authorization": f"Bearer {environ['INVENTORY_TOKEN']}"}
        assert requests.get(f"{environ['INVENTORY_URL']}/v1/stock?sku=A", headers=headers, timeout=5).status_code == 200


class TestPages:
    def test_every_page_is_there_under_a_strict_policy(self, sandbox):
        pages = ["/", *(f"/look/{name}" for name in ("stock", "coupons", "redemptions", "members", "benefits"))]
        pages += [
            f"/look/{name}" for name in ("reservations", "consumptions", "settlements", "texts", "mails", "options")
        ]
        for page in pages:
            answer = requests.get(sandbox.base_url + page, timeout=5)
            assert answer.status_code == 200
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "style=" not in answer.text
            assert "<script>" not in answer.text

    def test_what_was_sent_is_shown_as_text(self, sandbox):
        sandbox.set("stock", "<script>alert(1)</script>", 1)
        page = requests.get(f"{sandbox.base_url}/look/stock", timeout=5).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page

    def test_a_form_switches_a_fault_and_leads_back(self, sandbox):
        form = {"fault": "slow", "rate": "0.5", "seconds": "2.5", "scope": "writes", "detail": ""}
        answer = requests.post(f"{sandbox.base_url}/faults/coupon", data=form, timeout=5, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/?changed=coupon#coupon")
        found = sandbox.faults()["coupon"]
        assert (found["fault"], found["rate"], found["seconds"], found["scope"]) == ("slow", 0.5, 2.5, "writes")
        assert "Slow" in requests.get(sandbox.base_url, timeout=5).text
        requests.post(f"{sandbox.base_url}/faults/clear", data={"clear": "yes"}, timeout=5)
        assert sandbox.faults()["coupon"]["fault"] == "none"

    def test_a_form_changes_the_stock_and_leads_back(self, sandbox, new_name):
        sku = new_name()
        form = {"key": sku, "value": "12"}
        answer = requests.post(f"{sandbox.base_url}/state/stock", data=form, timeout=5, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/look/stock?changed=yes")
        assert sandbox.value("stock", sku, "available") == 12

    @pytest.mark.parametrize("value", [-1, 1.5, "x", None, 1e300, "nan"])
    def test_a_stock_that_cannot_be_is_refused(self, sandbox, value):
        answer = requests.post(f"{sandbox.base_url}/state/stock", json={"key": "TEA-BLACK", "value": value}, timeout=5)
        assert (answer.status_code, code(answer)) == (400, "invalid_request")
        assert sandbox.value("stock", "TEA-BLACK", "available") == 1000

    def test_what_is_not_there_or_cannot_be_changed_is_told(self, sandbox):
        base = sandbox.base_url
        assert requests.get(f"{base}/look/no-such", timeout=5).status_code == 404
        assert requests.get(f"{base}/state/no-such.json", timeout=5).status_code == 404
        change = {"key": "NO-SUCH", "value": 1}
        assert requests.post(f"{base}/state/coupons", json=change, timeout=5).status_code == 404
        assert requests.post(f"{base}/state/texts", json=change, timeout=5).status_code == 405

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ],
    )
    @pytest.mark.parametrize("path", ["/faults/coupon", "/faults/clear", "/state/stock"])
    def test_another_site_can_change_nothing(self, sandbox, headers, path):
        sandbox.fault("coupon", "slow")
        form = {"fault": "down", "key": "TEA-BLACK", "value": "0"}
        answer = requests.post(sandbox.base_url + path, data=form, headers=headers, timeout=5)
        assert (answer.status_code, code(answer)) == (403, "other_site")
        assert sandbox.faults()["coupon"]["fault"] == "slow"
        assert sandbox.value("stock", "TEA-BLACK", "available") == 1000

    def test_a_browser_on_the_sandboxs_own_page_can(self, sandbox):
        headers = {"Origin": sandbox.base_url, "Sec-Fetch-Site": "same-origin"}
        answer = requests.post(f"{sandbox.base_url}/faults/clear", data={"clear": "yes"}, headers=headers, timeout=5)
        assert answer.status_code == 200

    def test_another_name_for_this_host_is_refused(self, sandbox):
        answer = requests.get(sandbox.base_url, headers={"Host": "evil.example"}, timeout=5)
        assert answer.status_code == 400


class TestLedger:
    def test_it_tells_every_effect_and_the_net(self, sandbox, new_name):
        key = new_name()
        reserve(sandbox, key, {"TEA-GREEN": 2})
        INVENTORY.cancel(sandbox, key)
        found = sandbox.ledger(key)
        assert [(row["system"], row["reference"], row["effect"]) for row in found["effects"]] == [
            ("inventory", key, "do"),
            ("inventory", key, "undo"),
        ]
        assert found["effects"][0]["content"]["lines"] == [{"sku": "TEA-GREEN", "quantity": 2}]
        assert found["effects"][0]["at"].endswith("Z")
        (net,) = found["net"]
        assert (net["done"], net["undone"], net["net"]) == (1, 1, 0)

    def test_it_can_be_asked_for_one_system(self, sandbox, new_name):
        key = new_name()
        reserve(sandbox, key, {"TEA-GREEN": 1})
        redeem(sandbox, key)
        assert [row["system"] for row in sandbox.ledger(key, "coupon")["effects"]] == ["coupon"]
        assert sandbox.held(key) == {"inventory": 1, "coupon": 1}
