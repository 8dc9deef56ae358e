"""What an answer to a batch of events means for each of them, without any I/O."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tollbook.client.flows import Reply
from tollbook.client.spool import Refused, Spooled
from tollbook.client.wire import problem_of

_REFUSED_WHOLE = (400, 413, 415, 422)
_PAUSE_S = 0.5
_PAUSE_S_MAX = 60.0
# Asked for `ack=ledger`, a server whose Postgres is away has journalled the events and waits for the commit. Each
# repeat counts in pending until it is drained, so that repeats have to be rare.
_UNCOMMITTED_PAUSE_S = 30.0
_UNCOMMITTED = "commit_timeout"


class Delivery(NamedTuple):
    """What becomes of each event of a batch. `failure` says why the others wait on, empty where none does.

    `split`: the batch as a whole is refused, so that smaller ones have to find out which event is at fault.
    """

    accepted: list[Spooled]
    refused: list[Refused]
    waiting: list[Spooled]
    failure: str = ""
    split: bool = False
    pause_s: float | None = None


class _Rejection(msgspec.Struct):
    index: int
    code: str
    detail: str = ""


class _Answer(msgspec.Struct):
    accepted: int = 0
    rejected: list[_Rejection] = []


def body_of(batch: Sequence[Spooled]) -> bytes:
    """The batch as the body of a request."""
    return b"[" + b",".join(event.body for event in batch) + b"]"


def delivery_of(batch: Sequence[Spooled], reply: Reply) -> Delivery:
    """Sort the batch by the reply. Only a 202 that accounts for every event lets events go."""
    events = list(batch)
    try:
        answer = msgspec.json.decode(reply.body, type=_Answer)
    except (msgspec.DecodeError, ValueError):
        answer = _Answer()
    rejected = {one.index: one for one in answer.rejected if 0 <= one.index < len(events)}
    refused = [Refused(event, rejected[i].code, rejected[i].detail) for i, event in enumerate(events) if i in rejected]
    others = [event for i, event in enumerate(events) if i not in rejected]
    if reply.status == 202:
        if answer.accepted == len(others) and len(rejected) == len(answer.rejected):
            return Delivery(others, refused, [])
        return Delivery([], [], events, "the answer does not account for every event")
    if reply.status == 0:
        return Delivery([], [], events, f"not reached: {reply.body.decode('utf-8', 'replace')}")
    if 400 <= reply.status < 500 and refused:
        return Delivery([], refused, others)
    problem = problem_of(reply.body)
    failure = f"{reply.status} {problem.code}: {problem.detail}"
    if reply.status in _REFUSED_WHOLE:
        if len(events) > 1:
            return Delivery([], [], events, failure, split=True)
        code = problem.code or f"status_{reply.status}"
        return Delivery([], [Refused(event, code, problem.detail) for event in events], [])
    pause_s = reply.retry_after_s
    if problem.code == _UNCOMMITTED:
        pause_s = max(pause_s or 0.0, _UNCOMMITTED_PAUSE_S)
    return Delivery([], [], events, failure, pause_s=pause_s)


class Backoff:
    """How long to wait after failures in a row: doubling from half a second to a minute, spread by chance."""

    def __init__(self) -> None:
        self._failures = 0

    def succeeded(self) -> None:
        """Begin anew."""
        self._failures = 0

    def failed(self, asked_s: float | None, chance: float) -> float:
        """Seconds until the next try: at least what the server asked for; `chance` in [0, 1)."""
        own_s = min(_PAUSE_S * 2.0 ** min(self._failures, 10), _PAUSE_S_MAX) * (0.5 + chance / 2)
        self._failures += 1
        return max(own_s, asked_s or 0.0)
