"""The holds port on real servers: deciding, settling, extending, releasing, expiring."""

import pytest

from tests.contract.holds_case import HoldsCase
from tests.contract.journal_case import JournalCase
from tollbook.ports.holds import HoldCode, HoldState

pytestmark = pytest.mark.anyio


@pytest.fixture
async def holds(case: JournalCase) -> HoldsCase:
    await case.warm()
    return HoldsCase(case)


async def test_a_hold_is_settled_by_the_event_that_names_it(holds: HoldsCase) -> None:
    """What was held leaves the meters in the step that counts what it cost."""
    calls = holds.meter()
    answer = await holds.hold("h1", holds.check(holds.day, 10, 7), holds.check(calls, 1, 1))
    assert (answer.code, answer.amounts, answer.state) == (HoldCode.HELD, (7, 1), HoldState.OPEN)
    assert await holds.held() == {holds.day: 7, calls: 1}
    assert (await holds.hold("h2", holds.check(calls, 1, 1))).code is HoldCode.BUSY
    posted = await holds.post(5, meters=[holds.touch(calls, 1)], uses=[holds.use("h1", 5)])
    assert [(use.state, use.overage_nanos) for use in posted.holds] == [(HoldState.OPEN, 0)]
    assert await holds.held() == {}
    assert await holds.pending() == {holds.day: 5, calls: 1}
    assert (await holds.hold("h2", holds.check(calls, 1, 1))).code is HoldCode.SPENT
    total = holds.total(calls, 1)
    assert (await holds.settle((0, 1), total, records=await holds.case.records())).removed == 1
    assert (await holds.pending(), await holds.settled()) == ({}, {calls: 1})
    assert (await holds.hold("h2", holds.check(calls, 1, 1))).code is HoldCode.SPENT
