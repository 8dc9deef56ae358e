"""Standings order observations; ids name calls only where they can tell them apart."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.domain.event import Observer, Seen
from tollbook.domain.observation import (
    LEVEL_SHIFT,
    REVISION_MAX,
    UNOBSERVED,
    call_identity,
    call_name,
    figures_differ,
    group_key,
    is_estimated,
    is_telling,
    observer_of,
    standing_of,
)

POOREST_FIRST = [
    Seen(by=Observer.METRIC, estimated=True),
    Seen(by=Observer.METRIC, revision=9),
    Seen(by=Observer.AGGREGATE, estimated=True),
    Seen(by=Observer.AGGREGATE),
    Seen(by=Observer.LEAF, estimated=True),
    Seen(by=Observer.GATEWAY, estimated=True),
    Seen(by=Observer.LEAF),
    Seen(by=Observer.LEAF, revision=1),
    Seen(by=Observer.LEAF, revision=REVISION_MAX),
    Seen(by=Observer.SDK),
    Seen(by=Observer.GATEWAY),
]


def test_the_nearer_to_the_bill_the_greater() -> None:
    """Calls before aggregates before metrics, reported before estimated, then the observer, then the revision."""
    for poorer, better in pairwise(POOREST_FIRST):
        assert UNOBSERVED < standing_of(poorer) < standing_of(better)
    assert [standing_of(seen) >> LEVEL_SHIFT for seen in POOREST_FIRST] == [1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3]


@given(st.sampled_from(Observer), st.booleans(), st.integers(-5, 1 << 40))
def test_a_standing_tells_who_saw_it(by: Observer, estimated: bool, revision: int) -> None:
    """Any revision stays below the rank, and a standing is a 4-byte integer."""
    standing = standing_of(Seen(by=by, estimated=estimated, revision=revision))
    assert (observer_of(standing), is_estimated(standing)) == (by, estimated)
    assert 0 < standing < 1 << 31


def test_an_unobserved_event_has_no_observer() -> None:
    assert (standing_of(None), observer_of(UNOBSERVED), is_estimated(UNOBSERVED)) == (UNOBSERVED, None, False)


@pytest.mark.parametrize(
    "provider_id",
    [
        "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "msg_01XFDUDYJgAACzvnptvVoYEL", "req_011CSHoEeqs5C35K2UUqR7Fy",
        "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b", "kV2SaPvlDI2Xm9IPy-3x8QM", "gen-1742219134-AbCdEfGhIj",
        "7d0c6a4e-1c2b-4f0e-9b8d-2a5f3c1e0d9a", "chatcmpl-7d0c6a4e1c2b4f0e9b8d2a5f3c1e0d9a", "cmpl-e1c2b4f09b8d2",
        "0123456789876543210123",
    ],
)  # fmt: skip
def test_an_id_of_a_provider_names_its_call(provider_id: str) -> None:
    assert is_telling(provider_id)
    assert call_name(Seen(by=Observer.SDK, response_id=provider_id)) == provider_id
    assert call_name(Seen(by=Observer.SDK, response_id="1", request_id=provider_id)) == provider_id


@pytest.mark.parametrize(
    "provider_id",
    [
        "chatcmpl-123", "chatcmpl-000000000123", "1", "run-1", "msg_", "00000000-0000-0000-0000-000000000000",
        "1764352000123",
    ],
)  # fmt: skip
def test_an_id_that_may_come_again_names_none(provider_id: str) -> None:
    assert not is_telling(provider_id)
    assert call_name(Seen(by=Observer.SDK, response_id=provider_id)) is None


def test_tenants_share_neither_calls_nor_groups() -> None:
    """A length stands before the tenant, so that no two pairs read the same."""
    assert len({call_identity("a", "bc"), call_identity("ab", "c"), group_key("a", "bc"), group_key("ab", "c")}) == 4


@pytest.mark.parametrize(
    ("reported", "cost", "differ"),
    [
        (100, 100, False),
        (90, 100, False),
        (89, 100, True),
        (100, 90, False),
        (100, 89, True),
        (0, 0, False),
        (0, 1, True),
    ],
)
def test_figures_differ_by_a_share_of_the_greater(reported: int, cost: int, differ: bool) -> None:
    assert figures_differ(reported, cost, 10) is differ
