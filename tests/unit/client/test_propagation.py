"""The scope crosses processes by headers, and reaches nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.client.propagation import extract, inject, strip
from tollbook.client.scope import Scope

SEGMENT = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="/#"), min_size=1, max_size=12)
TAGS = st.dictionaries(SEGMENT, SEGMENT, min_size=1, max_size=4)


@given(st.lists(SEGMENT, min_size=1, max_size=4).map("/".join), SEGMENT, SEGMENT, st.none() | TAGS)
def test_what_is_injected_is_extracted(agent: str, run: str, tenant: str, tags: dict[str, str] | None) -> None:
    scope = Scope(agent, run, tenant, tags)
    headers: dict[str, str] = {}
    inject(headers, scope)
    assert all(value.isascii() for value in headers.values())
    assert extract(headers) == scope
    # A hop that hands on nothing but baggage loses nothing.
    assert extract({"Baggage": headers["baggage"]}) == scope


def test_members_of_others_stay() -> None:
    headers = {"Baggage": "userId=alice;p=1, tollbook.agent=old", "x-other": "1"}
    inject(headers, Scope("planner", "r1"))
    assert headers["baggage"].startswith("userId=alice;p=1,")
    assert extract(headers) == Scope("planner", "r1")
    strip(headers)
    assert headers == {"baggage": "userId=alice;p=1", "x-other": "1"}


def test_baggage_stays_within_its_bounds() -> None:
    headers = {"baggage": ",".join(f"k{number}={'v' * 40}" for number in range(170))}
    inject(headers, Scope("a", "r", None, {f"t{number}": "v" * 100 for number in range(40)}))
    assert len(headers["baggage"]) <= 8_192
    assert headers["baggage"].count(",") < 180
    found = extract(headers)
    assert found is not None
    assert (found.agent, found.run) == ("a", "r")


@pytest.mark.parametrize("headers", [{}, {"baggage": "a=b"}, {"baggage": "=;,"}, {"x-tollbook-agent": "a//b"}])
def test_what_says_nothing_extracts_to_nothing(headers: dict[str, str]) -> None:
    assert extract(headers) is None


def test_own_headers_win_over_baggage() -> None:
    found = extract({"X-Tollbook-Agent": "planner", "baggage": "tollbook.agent=other,tollbook.run=r1"})
    assert found == Scope("planner", "r1")
