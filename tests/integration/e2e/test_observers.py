"""One fleet run as three kinds of observers report it at once, over HTTP: it costs what it costs once."""

import random
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from genai_prices import Usage, calc_price

from tests.integration.e2e.running import Ledger, cli

MODEL = "claude-opus-4-7"
CALLS = 60


def observations(tenant: str) -> dict[str, list[dict[str, Any]]]:
    """The calls as SDK, spans and gateway see them: some miss calls, spans add aggregates of their turns."""
    seen: dict[str, list[dict[str, Any]]] = {"sdk": [], "otel": [], "litellm": []}
    for number in range(CALLS):
        call = {
            "tenant": tenant, "model": MODEL, "input": 1_000 + number, "output": 100,
            "response_id": f"msg_{number:04}XFDUDYJgAACzvn{tenant[-4:]}",
        }  # fmt: skip
        agent, turn = f"planner/worker#{number % 3}", f"turn-{number // 6}"
        if number % 5:
            seen["sdk"].append(call | {"agent": agent, "run": "r1", "observed": "sdk", "source": "sdk"})
        if number % 4:
            span = {"input": 900, "agent": agent, "run": "r1", "group": turn, "observed": "leaf", "source": "otel"}
            seen["otel"].append(call | span)
        seen["litellm"].append(call | {"agent": "unknown", "observed": "gateway", "source": "litellm"})
    for turn in range(CALLS // 6):
        total = {"tenant": tenant, "agent": "planner", "model": MODEL, "input": 6_000, "output": 600}
        named = {"id": f"turn-{turn}", "group": f"turn-{turn}", "observed": "aggregate", "source": "otel"}
        seen["otel"].append(total | named)
    return seen


def test_a_run_seen_by_all_at_once_costs_what_it_costs_once(ledger: Ledger, tenant: str) -> None:
    """Calls, cost and attribution are those of the run, whatever came first; `verify` proves the sums."""
    generator = random.Random(7)
    batches: list[list[dict[str, Any]]] = []
    for one in observations(tenant).values():
        generator.shuffle(one)
        batches += [one[start : start + 9] for start in range(0, len(one), 9)]
    batches += batches[:3]
    generator.shuffle(batches)
    with ThreadPoolExecutor(4) as senders:
        list(senders.map(ledger.send, batches))
    ledger.await_drained()
    spend = ledger.get("/v1/spend", tenant=tenant, by="tenant")["total"]
    cost = sum(
        calc_price(Usage(input_tokens=1_000 + number, output_tokens=100), MODEL, provider_id="anthropic").total_price
        for number in range(CALLS)
    )
    assert (spend["calls"], Decimal(spend["cost_usd"])) == (CALLS, cost)
    run = ledger.get("/v1/runs/r1", tenant=tenant)
    known = [number for number in range(CALLS) if number % 5 or number % 4]
    assert run["total"]["calls"] == len(known)
    status = ledger.get(f"/v1/tenants/{tenant}/status")
    assert (Decimal(status["spent_usd"]), Decimal(status["pending_usd"])) == (cost, 0)
    done = cli("verify", data=ledger.data)
    assert "differs" not in done.stdout, done.stdout


def test_a_call_is_shown_with_its_corrections(ledger: Ledger, tenant: str) -> None:
    """`?call=` lists what was booked, what was taken back and what stands, and who saw it."""
    call = {"tenant": tenant, "agent": "a", "model": MODEL, "input": 10, "output": 1, "response_id": f"msg_x{tenant}"}
    ledger.send(call | {"observed": "leaf", "estimated": True, "units": {"web_searches": 1}}, ack="ledger")
    ledger.send(call | {"observed": "gateway", "input": 12, "source": "proxy"}, ack="ledger")
    (newest, *_) = ledger.get("/v1/entries", tenant=tenant)["rows"]
    rows = ledger.get("/v1/entries", tenant=tenant, call=newest["corrects"] or newest["entry_id"])["rows"]
    shown = [(row["calls"], row["input"], row["observed"], row["estimated"], row["units"]) for row in rows]
    assert shown == [
        (1, 10, "leaf", True, {"web_searches": 1}),
        (-1, -10, "leaf", True, {"web_searches": -1}),
        (1, 12, "gateway", False, None),
    ]
    assert ledger.get("/v1/entries", tenant="nobody", call=rows[0]["entry_id"])["rows"] == []


def test_repricing_with_the_same_book_changes_nothing(ledger: Ledger, tenant: str) -> None:
    """The command says so, and exits 0."""
    ledger.send({"tenant": tenant, "agent": "a", "model": MODEL, "input": 10, "output": 1}, ack="ledger")
    done = cli(
        "reprice", "--from", "2020-01-01", "--to", "2100-01-01", "--tenant", tenant, "--dry-run", data=ledger.data
    )
    assert (done.returncode, done.stdout) == (0, "0 entries differ, 0 re-priced, 0 left alone in open windows\n")


def test_a_call_without_a_price_is_priced_anew(ledger: Ledger, tenant: str) -> None:
    """Under another ceiling its cost changes, in the ledger and in the counters; a second run writes nothing."""
    ledger.send({"tenant": tenant, "agent": "a", "model": "unheard-of", "input": 1_000, "output": 0}, ack="ledger")
    assert ledger.get("/v1/spend", tenant=tenant, by="tenant")["total"]["cost_usd"] == "0.020000000"
    dearer = {"TOLLBOOK_UNPRICED_INPUT_USD_PER_MTOK": "50"}
    wanted = ("reprice", "--from", "2020-01-01", "--to", "2100-01-01", "--tenant", tenant)
    told = f"{tenant}  unheard-of  1 entries  0.020000000 -> 0.050000000 USD\n"
    for more, written in ((("--dry-run",), 0), (("--windows", "keep"), 0), ((), 1)):
        done = cli(*wanted, *more, data=ledger.data, **dearer)
        differ = 0 if "keep" in more else 1
        kept = 1 - differ
        counted = f"{differ} entries differ, {written} re-priced, {kept} left alone in open windows\n"
        assert (done.returncode, done.stdout) == (0, (told if differ else "") + counted)
    assert ledger.get("/v1/spend", tenant=tenant, by="tenant")["total"]["cost_usd"] == "0.050000000"
    ledger.await_true(lambda: ledger.get(f"/v1/tenants/{tenant}/status")["settled_usd"] == "0.050000000")
    again = cli(*wanted, data=ledger.data, **dearer)
    assert again.stdout == "0 entries differ, 0 re-priced, 0 left alone in open windows\n"
