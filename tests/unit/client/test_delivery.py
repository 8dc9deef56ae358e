"""What an answer means for each event of a batch."""

import msgspec
import pytest

from tollbook.client.delivery import Backoff, body_of, delivery_of
from tollbook.client.flows import Reply
from tollbook.client.spool import Spooled

BATCH = [Spooled(number, f"id-{number}", b'{"n":%d}' % number) for number in range(3)]
BAD = {"index": 1, "code": "field_invalid", "detail": "why"}


def reply(status: int, **body: object) -> Reply:
    return Reply(status, msgspec.json.encode(body))


def test_a_batch_is_an_array() -> None:
    assert msgspec.json.decode(body_of(BATCH)) == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_202_lets_accepted_events_go_and_buries_the_rejected() -> None:
    delivery = delivery_of(BATCH, reply(202, accepted=2, rejected=[BAD]))
    assert delivery.accepted == [BATCH[0], BATCH[2]]
    assert [(one.event, one.code, one.detail) for one in delivery.refused] == [(BATCH[1], "field_invalid", "why")]
    assert not delivery.waiting


@pytest.mark.parametrize(
    "answer",
    [
        Reply(202, b""),
        Reply(202, b"<html>"),
        reply(202, accepted=2, rejected=[]),
        reply(202, accepted=3, rejected=[BAD]),
        reply(202, accepted=2, rejected=[{**BAD, "index": 9}]),
        reply(200, accepted=3, rejected=[]),
        reply(302),
        reply(401, code="unauthorized"),
        reply(404),
        reply(429),
        reply(500),
        reply(503, code="journal_unavailable"),
        Reply(0, b"refused"),
    ],
)
def test_anything_but_a_202_that_accounts_for_all_keeps_them_all(answer: Reply) -> None:
    delivery = delivery_of(BATCH, answer)
    assert (delivery.accepted, delivery.refused, delivery.waiting) == ([], [], BATCH)
    assert delivery.failure


def test_all_rejected_are_buried() -> None:
    rejected = [{**BAD, "index": index} for index in range(3)]
    delivery = delivery_of(BATCH, reply(422, code="field_invalid", accepted=0, rejected=rejected))
    assert len(delivery.refused) == 3
    assert not delivery.waiting


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_batch_refused_whole_is_split_until_one_event_is_at_fault(status: int) -> None:
    answer = reply(status, code="body_too_large", detail="too large")
    assert delivery_of(BATCH, answer).split
    alone = delivery_of(BATCH[:1], answer)
    assert [one.code for one in alone.refused] == ["body_too_large"]


def test_a_commit_that_is_late_is_not_repeated_soon() -> None:
    assert (delivery_of(BATCH, reply(503, code="commit_timeout")).pause_s or 0) >= 30


def test_pauses_double_up_to_a_minute_and_begin_anew() -> None:
    backoff = Backoff()
    pauses = [backoff.failed(None, 0.999) for _ in range(12)]
    assert pauses == sorted(pauses)
    assert 0.25 <= pauses[0] <= 0.5
    assert 30 <= pauses[-1] <= 60
    assert backoff.failed(300.0, 0.5) == 300.0
    backoff.succeeded()
    assert backoff.failed(None, 0.5) < 1
