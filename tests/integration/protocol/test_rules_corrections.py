"""Corrections reach the counters as every transaction does: settled is set, pending never takes a negative delta."""

import pytest

from tests.contract.test_corrections import seen
from tests.core_world import CROSSINGS, World, event
from tollbook.domain.event import Event, Observer
from tollbook.ports.journal import Limit

pytestmark = pytest.mark.anyio


def of_call(number: int) -> list[Event]:
    """One call as a span, the SDK and a gateway saw it, and an aggregate that repeats it; it costs 8."""
    response_id = f"msg_{number:02d}XFDUDYJgAACzvnptvVoYEL"
    return [
        seen(Observer.LEAF, 5, response_id, agent="planner/fetcher", group="g"),
        seen(Observer.SDK, 7, response_id),
        seen(Observer.GATEWAY, 8, response_id, agent="unknown"),
        seen(Observer.AGGREGATE, 50, None, id=f"turn-{number}", group="g"),
    ]


async def test_a_correction_lowers_settled_and_clears_the_flag(world: World) -> None:
    """The aggregate reaches the limit and raises the flag; its first call takes it back, and the flag goes with it."""
    world.limits.append(Limit("acme", 40, 2))
    drain = await world.drain_dry()
    await world.load_limits(0)
    aggregate, leaf = of_call(1)[3], of_call(1)[0]
    await world.post(aggregate)
    await world.drain_dry(drain)
    assert await world.throttled()
    await world.post(leaf)
    view = await world.journal.view(0, "acme", world.today())
    assert (view.settled_nanos, view.pending_nanos) == (50, 5)
    await world.drain_dry(drain)
    assert not await world.throttled()
    view = await world.journal.view(0, "acme", world.today())
    assert (view.settled_nanos, view.pending_nanos) == (5, 0)
    await world.assert_at_rest()


@pytest.mark.parametrize("step", CROSSINGS)
@pytest.mark.parametrize("nth", [1, 2, 4])
async def test_a_drain_that_dies_over_corrections_is_replayed(world: World, step: str, nth: int) -> None:
    """Whatever is committed or not, settled or not, every call comes to its best observation once."""
    await world.drain_dry()
    for number in (1, 2):
        for one in of_call(number):
            await world.post(one)
    for one in (of_call(1)[1], of_call(2)[3]):
        await world.post(one)
    world.drain_settings = type(world.drain_settings)(read_records_max=1)
    await world.kill_drain(step, nth=nth)
    await world.drain_dry()
    assert await world.settled_totals() == {("acme", world.today()): 16}
    await world.assert_at_rest()


async def test_counters_lost_over_corrections_are_rebuilt(world: World) -> None:
    """A rebuild reads totals, which corrections are part of."""
    drain = await world.drain_dry()
    await world.accept(*of_call(1), event(nanos=3, id="x"))
    await world.drain_dry(drain)
    await world.lose_valkey()
    await world.drain_dry(drain)
    assert (await world.journal.view(0, "acme", world.today())).settled_nanos == 11
    await world.assert_at_rest()
