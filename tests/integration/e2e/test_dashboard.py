"""The dashboard of a running tollbook, over its socket: what a bound viewer cannot reach, and live figures."""

import json
import secrets
from urllib.parse import urlsplit

import requests

from tests.integration.e2e.running import PATIENCE_S, Ledger, session
from tests.integration.web.pages import FORMATS, PAGES, with_format
from tests.integration.web.visitor import form_token


def _signed_in(ledger: Ledger, key: str) -> requests.Session:
    visitor = session()
    token = form_token(visitor.get(f"{ledger.api}/sign-in", timeout=PATIENCE_S).text)
    fields = {"key": key, "next": "/", "form_token": token}
    answer = visitor.post(f"{ledger.api}/sign-in", data=fields, allow_redirects=False, timeout=PATIENCE_S)
    assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text
    return visitor


def _bound_key(ledger: Ledger, tenant: str) -> dict[str, str]:
    body = {"role": "read", "tenant": tenant}
    answer = ledger.http.post(f"{ledger.api}/v1/keys", json=body, headers=ledger.bearer, timeout=PATIENCE_S)
    assert answer.status_code == 201, answer.text
    return answer.json()


def _event(tenant: str, **more: object) -> dict[str, object]:
    return {"tenant": tenant, "agent": "planner", "model": "claude-opus-4-7", "input": 1_200, "output": 340, **more}


def test_a_bound_viewer_reaches_nothing_of_anothers(ledger: Ledger, tenant: str) -> None:
    other, mark = f"other-{secrets.token_hex(6)}", f"mark-{secrets.token_hex(6)}"
    ledger.send([_event(tenant), _event(other, agent=f"{mark}-agent", run=f"{mark}-run")], ack="ledger")
    visitor = _signed_in(ledger, _bound_key(ledger, tenant)["key"])
    try:
        for page in PAGES:
            for form in FORMATS:
                own = visitor.get(ledger.api + with_format(page.path.format(tenant=tenant), form), timeout=PATIENCE_S)
                assert own.status_code == (403 if page.whole or page.role == "admin" else 200), page
                assert other not in own.text
                assert mark not in own.text
                if page.of_one:
                    path = with_format(page.path.format(tenant=other), form)
                    refused = visitor.get(ledger.api + path, timeout=PATIENCE_S)
                    assert (refused.status_code, mark in refused.text) == (403, False)
    finally:
        visitor.close()


def test_every_page_tells_the_browser_what_it_may_do(ledger: Ledger) -> None:
    visitor = _signed_in(ledger, ledger.access["admin_key"])
    try:
        for path in ("/", "/tenants", "/sign-in", "/tenants/nobody", "/static/none"):
            answer = visitor.get(ledger.api + path, timeout=PATIENCE_S)
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'")
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert " style=" not in answer.text
            assert "<script>" not in answer.text
            assert answer.headers["cache-control"] == "no-store"
        head = visitor.head(f"{ledger.api}/", timeout=PATIENCE_S)
        assert (head.status_code, head.content) == (200, b"")
    finally:
        visitor.close()


def test_an_open_page_is_told_of_an_event(ledger: Ledger, tenant: str) -> None:
    ledger.send(_event(tenant), ack="ledger")
    visitor = _signed_in(ledger, _bound_key(ledger, tenant)["key"])
    try:
        with visitor.get(f"{ledger.api}/?format=events", stream=True, timeout=PATIENCE_S) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            told = (json.loads(line[6:]) for line in stream.iter_lines(chunk_size=1) if line.startswith(b"data: {"))
            before = next(told)["live_cards"]
            ledger.send(_event(tenant), ack="ledger")
            after = next(regions["live_cards"] for regions in told if regions.get("live_cards", before) != before)
        today = ledger.get("/v1/spend", tenant=tenant)["total"]["cost_usd"]
        assert f'value="{today}"' in after
        assert f'value="{today}"' not in before
    finally:
        visitor.close()


def test_static_files_name_their_content_and_are_kept(ledger: Ledger) -> None:
    page = ledger.http.get(f"{ledger.api}/sign-in", timeout=PATIENCE_S).text
    addresses = [part.partition('"')[0] for part in page.split('="/static/')[1:]]
    assert len(addresses) >= 6
    for address in addresses:
        answer = ledger.http.get(f"{ledger.api}/static/{address}", timeout=PATIENCE_S)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert urlsplit(answer.url).netloc == urlsplit(ledger.api).netloc
    elsewhere = ledger.http.get(f"{ledger.api}/static/0/../../etc/passwd", timeout=PATIENCE_S)
    assert elsewhere.status_code == 404
