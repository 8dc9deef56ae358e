"""Open holds live on, and a call whose hold cannot is told (rule 18)."""

from collections.abc import Generator
from typing import TypeVar

import msgspec
import pytest

from tollbook.client.flows import Ask, Pause, Reply, Step
from tollbook.client.keeper import Keeper, OpenHold, Release
from tollbook.client.leases import LeaseBook
from tollbook.domain.budget import Fail

T = TypeVar("T")

ALLOWED = Reply(200, b'{"decision": "allow", "detail": ""}')
AWAY = Reply(0, b"refused")


class Wire:
    """Answers by a plan, and keeps what was asked."""

    def __init__(self, answer: Reply) -> None:
        self.answer = answer
        self.asked: list[Ask] = []

    def send(self, ask: Ask) -> Reply:
        self.asked.append(ask)
        return self.answer

    def drive(self, flow: Generator[Step, Reply | None, T]) -> T:
        step = next(flow)
        while True:
            assert not isinstance(step, Pause)
            try:
                step = flow.send(self.send(step))
            except StopIteration as done:
                outcome: T = done.value
                return outcome


class World:
    """A keeper on a clock that the test moves, with one open hold of a minute."""

    def __init__(self, answer: Reply, fail: Fail = Fail.CLOSED) -> None:
        self.now = 0.0
        self.wire = Wire(answer)
        self.lost: list[str] = []
        self.keeper = Keeper(lambda: self.wire, LeaseBook(calls=1), lease_ttl_ms=600_000, now=lambda: self.now)
        self.hold = OpenHold("h1", "acme", ttl_ms=60_000, now=0.0, fail=fail, lost=self.lost.append)
        self.keeper.keep(self.hold)

    def at(self, now: float) -> float:
        self.now = now
        return self.keeper.step()


def test_a_hold_is_extended_at_a_third_of_its_life() -> None:
    world = World(ALLOWED)
    assert world.at(19.9) == pytest.approx(0.1)
    assert world.wire.asked == []
    assert world.at(20.0) == pytest.approx(20.0)
    (ask,) = world.wire.asked
    assert (ask.method, ask.path) == ("PATCH", "/v1/holds/h1")
    assert msgspec.json.decode(ask.body or b"") == {"tenant": "acme", "ttl_ms": 60_000}
    world.at(40.0)
    assert world.hold.ends_at == 100.0


def test_a_hold_that_the_server_knows_no_more_is_lost_at_once() -> None:
    world = World(Reply(404, b'{"code": "not_found", "detail": "it expired"}'), Fail.OPEN)
    world.at(20.0)
    assert world.lost == ["it expired"]
    world.at(40.0)
    assert len(world.wire.asked) == 1


def test_with_the_server_away_a_strict_call_stops_when_its_hold_ends_and_not_before() -> None:
    world = World(AWAY)
    assert world.at(20.0) == pytest.approx(5.0)
    for now in (25.0, 30.0, 59.9):
        world.at(now)
        assert world.lost == []
    world.at(60.0)
    assert len(world.lost) == 1


def test_with_the_server_away_a_call_that_is_open_goes_on() -> None:
    world = World(AWAY, Fail.OPEN)
    for now in (20.0, 40.0, 60.0, 80.0):
        world.at(now)
    assert world.lost == []
    assert len(world.wire.asked) == 3


def test_a_server_that_comes_back_in_time_saves_the_hold() -> None:
    world = World(AWAY)
    world.at(20.0)
    world.wire.answer = ALLOWED
    world.at(59.0)
    world.at(61.0)
    assert world.lost == []


def test_one_request_that_finds_the_server_away_is_enough_for_a_round() -> None:
    world = World(AWAY)
    for number in range(50):
        world.keeper.keep(OpenHold(f"x{number}", None, ttl_ms=60_000, now=0.0, fail=Fail.OPEN, lost=world.lost.append))
    world.at(20.0)
    assert len(world.wire.asked) == 1


def test_what_is_let_go_is_not_extended() -> None:
    world = World(ALLOWED)
    world.keeper.let_go("h1")
    world.at(30.0)
    assert world.wire.asked == []


def test_a_release_names_the_tenant_and_what_is_to_be_kept() -> None:
    world = World(Reply(200, b"{}"))
    world.keeper.want(Release("h/2", "a b", None))
    world.keeper.want(Release("l1", None, 12))
    world.at(0.0)
    assert [ask.path for ask in world.wire.asked] == ["/v1/holds/h/2?tenant=a%20b", "/v1/holds/l1?keep_usd=0.000000012"]
