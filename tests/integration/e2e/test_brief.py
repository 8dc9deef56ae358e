"""The brief's snippets as users would paste them, and what its page promises, on the default install.

`acme` and its $50 a day belong to the first test; the others use tenants of their own.
"""

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

import pytest
import redis
import requests
from genai_prices import Usage, calc_price

from tests.integration.e2e.running import PATIENCE_S, Ledger, running, said
from tollbook import BudgetExceeded
from tollbook.embedded.process import wait_until

MODEL = "claude-opus-4-7"


@pytest.fixture
def r(ledger: Ledger) -> Iterator["redis.Redis"]:
    """The brief's `r`."""
    with redis.from_url(ledger.access["valkey_url"]) as client:
        yield client


def usd(calls: int, tokens_in: int, tokens_out: int) -> Decimal:
    """What calls of the brief's model cost, by the price list itself."""
    price = calc_price(Usage(input_tokens=tokens_in, output_tokens=tokens_out), MODEL, provider_id="anthropic")
    return calls * price.total_price


def cents(amount: Decimal) -> int:
    """Whole cents, half up."""
    return int((amount * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def today() -> str:
    """The day that events without a time count in, on the default install."""
    return datetime.now(UTC).date().isoformat()


def emit(url: str, tenant: str, tokens_in: int, tokens_out: int, **more: str) -> dict:
    """The brief's emit: one event, no id, no time."""
    answer = requests.post(
        url,
        json={
            "tenant": tenant,
            "agent": "planner",
            "input": tokens_in,
            "output": tokens_out,
            "model": MODEL,
            **more,
        },
        timeout=PATIENCE_S,
        proxies={"http": ""},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def precheck(r: "redis.Redis", tenant: str) -> None:
    """The brief's precheck before each call."""
    if r.get(f"throttled:{tenant}"):
        raise BudgetExceeded()


def at_rest(ledger: Ledger, tenant: str, amount: Decimal) -> None:
    """Everything that shows a tenant's day shows the same amount."""
    day = datetime.now(UTC).date()
    ledger.await_drained()
    assert ledger.rows("SELECT cents FROM daily_spend WHERE tenant_id = $1 AND day = $2", tenant, day) == [
        (cents(amount),)
    ]
    with ledger.valkey() as store:
        assert store.get(f"spend:{tenant}:{day}") == str(cents(amount))
    status = ledger.get(f"/v1/tenants/{tenant}/status")
    assert Decimal(status["spent_usd"]) == amount
    assert (status["pending_usd"], status["held_usd"]) == ("0.000000000", "0.000000000")
    assert Decimal(ledger.get("/v1/spend", tenant=tenant)["total"]["cost_usd"]) == amount


def test_the_brief_from_the_first_call_to_the_raised_budget(tmp_path) -> None:
    """Emit, precheck, cross $50, be stopped, raise the limit, go on: nothing but what the brief names is used."""
    with running(tmp_path / "data") as ledger, redis.from_url(ledger.access["valkey_url"]) as r:
        precheck(r, "acme")
        answer = emit(ledger.webhook, "acme", 1200, 340)
        assert answer["ok"] is True
        assert str(UUID(answer["id"])) == answer["id"]
        calls = 1
        at_rest(ledger, "acme", usd(1, 1200, 340))
        # 10 M input and 1 M output tokens at list price are more than $50 in a handful of calls.
        while usd(1, 1200, 340) + usd(calls, 300_000, 20_000) < 50:
            assert r.get("throttled:acme") is None
            emit(ledger.webhook, "acme", 300_000, 20_000)
            calls += 1
        spent = usd(1, 1200, 340) + usd(calls - 1, 300_000, 20_000)
        assert spent < 50
        precheck(r, "acme")
        emit(ledger.webhook, "acme", 300_000, 20_000)
        spent += usd(1, 300_000, 20_000)
        assert spent >= 50
        # The answer to the event that crosses the limit comes after the flag: the very next call is stopped.
        with pytest.raises(BudgetExceeded):
            precheck(r, "acme")
        assert r.get(f"spend:acme:{today()}") == str(cents(spent)).encode()
        status = ledger.get("/v1/tenants/acme/status")
        assert (status["throttled"], status["limit_usd"]) == (True, "50.000000000")
        assert status["remaining_usd"] == "0.000000000"
        assert 0 < r.ttl("throttled:acme") <= 86_400
        at_rest(ledger, "acme", spent)
        # A throttled tenant's calls are still counted: the ledger records, it does not look away.
        emit(ledger.webhook, "acme", 300_000, 20_000)
        spent += usd(1, 300_000, 20_000)
        said("budget", "set", "acme", "120", "--per", "day", data=ledger.data)
        # The command returns when the limit is in force.
        precheck(r, "acme")
        assert ledger.get("/v1/tenants/acme/status")["throttled"] is False
        said("budget", "set", "acme", "20.50", "--per", "day", data=ledger.data)
        with pytest.raises(BudgetExceeded):
            precheck(r, "acme")
        said("budget", "set", "default", "1000", data=ledger.data)
        assert r.get("throttled:acme") == b"1"
        said("budget", "remove", "acme", data=ledger.data)
        precheck(r, "acme")
        at_rest(ledger, "acme", spent)


def test_limits_by_http_move_the_flag_too(ledger: Ledger, r: "redis.Redis", tenant: str) -> None:
    """PUT and DELETE of a tenant's budget reach the flag without another event."""
    url = f"{ledger.api}/v1/tenants/{tenant}/budget"
    emit(ledger.webhook, tenant, 10_000, 1_000)
    assert r.get(f"throttled:{tenant}") is None
    for limit, flag in (("0.01", b"1"), ("120", None), ("0", b"1")):
        assert (
            ledger.http.put(url, json={"limit_usd": limit}, headers=ledger.bearer, timeout=PATIENCE_S).status_code
            == 200
        )
        assert wait_until(lambda flag=flag: r.get(f"throttled:{tenant}") == flag, deadline_seconds=PATIENCE_S)
    assert ledger.http.delete(url, headers=ledger.bearer, timeout=PATIENCE_S).status_code == 200
    assert wait_until(lambda: r.get(f"throttled:{tenant}") is None, deadline_seconds=PATIENCE_S)


def test_calls_below_a_cent_are_not_lost(ledger: Ledger, r: "redis.Redis", tenant: str) -> None:
    """Forty calls of a fraction of a cent each are their sum, not forty times zero or one."""
    one = usd(1, 90, 12)
    assert 0 < one < Decimal("0.005")
    for _ in range(40):
        emit(ledger.webhook, tenant, 90, 12)
    assert r.get(f"spend:{tenant}:{today()}") == str(cents(40 * one)).encode()
    at_rest(ledger, tenant, 40 * one)


def test_a_retry_with_the_same_id_bills_once_and_one_without_bills_twice(ledger: Ledger, tenant: str) -> None:
    """The id is what tells a retry from another call: in the event, or as the request's header."""
    one = usd(1, 1200, 340)
    for _ in range(2):
        emit(ledger.webhook, tenant, 1200, 340, id="call-1")
    at_rest(ledger, tenant, one)
    body = {"tenant": tenant, "agent": "planner", "input": 1200, "output": 340, "model": MODEL}
    for header in ("Idempotency-Key", "webhook-id", "X-Idempotency-Key"):
        for _ in range(2):
            answer = ledger.http.post(
                ledger.webhook, json=body, headers={header: f"{tenant} {header}"}, timeout=PATIENCE_S
            )
            assert answer.status_code == 200
    at_rest(ledger, tenant, 4 * one)
    for _ in range(2):
        emit(ledger.webhook, tenant, 1200, 340)
    at_rest(ledger, tenant, 6 * one)


def test_the_requests_of_a_webhook_are_listed(ledger: Ledger, tenant: str) -> None:
    """Newest first, with what was sent; reading takes nothing away, and the secrets in headers are not shown."""
    address = said("webhook", "create", f"source-{secrets.token_hex(4)}", data=ledger.data)
    url = f"{ledger.api}{address}"
    assert wait_until(lambda: requests_of(ledger, url).status_code == 200, deadline_seconds=PATIENCE_S)
    ids = [emit(url, tenant, 10 + number, 1)["id"] for number in range(3)]
    refused = ledger.http.post(
        f"{url}?a=1", data=b"no json", headers={"Authorization": "Bearer s3cret"}, timeout=PATIENCE_S
    )
    assert refused.status_code == 400
    for _ in range(2):
        listed = requests_of(ledger, url).json()
        assert (listed["ok"], listed["total"]) == (True, 4)
        newest, *others = listed["requests"]
        assert [item["id"] for item in others] == ids[::-1]
        assert (newest["method"], newest["query"], newest["body"]) == ("POST", "a=1", "no json")
        assert newest["headers"]["Authorization"] == ["[REDACTED]"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", newest["received_at"])
        assert '"input": 12' in others[0]["body"]


def requests_of(ledger: Ledger, url: str) -> requests.Response:
    """The list of what a webhook received, asked for without a key."""
    token = url.rpartition("/")[2]
    return ledger.http.get(f"{ledger.api}/api/v1/webhooks/{token}/requests", timeout=PATIENCE_S)
