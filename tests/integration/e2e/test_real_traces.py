"""Twenty thousand measured calls through the front door come to the nano-dollar to what the price list says."""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import requests

from tests.integration.e2e.running import PATIENCE_S, Ledger, query, session
from tests.integration.e2e.traffic import (
    CHAT,
    CHAT_CALLS,
    CODE,
    CODE_CALLS,
    DATA,
    Event,
    Sums,
    Tenants,
    by_day,
    chat_events,
    code_events,
    nanos_of,
)

SEED = 20_260_729
SOURCE = "replay"
Way = Callable[[requests.Session, Ledger, list[Event]], requests.Response]

pytestmark = pytest.mark.skipif(
    not (CODE.exists() and CHAT.exists()),
    reason=f"no measured traffic in {DATA}; TEST_WORKLOADS names another place",
)


def as_array(client: requests.Session, ledger: Ledger, events: list[Event]) -> requests.Response:
    """One JSON array with a key."""
    return client.post(f"{ledger.api}/v1/events", json=events, headers=ledger.bearer, timeout=PATIENCE_S)


def as_lines(client: requests.Session, ledger: Ledger, events: list[Event]) -> requests.Response:
    """Compressed lines with a key, answered once Postgres has them."""
    body = gzip.compress("\n".join(map(json.dumps, events)).encode(), compresslevel=1)
    headers = {**ledger.bearer, "Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    return client.post(f"{ledger.api}/v1/events?ack=ledger", data=body, headers=headers, timeout=PATIENCE_S)


def as_webhook(client: requests.Session, ledger: Ledger, events: list[Event]) -> requests.Response:
    """To the secret address; one event as the bare object, as the brief sends it."""
    return client.post(ledger.webhook, json=events[0] if len(events) == 1 else events, timeout=PATIENCE_S)


WAYS: tuple[Way, ...] = (as_array, as_lines, as_webhook)


def batches(events: list[Event], rng: random.Random) -> Iterator[tuple[Way, list[Event]]]:
    """The events in batches of one to several hundred; every tenth batch comes again, mostly another way."""
    position = 0
    while position < len(events):
        size = rng.choice((1, 1, 7, 60, 250, 400))
        batch = events[position : position + size]
        position += size
        yield rng.choice(WAYS), batch
        if rng.random() < 0.1:
            yield rng.choice(WAYS), batch


def set_zones(ledger: Ledger, zones: dict[str, str]) -> None:
    """As if each zone had been set long ago: through the API a change waits for the tenant's next midnight."""
    for tenant, zone in zones.items():
        insert = "INSERT INTO tenant_zone (tenant, first_day, zone) VALUES ($1, $2, $3)"
        query(ledger.access["postgres_url"], insert, tenant, date(2020, 1, 1), zone)
    ledger.rows("UPDATE ledger SET config_version = config_version + 1")
    for tenant, zone in zones.items():
        # Reading one shows that the receiver has taken the new configuration.
        ledger.await_true(
            lambda tenant=tenant, zone=zone: ledger.get(f"/v1/tenants/{tenant}/time-zone")["time_zone"] == zone
        )


def send_all(ledger: Ledger, events: list[Event]) -> int:
    """Send everything from four clients at once; how many events the answers took, repeats included."""
    rng = random.Random(SEED)
    sent = list(batches(events, rng))
    lanes = [sent[lane::4] for lane in range(4)]

    def lane(mine: list[tuple[Way, list[Event]]]) -> int:
        with session() as client:
            taken = 0
            for way, batch in mine:
                answer = way(client, ledger, batch)
                while answer.status_code == 503:
                    # On a machine that is busy with much else, waiting for Postgres may end in "come back", as here.
                    assert answer.json()["code"] == "commit_timeout", answer.text
                    answer = way(client, ledger, batch)
                assert answer.status_code in {200, 202}, answer.text
                assert answer.json()["accepted"] == len(batch), answer.text
                taken += len(batch)
            return taken

    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(lane, lanes))


def nanos_of_text(usd: str) -> int:
    """Nano-dollars of a `*_usd` field."""
    return int(Decimal(usd) * 10**9)


def of_ledger(ledger: Ledger, names: list[str]) -> dict[tuple[str, date], Sums]:
    """The settled totals; `cache_read` is not among them."""
    rows = ledger.rows(
        "SELECT tenant_id, day, calls, cost_nanos, input, output FROM daily_spend WHERE tenant_id = ANY($1)", names
    )
    return {(tenant, day): Sums(*sums) for tenant, day, *sums in rows}


def of_entries(ledger: Ledger, names: list[str]) -> dict[tuple[str, date], Sums]:
    """The sums over the entries themselves."""
    rows = ledger.rows(
        "SELECT tenant, day, count(*)::bigint, sum(cost_nanos)::bigint, sum(input)::bigint, sum(output)::bigint, "
        "sum(cache_read)::bigint FROM entry WHERE tenant = ANY($1) GROUP BY tenant, day",
        names,
    )
    return {(tenant, day): Sums(*map(int, sums)) for tenant, day, *sums in rows}


def of_api(ledger: Ledger, name: str, days: tuple[date, date], by: str) -> dict[tuple[str, date], Sums]:
    """What the API says of a tenant, summed over whatever else it is grouped by."""
    span = {"from": days[0].isoformat(), "to": days[1].isoformat()}
    found: dict[tuple[str, date], Sums] = {}
    for row in ledger.get("/v1/spend", tenant=name, by=by, **span)["rows"]:
        sums = found.setdefault((name, date.fromisoformat(row["day"])), Sums())
        sums.calls += row["calls"]
        sums.nanos += nanos_of_text(row["cost_usd"])
        sums.input += row["input"]
        sums.output += row["output"]
        sums.cache_read += row["cache_read"]
    return found


def test_every_tenants_day_is_what_the_price_list_says(ledger: Ledger, tenant: str) -> None:
    """Both traces, three tenants in three zones, mixed ways and repeats: equal everywhere to the nano-dollar."""
    now = datetime.now(UTC)
    zones = {f"{tenant}-code": "UTC", f"{tenant}-kolkata": "Asia/Kolkata", f"{tenant}-apia": "Pacific/Apia"}
    names = list(zones)
    tenants = Tenants(code=names[0], chat=(names[1], names[2]), zones=zones)
    events = [{**event, "source": SOURCE} for event in (*code_events(tenants, now), *chat_events(tenants, now))]
    assert len(events) == CODE_CALLS + CHAT_CALLS
    set_zones(ledger, {name: zone for name, zone in zones.items() if zone != "UTC"})
    assert send_all(ledger, events) > len(events)
    expected = by_day(events, zones)
    assert len({day for _, day in expected}) >= 2
    ledger.await_drained()

    assert of_entries(ledger, names) == expected
    assert of_ledger(ledger, names) == {key: Sums(*astuple(sums)[:4]) for key, sums in expected.items()}
    days = (now.date() - timedelta(days=4), now.date() + timedelta(days=2))
    for name in names:
        mine = {key: sums for key, sums in expected.items() if key[0] == name}
        for by in ("day", "day,hour,agent,model"):
            assert of_api(ledger, name, days, by) == mine
        check_open_day(ledger, name, mine)
    check_runs(ledger, tenants, events)


def check_open_day(ledger: Ledger, name: str, expected: dict[tuple[str, date], Sums]) -> None:
    """Counters, keys and flag of the day that is open now."""
    status = ledger.get(f"/v1/tenants/{name}/status")
    day = date.fromisoformat(status["day"])
    nanos = expected.get((name, day), Sums()).nanos
    assert nanos_of_text(status["spent_usd"]) == nanos
    assert status["throttled"] is (nanos >= 50 * 10**9)
    with ledger.valkey() as store:
        for (_, spent_on), sums in expected.items():
            cents = (sums.nanos + 5_000_000) // 10_000_000
            assert store.get(f"spend:{name}:{spent_on}") in ({str(cents)} if spent_on == day else {str(cents), None})
        assert store.get(f"throttled:{name}") == ("1" if nanos >= 50 * 10**9 else None)


def check_runs(ledger: Ledger, tenants: Tenants, events: list[Event]) -> None:
    """One run of the conversation, tenant by tenant."""
    for name in tenants.chat:
        mine = [event for event in events if event["tenant"] == name and event.get("run") == "conversation-7"]
        total = ledger.get("/v1/runs/conversation-7", tenant=name)["total"]
        assert total["calls"] == len(mine)
        assert total["cache_read"] == sum(event["cache_read"] for event in mine)
        assert nanos_of_text(total["cost_usd"]) == sum(map(nanos_of, mine))
