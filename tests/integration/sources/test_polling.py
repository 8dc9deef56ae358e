"""An inbox that forgets, lies and changes hands: each stored request is counted once, and a loss is loud."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.core_world import until
from tests.instanode import Instanode
from tests.payloads import payloads
from tests.world import PRICED_MODEL, World
from tollbook.domain.limits import IntakeLimits
from tollbook.domain.source import Source, SourceKind, SourceState
from tollbook.ingest.mapping import MappingBook, mapping_of
from tollbook.ledger.sources import PostgresSources
from tollbook.pipeline.directory import mint_token
from tollbook.pipeline.polling import Poller, PollSettings
from tollbook.ports.sources import Taken
from tollbook.sources.instanode import InstanodeReader
from tollbook.telemetry import SourceGap, SourcePolled

MAPPED = b"""
source = "instanode"
items = "calls[]"
[fields]
input = "in"
output = "out"
[constants]
tenant = "acme"
model = "m-1"
"""


def call(**more: Any) -> str:
    """The brief's event as a sender writes it."""
    return json.dumps({"tenant": "acme", "agent": "a", "input": 10, "output": 5, "model": PRICED_MODEL, **more})


class Polling:
    """A source at the fake, its store, and a poller with a drain beside it."""

    def __init__(self, world: World, fake: Instanode, *, stored_max: int = 100, tenant: str | None = None) -> None:
        self.world = world
        self.fake = fake
        self.token = fake.webhook(stored_max)
        self.store = PostgresSources(world.pool, world.queries)
        self.gaps: list[str] = []
        self.mappings = MappingBook()
        self.source = Source(
            source_id=secrets.token_hex(6),
            kind=SourceKind.INSTANODE,
            name="instanode",
            base=fake.base,
            token=self.token,
            bearer=None,
            tenant=tenant,
            stored_max=stored_max,
            created_at=world.clock.now(),
        )
        assert world.run(self.store.add(self.source, "test"))

    def push(self, *bodies: str | bytes, **headers: str) -> None:
        for body in bodies:
            self.fake.push(self.token, body, headers)

    def poll(self, source: Source | None = None, waited_s: float = 1.0) -> float:
        """One poll by a poller that was just started; how long it would pause."""
        return self.world.run(self._polled(source or self.source, waited_s))

    def poller(self, reader: InstanodeReader, by: str = "one") -> Poller:
        async def gap(source: Source, mark: str) -> None:
            self.gaps.append(mark)

        world = self.world
        return Poller(
            self.store,
            reader,
            world.intake,
            world.clock,
            world.telemetry,
            resolver=world.resolver,
            limits=IntakeLimits(),
            mappings=self.mappings,
            gap=gap,
            by=by,
            settings=PollSettings(),
        )

    async def _polled(self, source: Source, waited_s: float) -> float:
        reader = InstanodeReader(timeout_s=20)
        try:
            async with self.drained():
                return await self.poller(reader).poll(source, waited_s)
        finally:
            await reader.close()

    @asynccontextmanager
    async def drained(self) -> AsyncIterator[None]:
        """A drain that goes on beside what happens inside, and is never cancelled within a call of a store."""
        done = asyncio.Event()

        async def drain() -> None:
            while not done.is_set():
                await self.world.draining()

        draining = asyncio.create_task(drain())
        try:
            yield
        finally:
            done.set()
            await draining

    def entries(self, columns: str = "input") -> list[Any]:
        query = f"SELECT {columns} FROM entry ORDER BY version, ts, input"
        return [tuple(row) if len(row) > 1 else row[0] for row in self.world.run(self.world.pool.fetch(query))]

    def standing(self) -> Any:
        (found,) = self.world.run(self.store.standings())
        return found


@pytest.fixture
def polling(world: World, fake: Instanode) -> Polling:
    return Polling(world, fake)


def test_each_stored_request_is_counted_once_by_whoever_polls(polling: Polling) -> None:
    """Reading deletes nothing, and a restart remembers nothing in memory."""
    polling.push(call(input=1), call(input=2))
    polling.poll()
    polling.push(call(input=3))
    polling.poll()
    polling.poll()
    assert sorted(polling.entries()) == [1, 2, 3]
    standing = polling.standing()
    assert (standing.state, standing.polls, standing.requests, standing.events) == (SourceState.OK, 3, 3, 3)


def test_a_crash_before_it_was_noted_counts_nothing_twice(polling: Polling) -> None:
    """The ledger has it, the note is lost: the stored request's id names the event that has none."""
    polling.push(call(input=1), json.dumps([json.loads(call(input=2)), json.loads(call(input=3))]))
    polling.poll()
    polling.world.execute("DELETE FROM source_request")
    polling.poll()
    assert sorted(polling.entries()) == [1, 2, 3]


def test_the_oldest_is_taken_first(polling: Polling) -> None:
    """The list is newest first: of two contents of one identity the one that came first stands."""
    polling.push(call(id="e-1", input=1), call(id="e-1", input=2))
    polling.poll()
    assert polling.entries() == [1]


def test_a_senders_retry_has_a_new_stored_id_and_is_known_by_its_own(polling: Polling) -> None:
    """With an id in the body it is one call; X-Idempotency-Key stores nothing; with neither it is two."""
    polling.push(call(id="e-1", input=1), call(id="e-1", input=1))
    polling.push(call(input=2), call(input=2), **{"X-Idempotency-Key": "k"})
    polling.push(call(input=3), call(input=3))
    polling.poll()
    assert sorted(polling.entries()) == [1, 2, 3, 3]


def test_a_body_is_text_that_is_decoded_again_and_a_bad_one_hurts_no_other(polling: Polling) -> None:
    """Bytes that are no UTF-8 are damaged by the provider: kept, refused, counted; their neighbours are taken."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer secret"}
    polling.push(call(input=1), **headers)
    polling.push(b"\x1f\x8b\xff\x00gzip", "null", "", call(model=None), call(input=2))
    polling.poll()
    assert sorted(polling.entries()) == [1, 2]
    refused = polling.world.run(
        polling.world.pool.fetch("SELECT refused, body FROM source_request WHERE refused <> ''")
    )
    assert len(refused) == 4
    assert polling.standing().refused == 4
    polling.poll()
    assert polling.standing().refused == 4


def test_an_event_without_a_time_counts_when_the_provider_received_it(polling: Polling) -> None:
    """Not when it was fetched, which may be another day; `received_at` has whole seconds and is no cursor."""
    polling.push(call(input=1), call(input=2))
    yesterday = (datetime.now(UTC) - timedelta(days=1)).replace(microsecond=0)
    for stored in polling.fake.webhooks[polling.token].requests:
        stored["received_at"] = yesterday.strftime("%Y-%m-%dT%H:%M:%SZ")
    polling.poll()
    assert polling.entries("ts") == [yesterday, yesterday]


def test_a_source_of_one_tenant_takes_no_other(world: World, fake: Instanode) -> None:
    """Whoever may post can forge any tenant's usage: a binding bounds whose."""
    polling = Polling(world, fake, tenant="acme")
    polling.push(call(input=1), call(input=2, tenant="globex"))
    polling.poll()
    assert polling.entries("tenant, input") == [("acme", 1)]


def test_what_was_dropped_before_it_was_read_is_reported_once(world: World, fake: Instanode) -> None:
    """The 101st push drops the first: full, and nothing known at the old end. Full and known is no gap."""
    polling = Polling(world, fake, stored_max=5)
    polling.push(*(call(input=n) for n in range(4)))
    polling.poll()
    assert not polling.gaps
    polling.push(call(input=4), call(input=5))
    polling.poll()
    assert not polling.gaps, "the oldest that is left was seen before"
    polling.push(*(call(input=n) for n in range(10, 17)))
    polling.poll()
    polling.poll()
    assert len(polling.gaps) == 1
    assert polling.standing().gaps == 1
    assert polling.standing().gap_at is not None
    assert sum(isinstance(told, SourceGap) for told in world.telemetry.happened) == 1
    assert sorted(polling.entries()) == [0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16]


def test_an_empty_answer_proves_nothing(polling: Polling) -> None:
    """The provider answers 200 with nothing where its own store fails: what was taken stays known."""
    polling.push(call(input=1))
    polling.poll()
    polling.fake.platform_away = True
    polling.poll()
    polling.fake.platform_away = False
    polling.world.clock.ahead = timedelta(days=40)
    polling.poll()
    assert polling.entries() == [1]


def test_what_left_the_inbox_is_forgotten_and_what_is_in_it_is_not(polling: Polling) -> None:
    """Notes do not grow for ever, and one whose request may be listed again is kept."""
    polling.push(call(input=1))
    polling.poll()
    old = polling.world.clock.now() - timedelta(days=50)
    polling.world.run(polling.store.take(polling.source.source_id, [Taken("gone")], old))
    polling.world.execute("UPDATE source_request SET seen_at = $1", old)
    polling.poll()
    left = polling.world.run(polling.world.pool.fetch("SELECT request_id FROM source_request"))
    assert [row[0] for row in left] == [polling.fake.webhooks[polling.token].requests[0]["id"]]


def test_a_claimed_inbox_needs_the_teams_bearer(polling: Polling) -> None:
    """403 from the moment of the claim; with the bearer it goes on, nothing twice."""
    polling.push(call(input=1))
    polling.poll()
    polling.fake.webhooks[polling.token].bearer = "team"
    assert polling.poll() >= 60
    assert polling.standing().state is SourceState.FORBIDDEN
    polling.push(call(input=2))
    claimed = Source(**{name: getattr(polling.source, name) for name in Source.__struct_fields__} | {"bearer": "team"})
    polling.poll(claimed)
    assert polling.entries() == [1, 2]


def test_each_refusal_is_a_state(polling: Polling, world: World) -> None:
    """503 waits as it asks to, 410 is the end, 404 is no inbox, and nothing says the token."""
    polling.fake.lookup_fails = True
    assert polling.poll() == 7
    assert (polling.standing().state, "lookup_failed" in polling.standing().detail) == (SourceState.AWAY, True)
    polling.fake.lookup_fails = False
    polling.fake.webhooks[polling.token].expired = True
    polling.poll()
    assert polling.standing().state is SourceState.ENDED
    del polling.fake.webhooks[polling.token]
    polling.poll()
    assert polling.standing().state is SourceState.UNKNOWN
    nowhere = {name: getattr(polling.source, name) for name in Source.__struct_fields__} | {
        "base": "http://127.0.0.1:1"
    }
    polling.poll(Source(**nowhere))
    assert polling.standing().state is SourceState.AWAY
    elsewhere = nowhere | {"base": f"{polling.fake.base}/webhook/receive"}
    polling.poll(Source(**elsewhere))
    told = [happened for happened in world.telemetry.happened if isinstance(happened, SourcePolled)]
    assert len(told) == 5
    assert not any(polling.token in one.detail for one in told)


def test_it_is_read_sooner_as_it_fills(polling: Polling) -> None:
    """At 50 new of 100 a reading comes too late: half as long; with nothing new, twice as long, within bounds."""
    assert polling.poll(waited_s=8.0) == 16.0
    assert polling.poll(waited_s=20.0) == 30.0
    polling.push(*(call(input=n) for n in range(50)))
    assert polling.poll(waited_s=8.0) == 4.0
    polling.push(*(call(input=n) for n in range(99)))
    assert polling.poll(waited_s=1.0) == 1.0


def test_two_drains_share_the_sources_out(polling: Polling) -> None:
    """A lease in force is somebody else's; one that ran out is taken over."""
    world, store = polling.world, polling.store
    now = world.clock.now()
    until = now + timedelta(seconds=90)
    assert [source.name for source in world.run(store.lease("one", now, until))] == ["instanode"]
    assert not world.run(store.lease("two", now, until))
    assert world.run(store.lease("one", now, until))
    assert world.run(store.lease("two", until + timedelta(seconds=1), until + timedelta(seconds=90)))


def test_a_poller_follows_its_leases(polling: Polling) -> None:
    """It polls what is added while it runs, and stops what is removed."""
    world = polling.world
    polling.push(call(input=1))

    async def ended() -> bool:
        return all(task.get_name() != "source-instanode" for task in asyncio.all_tasks())

    async def run() -> None:
        reader = InstanodeReader(timeout_s=20)
        running = asyncio.create_task(polling.poller(reader).run())
        try:
            async with asyncio.timeout(60), polling.drained():
                await until(lambda: world.pool.fetchval("SELECT count(*) FROM entry"))
                assert await polling.store.remove("instanode", "test")
                await until(ended)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await reader.close()

    world.run(run())
    assert polling.entries() == [1]


def test_an_inbox_speaks_every_dialect_that_a_webhook_does(world: World, fake: Instanode) -> None:
    """The same bodies, posted to a webhook of a receiver and fetched from an inbox, make the same entries."""
    polling = Polling(world, fake, tenant="globex")
    names = ("openai_chat_sse", "anthropic", "gemini", "cohere", "litellm_json_array", "cloudevents_binary")
    found = {payload.name: payload for payload in payloads()}
    bodies = [(found[name].body, {"content-type": found[name].media_type, **found[name].headers}) for name in names]
    address = world.run(mint_token(world.config, "any", tenant="acme", by="test"))
    world.run(world.directory.refresh())
    for body, headers in bodies:
        said = {**headers, "x-tollbook-agent": "fetcher"}
        assert world.ask("POST", f"/webhook/receive/{address}", content=body, headers=said).status_code == 200
        polling.push(body.replace(b"acme", b"globex"), **said)
    polling.poll()
    world.drain()
    # Two of the payloads are of one call: whose entries correct whose follows from when each was booked.
    sums = "sum(calls)::int, sum(input)::int, sum(output)::int, sum(cache_read)::int, sum(cost_nanos)::bigint"
    grouped = "GROUP BY model, provider, agent, units, context HAVING sum(calls) > 0 ORDER BY 1, 2, 3, 4"
    query = f"SELECT model, provider, agent, units::text, context::text, {sums} FROM entry WHERE tenant = $1 {grouped}"
    posted, fetched = (
        [tuple(row) for row in world.run(world.pool.fetch(query, tenant))] for tenant in ("acme", "globex")
    )
    assert fetched == posted
    assert len(fetched) >= 5
    assert polling.standing().refused == 0


def test_an_inbox_is_read_by_the_mapping_of_its_source(world: World, polling: Polling) -> None:
    """As on a webhook: a body that tells of no call counts nothing, and is no fault."""
    polling.mappings = MappingBook.of([mapping_of(MAPPED, "bot", is_json=False)])
    polling.push(json.dumps({"calls": [{"in": 7, "out": 1}, {"in": 8, "out": 1}]}), json.dumps({"calls": []}))
    polling.poll()
    assert sorted(polling.entries()) == [7, 8]
    assert (polling.standing().events, polling.standing().refused) == (1, 0)


def test_a_large_inbox_comes_in_one_answer(world: World, fake: Instanode) -> None:
    """A paid tier keeps thousands: one unpaged reply."""
    polling = Polling(world, fake, stored_max=10_000)
    polling.push(*(call(id=f"e-{n // 2}", input=1) for n in range(300)))
    for stored in fake.webhooks[polling.token].requests[:100]:
        stored["body"] = json.dumps({**json.loads(stored["body"]), "padding": "x" * 100_000})
    polling.poll()
    assert len(polling.entries()) == 150
