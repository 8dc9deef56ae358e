"""Who calls: what a payload says, then headers, then the query, then the key."""

import pytest

from tollbook.domain.limits import IntakeLimits
from tollbook.ingest.observed import agent_of, moment, tags_of
from tollbook.ingest.origin import origin_of


def test_a_header_counts_before_the_query_and_both_before_the_key() -> None:
    headers = {"x-tollbook-agent": "header", "other": "x"}
    query = {"agent": "query", "run": "query"}
    origin = origin_of(headers, query, tenant="key", agent="key", run="key")
    assert (origin.agent, origin.run, origin.tenant, origin.call) == ("header", "query", "key", None)
    assert origin.attributes == headers


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("planner", "planner"),
        ("/a//b/", "a/b"),
        ("a#", "a"),
        ("#", None),
        (" ", None),
        (7, None),
        ("a\x00b", "a b"),
        ("/".join("abcdefghijklmnopqrstuvwxyz"), "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"),
    ],
)
def test_a_foreign_name_becomes_a_path(name: object, path: str | None) -> None:
    assert agent_of(name) == path


def test_tags_that_do_not_fit_are_cut_or_left_out() -> None:
    limits = IntakeLimits()
    tags = {"long": "x" * 300, "": "x", "k" * 65: "x", "bad": "a\x00", "none": None, "list": [1], "n": 7, "blank": " "}
    assert tags_of(tags, limits) == {"long": "x" * 256, "n": "7"}
    assert len(tags_of({str(number): "x" for number in range(99)}, limits)) == limits.tags_max


@pytest.mark.parametrize("value", [True, None, "", "soon", 0, -5, 10**18, [], float("inf"), float("nan")])
def test_what_is_no_time_is_none(value: object) -> None:
    assert moment(value) is None
