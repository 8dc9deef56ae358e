"""What users of the field complain of in budgets, each as a test of what happens here instead."""

import asyncio

import msgspec
import pytest

from tests.budgets import COST, USD, Asking, budget
from tests.world import PRICED_MODEL, World, event
from tollbook.domain.budget import EACH, Mode
from tollbook.domain.decision import Decision, Verdict
from tollbook.domain.meter import ScopeKind, WindowKind
from tollbook.enforcement.asks import Ask
from tollbook.enforcement.gate import Gate, GateSettings
from tollbook.ledger.totals import PostgresTotals
from tollbook.pricing.bundled import bundled_book

ASK = Ask(tenant="acme", agent="planner", model=PRICED_MODEL, input_tokens=100, max_output_tokens=50)


@pytest.fixture
def asking(world: World) -> Asking:
    return Asking(world)


def at_once(world: World, ask: Ask, count: int, *gates: Gate) -> list[Decision]:
    """So many calls, all asked for before any is answered, at one gate or shared out among several."""
    asked = gates or (world.gate,)

    async def all_of_them() -> list[Decision]:
        return await asyncio.gather(*(asked[number % len(asked)].hold(ask) for number in range(count)))

    return world.run(all_of_them())


def admitted(decisions: list[Decision]) -> int:
    """How many may be made."""
    return sum(decision.admits for decision in decisions)


def test_concurrent_first_calls_of_a_name_never_seen_stay_within_the_default(asking: Asking) -> None:
    """Five hundred first calls of an unknown tenant and user, on three gates that know nothing of either."""
    world = asking.world
    each_user = budget(7 * COST, "user", scope=ScopeKind.TAG, match=f"user={EACH}")
    asking.budgets(budget(20 * COST), each_user, tenant=None)
    unknown = msgspec.structs.replace(ASK, tenant="never-seen", tags={"user": "eve"})
    gates = [world.new_gate() for _ in range(3)]
    assert admitted(at_once(world, unknown, 500, *gates)) == 7
    others = msgspec.structs.replace(unknown, tags={"user": "bob"})
    assert admitted(at_once(world, others, 500, *gates)) == 7
    assert admitted(at_once(world, msgspec.structs.replace(unknown, tags=None), 500, *gates)) == 6


def test_a_hold_prices_the_long_context_tier_that_its_bound_reaches(asking: Asking) -> None:
    world = asking.world
    totals = PostgresTotals(world.pool, world.queries)
    gate = Gate(
        world.holds,
        totals,
        bundled_book(),
        world.clock,
        world.telemetry,
        tenancy=lambda: world.directory.tenancy,
        book=lambda: world.directory.budgets,
        settings=GateSettings(),
    )
    # Beyond 200,000 tokens of input this model costs twice as much for all of them.
    asking.budgets(budget(45 * USD // 100))
    call = Ask(tenant="acme", agent="a", model="gemini-2.5-pro", provider="google", max_output_tokens=1_000)
    short, long = (msgspec.structs.replace(call, input_tokens=size) for size in (200_000, 240_000))
    assert world.run(gate.check(short)).verdict is Verdict.ALLOW
    decision = world.run(gate.hold(long))
    assert decision.verdict is Verdict.SPENT
    assert "less left than this call needs" in decision.detail


@pytest.mark.parametrize("scope", [ScopeKind.RUN, ScopeKind.AGENT, ScopeKind.INSTANCE, ScopeKind.MODEL])
def test_checking_and_reserving_are_one_step_for_every_scope(asking: Asking, scope: ScopeKind) -> None:
    world = asking.world
    asking.budgets(budget(50 * USD), budget(5 * COST, "scoped", scope=scope, window=WindowKind.RUN))
    gates = [world.new_gate() for _ in range(4)]
    assert admitted(at_once(world, msgspec.structs.replace(ASK, run="session-1"), 100, *gates)) == 5


def test_a_hold_that_nobody_ends_gives_its_room_back_at_its_ttl(asking: Asking) -> None:
    world = asking.world
    asking.budgets(budget(COST))
    brief = msgspec.structs.replace(ASK, ttl_ms=1_000)
    assert admitted(at_once(world, brief, 1)) == 1

    async def until_free() -> int:
        for asked in range(100_000):
            if (await world.gate.hold(ASK)).admits:
                return asked
            await world.draining()
        raise AssertionError("the room does not come back")

    assert world.run(until_free()) >= 0


def test_a_child_is_refused_by_an_ancestors_budget_and_told_which(asking: Asking) -> None:
    asking.budgets(
        budget(50 * USD),
        budget(2 * COST, "parent", scope=ScopeKind.INSTANCE, match="r1/planner", window=WindowKind.RUN),
        budget(9 * COST, "child", scope=ScopeKind.INSTANCE, match="r1/planner/researcher#7", window=WindowKind.RUN),
    )
    child = {"agent": "planner/researcher#7", "run": "r1"}
    made = [asking.hold(**child) for _ in range(2)]
    assert [answer.status_code for answer in made] == [200, 200]
    busy = asking.hold(**child)
    assert (busy.status_code, busy.json()["budget"]["id"]) == (429, "parent")
    for answer in made:
        path = f"/v1/holds/{answer.json()['hold']['id']}/settle?tenant=acme"
        asking.world.ask("POST", path, asking.key, json={"input": 100, "output": 50})
    spent = asking.hold(**child)
    told = spent.json()
    assert (spent.status_code, told["budget"]["id"], told["budget"]["match"]) == (402, "parent", "r1/planner")
    assert told["violated-policies"] == ["parent"]
    assert asking.hold(agent="reviewer", run="r1").status_code == 200


def test_a_run_that_valkey_has_forgotten_is_read_from_the_ledger(asking: Asking) -> None:
    """Missing is not 0: what a run has spent counts after its meter has left Valkey."""
    world = asking.world
    asking.budgets(budget(50 * USD), budget(2 * COST, "run", scope=ScopeKind.RUN, window=WindowKind.RUN))
    made = asking.hold(run="r1").json()["hold"]
    world.ask("POST", f"/v1/holds/{made['id']}/settle?tenant=acme", asking.key, json={"input": 100, "output": 50})
    world.drain()
    key = world.keys.tenant(world.directory.tenancy.partition_of("acme"), "acme")
    fields = [name for name in world.run(world.store.hkeys(key)) if name.startswith(b"usd|run:r1|")]
    assert fields
    world.run(world.store.hdel(key, *fields))
    told = asking.hold(run="r1").json()
    assert (told["decision"], told["budget"]["spent"]) == ("allow", "0.000150000")
    assert asking.hold(run="r1").status_code == 429


def test_a_restarted_gate_refills_nothing(asking: Asking) -> None:
    world = asking.world
    asking.budgets(budget(3 * COST))
    assert admitted(at_once(world, ASK, 2)) == 2
    assert admitted(at_once(world, ASK, 5, world.new_gate())) == 1


def test_expected_amounts_admit_what_worst_cases_would_not(asking: Asking) -> None:
    """Calls that may put out 5,000 tokens and usually put out 50: the mean of the last week is what is held."""
    world = asking.world
    world.book(*(event(agent="planner", id=f"old-{number}") for number in range(4)))
    asking.budgets(budget(20 * COST))
    wide = msgspec.structs.replace(ASK, max_output_tokens=5_000)
    assert admitted(at_once(world, wide, 1)) == 0
    expected = msgspec.structs.replace(wide, mode=Mode.EXPECTED)

    async def learned() -> None:
        await world.gate.check(expected)
        await world.gate.means.settled()

    world.run(learned())
    assert admitted(at_once(world, expected, 30)) == 16


def test_what_a_crashed_caller_held_is_seen_by_nobody_once_its_time_is_over(asking: Asking) -> None:
    """Also where the tenant asks for nothing more: no next hold comes to end the one before."""
    world = asking.world
    assert asking.hold(ttl_ms=1_000).status_code == 200
    assert len(asking.rows()) == 1
    partition = world.directory.tenancy.partition_of("acme")
    later = world.run(world.journal.now_ms(partition)) + 1_000
    world.run(world.store.xadd(world.keys.of(partition, "clock"), {"x": "1"}, id=f"{later}-0"))
    world.drain()
    status = world.get("/v1/tenants/acme/status", asking.key).json()
    assert (status["held_usd"], status["spent_usd"]) == ("0.000000000", "0.000000000")
    assert asking.rows() == []
