"""Mutated payloads over HTTP: never a 5xx, and the ledger holds exactly the calls of the items that were taken."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.sources.answers import CREATED
from tests.payloads import Payload, payloads
from tests.unit.ingest.mutating import mutated
from tests.world import World
from tollbook.domain.access import Role
from tollbook.domain.errors import RequestError
from tollbook.pipeline.resolve import Sender

QUICK = 3
MANY = 500


def _fuzz(world: World, payload: Payload, key: str, count: int) -> tuple[set[tuple[str | None, str]], int]:
    """Send; the identities of what was taken, and how many calls without one."""
    named: set[tuple[str | None, str]] = set()
    unnamed = 0
    headers = {"content-type": payload.media_type, **payload.headers}
    for body in mutated(payload, count, seed=3):
        answer = world.ask("POST", payload.path, key, content=body, headers=headers)
        assert answer.status_code < 500, body
        if answer.status_code >= 400:
            assert answer.json()["code"]
            continue
        try:
            decoded = payload.decoded(body)
        except RequestError as error:
            raise AssertionError(f"taken although it is refused: {body!r}") from error
        indexes = decoded.indexes if decoded.indexes is not None else list(range(len(decoded.events)))
        resolved = world.services.resolver.resolve(
            decoded.events, indexes, Sender(tenant="acme"), world.services.clock.now()
        )
        refused = {rejection.index for rejection in resolved.rejections}
        for event, index in zip(decoded.events, indexes, strict=True):
            if index in refused:
                continue
            if event.id is None:
                unnamed += 1
            else:
                named.add((event.source, event.id))
    return named, unnamed


def _holds(world: World, count: int) -> None:
    world.clock.ahead = datetime.fromtimestamp(CREATED, UTC) + timedelta(days=1) - datetime.now(UTC)
    key = world.key(Role.INGEST, "acme")
    named: set[tuple[str | None, str]] = set()
    unnamed = 0
    for payload in payloads():
        more, lone = _fuzz(world, payload, key, count)
        named |= more
        unnamed += lone
    world.drain()
    # A mutation that names a call of before and knows it better corrects it: two entries more, and no call.
    booked = world.run(world.pool.fetchval("SELECT sum(calls)::bigint FROM entry"))
    assert booked == len(named) + unnamed
    assert all(equation.differing == 0 for equation in world.run(world.verify().run(world.drains)))


def test_a_few_mutations_of_each_are_taken_whole_or_refused(world: World) -> None:
    _holds(world, QUICK)


@pytest.mark.slow
def test_many_mutations_of_each_are_taken_whole_or_refused(world: World) -> None:
    _holds(world, MANY)
