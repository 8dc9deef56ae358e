"""Attacks on `tollbook mcp`: another tenant's money, another's proposal, no key, a key that was revoked."""

import json
import secrets

import anyio
import httpx2
import pytest
from mcp import Client

from tests.integration.e2e.mcp_clients import over_http, over_pipe, refused, told
from tests.integration.e2e.running import Ledger
from tests.integration.e2e.test_mcp import bearer, key_of, spend

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "attacker", "version": "1"}},
}
ACCEPT = {"accept": "application/json, text/event-stream"}


class Victim:
    """Another tenant with a secret in every name that it has."""

    def __init__(self, ledger: Ledger) -> None:
        self.secret = f"secret{secrets.token_hex(6)}"
        self.tenant = f"victim-{self.secret}"
        self.run = f"run-{self.secret}"
        spend(ledger, self.tenant, run=self.run, agent=f"agent-{self.secret}", model=f"model-{self.secret}")
        self.entry_id = ledger.get("/v1/entries", tenant=self.tenant)["rows"][0]["entry_id"]
        body = {"window": "month", "limit_usd": "3"}
        url = f"{ledger.api}/v1/budgets/budget-{self.secret}?tenant={self.tenant}"
        assert ledger.http.put(url, json=body, headers=ledger.bearer, timeout=30).status_code == 200


async def attacked(client: Client, victim: Victim) -> None:
    """Try every tool with the victim's names and without: nothing of the victim comes back."""
    terms = {"window": "day", "limit_usd": "1000"}
    needed = {
        "explain_run": {"run": victim.run},
        "explain_entry": {"entry_id": victim.entry_id},
        "propose_budget": {"budget_id": "daily", "terms": terms},
        "read_spend": {"by": ["tenant", "agent", "model"]},
        "set_budget": {"proposal": "proposal-0000000000000000"},
    }
    for tool in (await client.list_tools()).tools:
        arguments = needed.get(tool.name, {})
        answer = await client.call_tool(tool.name, arguments)
        assert victim.secret not in answer.model_dump_json(), tool.name
        if "tenant" in tool.input_schema["properties"]:
            answer = await client.call_tool(tool.name, {**arguments, "tenant": victim.tenant})
            said = json.dumps(answer.structured_content)
            assert answer.is_error, tool.name
            assert said == "null", tool.name
            assert "bound to another tenant" in answer.content[0].text, tool.name


@pytest.mark.parametrize("role", ["read", "admin"])
def test_a_tenants_key_sees_and_changes_its_tenant_alone(
    ledger: Ledger, tenant: str, mcp_address: str, role: str
) -> None:
    victim = Victim(ledger)
    spend(ledger, tenant)
    key = key_of(ledger, role, tenant)

    async def tried() -> None:
        if role == "admin":
            async with over_pipe(ledger.api, key) as client:
                await attacked(client, victim)
        async with over_http(mcp_address, key) as client:
            await attacked(client, victim)

    anyio.run(tried)
    assert ledger.get(f"/v1/tenants/{victim.tenant}/budget")["default"] is True


def test_an_ingest_key_reads_no_spend(ledger: Ledger, tenant: str, mcp_address: str) -> None:
    async def tried() -> None:
        async with over_http(mcp_address, key_of(ledger, "ingest", tenant)) as client:
            assert "forbidden" in await refused(client, "read_spend")
            assert "ask your operator" in await refused(client, "list_budgets")
            assert (await told(client, "tenant_status"))["tenant"] == tenant

    anyio.run(tried)


def test_one_callers_proposal_is_not_anothers(ledger: Ledger, tenant: str, mcp_address: str) -> None:
    """Two keys of one tenant on one server: what one was shown, the other cannot set, and leaves in place."""

    async def tried() -> None:
        async with (
            over_http(mcp_address, key_of(ledger, "admin", tenant)) as one,
            over_http(mcp_address, key_of(ledger, "admin", tenant)) as other,
        ):
            wish = {"budget_id": "daily", "terms": {"window": "day", "limit_usd": "9"}}
            shown = await told(one, "propose_budget", **wish)
            assert "proposal_unknown" in await refused(other, "set_budget", proposal=shown["proposal"])
            await told(one, "set_budget", proposal=shown["proposal"])

    anyio.run(tried)


def test_many_callers_at_once_are_not_mixed_up(ledger: Ledger, mcp_address: str) -> None:
    tenants = [f"tenant-{secrets.token_hex(6)}" for _ in range(4)]
    keys = {tenant: key_of(ledger, "read", tenant) for tenant in tenants}

    async def asks(tenant: str) -> None:
        async with over_http(mcp_address, keys[tenant]) as client:
            for _ in range(15):
                assert (await told(client, "own_key"))["tenant"] == tenant
                assert (await told(client, "tenant_status"))["tenant"] == tenant

    async def tried() -> None:
        async with anyio.create_task_group() as group:
            for tenant in tenants:
                group.start_soon(asks, tenant)

    anyio.run(tried)


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer tb_nobody_nothing"}, {"authorization": "Basic dTpw"}, {"authorization": "Bearer"}],
)
def test_without_a_key_in_force_nothing_of_mcp_is_answered(mcp_address: str, headers: dict[str, str]) -> None:
    answer = httpx2.post(mcp_address, json=INITIALIZE, headers={**ACCEPT, **headers}, trust_env=False)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json().keys() == {"code", "detail"}


def test_a_revoked_key_is_refused_at_once(ledger: Ledger, tenant: str, mcp_address: str) -> None:
    key = key_of(ledger, "read", tenant)
    headers = {**ACCEPT, **bearer(key)}
    assert httpx2.post(mcp_address, json=INITIALIZE, headers=headers, trust_env=False).status_code == 200
    key_id = key.split("_")[1]
    assert ledger.http.delete(f"{ledger.api}/v1/keys/{key_id}", headers=ledger.bearer, timeout=30).status_code == 204
    ledger.await_true(
        lambda: httpx2.post(mcp_address, json=INITIALIZE, headers=headers, trust_env=False).status_code == 401
    )


def test_a_page_elsewhere_cannot_reach_the_server_through_a_browser(ledger: Ledger, mcp_address: str) -> None:
    """A name that was rebound to the loopback arrives with its own `Host`."""
    headers = {**ACCEPT, **ledger.bearer}
    answer = httpx2.post(mcp_address, json=INITIALIZE, headers={**headers, "host": "evil.example"}, trust_env=False)
    assert answer.status_code == 421
    answer = httpx2.post(
        mcp_address, json=INITIALIZE, headers={**headers, "origin": "http://evil.example"}, trust_env=False
    )
    assert answer.status_code == 403
