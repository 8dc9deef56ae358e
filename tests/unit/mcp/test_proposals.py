"""A proposal is its key's, is used once, and ends."""

from tollbook.domain.terms import Terms
from tollbook.mcp.proposals import Change, Proposals

CHANGE = Change("daily", "acme", Terms(window="day", limit_usd="1"), 0)


class Time:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_proposal_is_taken_once_by_its_key() -> None:
    kept = Proposals(Time())
    proposal = kept.keep("key-a", CHANGE)
    assert kept.take("key-b", proposal) is None
    assert kept.take("key-a", proposal) == CHANGE
    assert kept.take("key-a", proposal) is None


def test_a_proposal_ends() -> None:
    time = Time()
    kept = Proposals(time)
    early, late = kept.keep("key-a", CHANGE), kept.keep("key-a", CHANGE)
    time.now = Proposals.life_s - 1
    assert kept.take("key-a", early) == CHANGE
    time.now = Proposals.life_s
    assert kept.take("key-a", late) is None


def test_proposals_that_nobody_sets_take_no_memory_for_good_and_nothing_from_others() -> None:
    kept = Proposals(Time())
    others = kept.keep("key-b", CHANGE)
    first = kept.keep("key-a", CHANGE)
    rest = [kept.keep("key-a", CHANGE) for _ in range(50)]
    assert kept.take("key-a", first) is None
    assert len(set(rest)) == 50
    assert kept.take("key-a", rest[0]) == CHANGE
    assert kept.take("key-a", rest[-1]) == CHANGE
    assert kept.take("key-b", others) == CHANGE
