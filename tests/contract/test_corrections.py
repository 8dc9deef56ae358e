"""Observations of calls on real servers: whoever saw a call, in whatever order, it costs its best observation once."""

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.ledger_case import LedgerCase, open_case, timed_id
from tests.core_world import event
from tollbook.domain.errors import LedgerRefused
from tollbook.domain.event import Event, Observer, Seen
from tollbook.ledger.audit import PostgresAudit
from tollbook.ports.audit import LedgerEquation
from tollbook.ports.ledger import Booked

pytestmark = pytest.mark.anyio
RESPONSE = "msg_01XFDUDYJgAACzvnptvVoYEL"
SOURCES = {
    Observer.GATEWAY: "litellm", Observer.SDK: "sdk", Observer.LEAF: "otel", Observer.AGGREGATE: "otel",
    Observer.METRIC: "otel-metrics",
}  # fmt: skip


@pytest.fixture
async def case(ledger_url: str, anyio_backend: str) -> AsyncIterator[LedgerCase]:
    async with open_case(ledger_url) as opened:
        yield opened


def seen(by: Observer, nanos: int, response_id: str | None = RESPONSE, **fields: object) -> Event:
    """A call of so many nano-dollars as one observer saw it."""
    of_seen = {name: fields.pop(name) for name in ("group", "estimated", "revision", "request_id") if name in fields}
    source = fields.pop("source", SOURCES[by])
    return event(nanos=nanos, source=source, seen=Seen(by=by, response_id=response_id, **of_seen), **fields)


async def facts(case: LedgerCase) -> dict[str, list[tuple[object, ...]]]:
    """What every total says, groups that came to nothing left out."""
    days = (
        "SELECT tenant_id, day::text, calls, cost_nanos, input, output FROM daily_spend WHERE calls <> 0 ORDER BY 1, 2"
    )
    hours = (
        "SELECT tenant, agent, model, sum(calls)::int, sum(cost_nanos)::int FROM rollup_hour GROUP BY 1, 2, 3"
        " HAVING sum(calls) <> 0 ORDER BY 1, 2, 3"
    )
    runs = "SELECT tenant, run, agent, model, calls, cost_nanos FROM run_total WHERE calls <> 0 ORDER BY 1, 2, 3, 4"
    queries = {"days": days, "hours": hours, "runs": runs}
    return {name: [tuple(row) for row in await case.rows(query)] for name, query in queries.items()}


async def assert_sound(case: LedgerCase) -> None:
    """Every equation of `tollbook verify` holds; the test's price book has no cards."""
    found = await PostgresAudit(case.pool, case.queries).compare(None, case.now)
    del found[LedgerEquation.PRICE]
    wrong = {name: one for name, one in found.items() if one.differing or one.left != one.right}
    assert not wrong, wrong


def total(booked: Booked) -> int:
    """The tenant's day after a batch."""
    return booked.totals[-1].nanos


async def test_one_call_seen_by_three_is_counted_once_at_its_best(case: LedgerCase) -> None:
    """Leaf, SDK and gateway name one response: each better one replaces the poorer, and the poorer come to nothing."""
    assert total(await case.book(seen(Observer.LEAF, 5))) == 5
    assert total(await case.book(seen(Observer.SDK, 7))) == 7
    booked = await case.book(seen(Observer.GATEWAY, 8))
    assert (booked.new, booked.duplicates, booked.conflicts, booked.totals[0].nanos) == (0, 1, 0, 8)
    assert booked.corrections == 2
    for by, nanos in ((Observer.LEAF, 5), (Observer.SDK, 7), (Observer.GATEWAY, 8), (Observer.LEAF, 6)):
        booked = await case.book(seen(by, nanos))
        assert (booked.duplicates, booked.conflicts, booked.totals) == (1, 0, ())
    entries = await case.rows(
        "SELECT calls, cost_nanos, corrects IS NULL, nth FROM entry ORDER BY nth NULLS FIRST, calls"
    )
    assert [tuple(row) for row in entries] == [
        (1, 5, True, None), (-1, -5, False, 1), (1, 7, False, 1), (-1, -7, False, 2), (1, 8, False, 2),
    ]  # fmt: skip
    assert (await facts(case))["days"][0][2:4] == (1, 8)
    await assert_sound(case)


async def test_the_same_three_in_one_batch_are_counted_once(case: LedgerCase) -> None:
    """Within one batch the best observation is booked at once, without corrections."""
    observations = [seen(Observer.LEAF, 5), seen(Observer.GATEWAY, 8), seen(Observer.SDK, 7)]
    booked = await case.book(*observations)
    assert (booked.new, booked.duplicates, booked.conflicts, booked.totals[0].nanos) == (1, 2, 0, 8)
    assert (await facts(case))["hours"] == [("acme", "planner", "m", 1, 8)]
    await assert_sound(case)


async def test_an_id_that_is_none_makes_no_two_calls_one(case: LedgerCase) -> None:
    """A server that counts its answers from 1 after each start does not merge two calls."""
    first = seen(Observer.LEAF, 5, "chatcmpl-123", id="span-1")
    second = seen(Observer.SDK, 7, "chatcmpl-123", id="event-1")
    assert total(await case.book(first, second)) == 12


async def test_the_request_id_names_a_call_where_no_response_id_does(case: LedgerCase) -> None:
    """The same provider's id names the call whichever field it came in, and tenants never share one."""
    request = "req_011CSHoEeqs5C35K2UUqR7Fy"
    assert total(await case.book(seen(Observer.LEAF, 5, None, request_id=request))) == 5
    assert total(await case.book(seen(Observer.SDK, 6, request))) == 6
    assert total(await case.book(seen(Observer.SDK, 9, request, tenant="other"))) == 9


async def test_a_later_revision_replaces_and_the_same_one_is_a_conflict(case: LedgerCase) -> None:
    """One observer may learn more of a call; two contents of the same revision are a conflict, and the first stays."""
    await case.book(seen(Observer.LEAF, 5))
    assert total(await case.book(seen(Observer.LEAF, 6, revision=2))) == 6
    assert (await case.book(seen(Observer.LEAF, 9, revision=1))).totals == ()
    booked = await case.book(seen(Observer.LEAF, 7, revision=2))
    assert (booked.conflicts, booked.totals) == (1, ())
    assert [row[0] for row in await case.rows("SELECT code FROM dead_letter")] == ["conflict"]


async def test_reported_counts_beat_reckoned_ones(case: LedgerCase) -> None:
    """A gateway that had to estimate is corrected by a span that has the provider's figures."""
    await case.book(seen(Observer.GATEWAY, 5, estimated=True))
    assert total(await case.book(seen(Observer.LEAF, 6))) == 6


async def test_a_better_observation_keeps_what_only_the_poorer_knew(case: LedgerCase) -> None:
    """The gateway does not know the agent or the run: those of the span stay, whichever comes first."""
    leaf = seen(Observer.LEAF, 5, agent="planner/fetcher", run="r1")
    gateway = seen(Observer.GATEWAY, 8, agent="unknown")
    await case.book(leaf)
    await case.book(gateway)
    known = await facts(case)
    assert known["hours"] == [("acme", "planner/fetcher", "m", 1, 8)]
    assert known["runs"] == [("acme", "r1", "planner/fetcher", "m", 1, 8)]
    await case.book(*(seen(by.seen.by, nanos, "msg_02XFDUDYJgAACzvnptvVoYEL", agent=by.agent, run=by.run)
                      for by, nanos in ((gateway, 3),) if by.seen))  # fmt: skip
    await case.book(seen(Observer.LEAF, 2, "msg_02XFDUDYJgAACzvnptvVoYEL", agent="planner/fetcher", run="r1"))
    assert (await facts(case))["runs"] == [("acme", "r1", "planner/fetcher", "m", 2, 11)]
    await assert_sound(case)


async def test_extra_units_are_kept_and_turned_by_a_reversal(case: LedgerCase) -> None:
    """What is sold beside text tokens stands in the entry, and comes to nothing where the entry is replaced."""
    await case.book(seen(Observer.LEAF, 5, units={"web_searches": 2}))
    context = {"inference_geo": "us"}
    await case.book(seen(Observer.SDK, 5, units={"web_searches": 3, "input_audio_tokens": 4}, context=context))
    assert [row[0] for row in await case.rows("SELECT context::text FROM entry WHERE context IS NOT NULL")] == [
        '{"inference_geo": "us"}'
    ]
    rows = await case.rows("SELECT calls, units::text FROM entry ORDER BY nth NULLS FIRST, calls")
    assert [tuple(row) for row in rows] == [
        (1, '{"web_searches": 2}'), (-1, '{"web_searches": -2}'), (1, '{"web_searches": 3, "input_audio_tokens": 4}'),
    ]  # fmt: skip


async def test_an_aggregate_counts_only_where_no_call_of_its_group_does(case: LedgerCase) -> None:
    """The aggregate first: taken back when the first call of its group comes. The call first: it is a duplicate."""
    aggregate = seen(Observer.AGGREGATE, 50, None, id="run-1", group="g1")
    metric = seen(Observer.METRIC, 60, None, id="metric-1", group="g1")
    assert total(await case.book(metric)) == 60
    assert total(await case.book(aggregate)) == 50
    assert total(await case.book(seen(Observer.LEAF, 5, None, id="span-1", group="g1"))) == 5
    for late in (aggregate, metric, seen(Observer.AGGREGATE, 7, None, id="run-2", group="g1")):
        booked = await case.book(late)
        assert (booked.new, booked.duplicates, booked.conflicts, booked.totals) == (0, 1, 0, ())
    assert total(await case.book(seen(Observer.AGGREGATE, 70, None, id="run-3", group="g2"))) == 75
    assert (await facts(case))["days"][0][2:4] == (2, 75)
    await assert_sound(case)


async def test_a_repeat_of_a_known_call_still_speaks_for_its_group(case: LedgerCase) -> None:
    """The SDK saw the call first and knows no group; the span of the same call is a repeat, and voids the aggregate."""
    await case.book(seen(Observer.SDK, 5))
    assert total(await case.book(seen(Observer.AGGREGATE, 50, None, id="run-1", group="g1"))) == 55
    assert total(await case.book(seen(Observer.LEAF, 6, group="g1"))) == 5
    await assert_sound(case)


async def test_a_call_seen_under_the_id_of_a_voided_aggregate_is_counted(case: LedgerCase) -> None:
    """An aggregate may carry the id of its last call: taken back, it must not swallow that call."""
    await case.book(seen(Observer.AGGREGATE, 50, group="g1"))
    assert total(await case.book(seen(Observer.LEAF, 5, None, id="span-1", group="g1"))) == 5
    assert total(await case.book(seen(Observer.LEAF, 6))) == 11
    await assert_sound(case)


async def test_an_unobserved_event_is_corrected_by_nobody(case: LedgerCase) -> None:
    """An event that says nothing of its observer keeps the rule of old: the first content stands."""
    await case.book(event(nanos=5, id="a", source="s"))
    booked = await case.book(seen(Observer.GATEWAY, 9, None, id="a", source="s"))
    assert (booked.duplicates, booked.conflicts, booked.totals) == (1, 1, ())


async def test_a_correction_moves_the_day_that_the_better_observation_names(case: LedgerCase) -> None:
    """A call at midnight counts in the day of its best observation, and in no other."""
    await case.book(seen(Observer.LEAF, 5, ts=case.now - timedelta(days=1)))
    booked = await case.book(seen(Observer.SDK, 6, ts=case.now))
    assert sorted(touch.nanos for touch in booked.totals) == [0, 6]
    await assert_sound(case)


CALLS = [f"msg_{number:02d}XFDUDYJgAACzvnptvVoYEL" for number in range(4)]


@st.composite
def observations(draw: st.DrawFn) -> list[Event]:
    """Observations of a few calls by several observers, some with groups, and aggregates of those groups."""
    found: list[Event] = []
    for number, call in enumerate(CALLS):
        kinds = draw(
            st.lists(st.sampled_from([Observer.GATEWAY, Observer.SDK, Observer.LEAF]), max_size=3, unique=True)
        )
        for by in kinds:
            agent = draw(st.sampled_from(["unknown", f"a{number}", "b"]))
            found.append(
                seen(
                    by, draw(st.integers(1, 50)), call, agent=agent, run=draw(st.sampled_from([None, "r1", "r2"])),
                    group=draw(st.sampled_from([None, f"g{number % 2}"])), estimated=draw(st.booleans()),
                    tags=draw(st.sampled_from([None, {"team": "x"}])),
                )
            )  # fmt: skip
    for number in range(draw(st.integers(0, 3))):
        by = draw(st.sampled_from([Observer.AGGREGATE, Observer.METRIC]))
        group = draw(st.sampled_from(["g0", "g1", "g2"]))
        found.append(seen(by, draw(st.integers(100, 200)), None, id=f"total-{number}", group=group))
    return found


LEVELS = {Observer.AGGREGATE: 2, Observer.METRIC: 1}
RANKS = {Observer.GATEWAY: 3, Observer.SDK: 2, Observer.LEAF: 1}


def expected(events: list[Event]) -> dict[tuple[str, str | None], tuple[int, int]]:
    """Calls and cost by agent and run: every call at its best observation, aggregates where nothing nearer was seen."""
    calls: dict[object, list[tuple[Event, Seen]]] = defaultdict(list)
    nearest: dict[str | None, int] = defaultdict(int)
    for one in events:
        assert one.seen is not None
        calls[one.seen.response_id or one.id].append((one, one.seen))
        nearest[one.seen.group] = max(nearest[one.seen.group], LEVELS.get(one.seen.by, 3))
    sums: dict[tuple[str, str | None], tuple[int, int]] = {}
    for group in calls.values():
        ranked = sorted(group, key=lambda pair: (not pair[1].estimated, RANKS.get(pair[1].by, 0)), reverse=True)
        best, how = ranked[0]
        if LEVELS.get(how.by, 3) < 3 and nearest[how.group] > LEVELS[how.by]:
            continue
        agent = next((one.agent for one, _ in ranked if one.agent != "unknown"), best.agent)
        run = next((one.run for one, _ in ranked if one.run is not None), best.run)
        count, nanos = sums.get((agent, run), (0, 0))
        sums[agent, run] = (count + 1, nanos + best.input + best.output)
    return sums


async def test_the_order_of_arrival_never_changes_what_anything_comes_to(case: LedgerCase) -> None:
    """Random observations in random order, batches and repeats, against a plain recomputation; verify stays clean."""
    tenants = iter(range(10_000))

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(observations(), st.data())
    def sequences(found: list[Event], data: st.DataObject) -> None:
        order = data.draw(
            st.permutations(found + data.draw(st.lists(st.sampled_from(found), max_size=4)) if found else [])
        )
        cuts = data.draw(st.lists(st.integers(0, len(order)), max_size=4).map(sorted))
        drawn.append((found, [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]))

    drawn: list[tuple[list[Event], list[list[Event]]]] = []
    sequences()
    for found, batches in drawn:
        tenant = f"t{next(tenants)}"
        for batch in batches:
            if batch:
                booked = await case.book(*(_of(one, tenant) for one in batch))
                assert (booked.conflicts, booked.dead) == (0, 0)
        rows = await case.rows(
            "SELECT agent, run, sum(calls)::int AS calls, sum(cost_nanos)::int AS nanos FROM entry WHERE tenant = $1"
            " GROUP BY 1, 2 HAVING sum(calls) <> 0", tenant,
        )  # fmt: skip
        assert {(row["agent"], row["run"]): (row["calls"], row["nanos"]) for row in rows} == expected(found)
    await assert_sound(case)


def _of(one: Event, tenant: str) -> Event:
    fields = {name: getattr(one, name) for name in one.__struct_fields__}
    return Event(**fields | {"tenant": tenant})


@st.composite
def of_one_call(draw: st.DrawFn) -> list[Event]:
    """Observations of one call, many of equal standing by different sources; not all know its agent, run and tags."""
    found: dict[tuple[object, ...], Event] = {}
    for _ in range(draw(st.integers(2, 6))):
        by = draw(st.sampled_from([Observer.LEAF, Observer.SDK]))
        how = (by, draw(st.integers(0, 2)), draw(st.booleans()), draw(st.sampled_from(["s1", "s2"])))
        found[how] = seen(
            by, draw(st.integers(1, 4)), revision=how[1], estimated=how[2], source=how[3],
            agent=draw(st.sampled_from(["unknown", "a", "b"])), run=draw(st.sampled_from([None, "r1", "r2"])),
            tags=draw(st.sampled_from([None, {"team": "x"}, {"team": "y"}])),
        )  # fmt: skip
    return list(found.values())


EMPTIED = "TRUNCATE entry, identity, daily_spend, rollup_hour, run_total, observed_group, dead_letter"
STANDS = (
    "SELECT agent, run, tags::text, sum(calls)::int, sum(cost_nanos)::int FROM entry GROUP BY 1, 2, 3"
    " HAVING sum(calls) <> 0"
)


async def test_equals_are_told_apart_the_same_way_in_every_order(case: LedgerCase) -> None:
    """One call in two random orders, each observation in a batch of its own or several in one: the same stands."""
    drawn: list[tuple[list[Event], list[Event], int]] = []

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(of_one_call(), st.data())
    def sequences(found: list[Event], data: st.DataObject) -> None:
        drawn.append((found, data.draw(st.permutations(found)), data.draw(st.integers(1, 3))))

    sequences()
    for first, second, size in drawn:
        stands: list[list[tuple[object, ...]]] = []
        for order, batch in ((first, 1), (second, size)):
            for start in range(0, len(order), batch):
                assert (await case.book(*order[start : start + batch])).conflicts == 0
            stands.append([tuple(row) for row in await case.rows(STANDS)])
            await case.execute(EMPTIED)
        assert stands[0] == stands[1], (first, second)
        assert len(stands[0]) == 1


async def test_a_held_call_stays_in_its_holds_windows(case: LedgerCase) -> None:
    """The SDK's event names the hold; a gateway's that replaces it never knew it, and counts in the hold's day."""
    yesterday = case.now - timedelta(days=1)
    hold = timed_id(yesterday)
    for by, nanos, named in ((Observer.SDK, 7, hold), (Observer.GATEWAY, 8, None)):
        await case.book(seen(by, nanos, hold=named))
    rows = await case.rows("SELECT day, calls::int, cost_nanos::int FROM daily_spend WHERE calls <> 0")
    day = case.window().day - timedelta(days=1)
    assert [tuple(row) for row in rows] == [(day, 1, 8)]
    booked = await case.book(seen(Observer.LEAF, 7, hold=timed_id(yesterday)))
    assert len(booked.holds) == 1
    await assert_sound(case)


async def test_what_was_learned_from_a_better_one_is_not_lost_to_a_poorer(case: LedgerCase) -> None:
    """Two spans name the same agent; a third, between them in standing, names another: the best one's word stays."""
    await case.book(seen(Observer.GATEWAY, 8, agent="unknown"))
    for revision, agent in ((0, "a"), (2, "a"), (1, "b")):
        await case.book(seen(Observer.LEAF, 5, agent=agent, revision=revision, source=f"s{revision}"))
    assert (await facts(case))["hours"] == [("acme", "a", "m", 1, 8)]


async def test_poison_costs_no_correction(case: LedgerCase) -> None:
    """A batch that Postgres refuses in part is halved: the observation beside the poison corrects, once."""
    await case.book(seen(Observer.LEAF, 5))
    await case.book(seen(Observer.AGGREGATE, 50, None, id="turn", group="g"))
    bad = case.poison(event(nanos=1, id="x", run="poison"), b"poison", b"pois\x00n")
    good = case.records(seen(Observer.SDK, 7, group="g"), event(nanos=2, id="y"))
    batch = case.batch(good, bad)
    with pytest.raises(LedgerRefused):
        await case.ledger.book(0, batch, case.now)
    booked = await case.ledger.book_with_poison(0, batch, case.now)
    assert (booked.new, booked.duplicates, booked.dead) == (1, 1, 1)
    assert (await facts(case))["days"][0][2:4] == (2, 9)
    again = await case.ledger.book_with_poison(0, case.batch(good), case.now)
    assert (again.new, again.duplicates, again.totals) == (0, 2, ())
    await assert_sound(case)
