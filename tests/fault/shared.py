"""What tests that share a running system do with it: send for a while, look at it, judge all that was ever sent."""

import contextlib
import http.client
import itertools
import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import redis

from tests.fault.senders import Senders, Sent, Tally
from tests.fault.system import System
from tests.servers import fetch_value
from tollbook.embedded.process import wait_until

LIMITS = {"stark": 1, "hooli": 10**9}
PATIENCE_S = 60.0


class Shared:
    """A running system, and every event it has ever been sent."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.tally = Tally()
        self._rounds = itertools.count()

    @contextlib.contextmanager
    def sending(self, count: int = 2, **how: object) -> Iterator[Senders]:
        """Senders run inside; what they sent is remembered afterwards."""
        senders = self.system.senders(count, f"round-{next(self._rounds)}", **how)
        senders.start()
        try:
            yield senders
        finally:
            self.tally.add(senders.stop())

    def assert_right(self) -> None:
        """Everything up and at rest: the books hold exactly what was sent."""
        self.system.revive()
        self.system.await_ready()
        self.system.await_rest()
        differences = self.system.audit(self.tally).differences
        assert not differences, "\n".join(differences)

    def valkey(self) -> redis.Redis:
        """A client of the system's Valkey; the caller closes it."""
        return redis.Redis.from_url(self.system.valkey.url)

    def inbox_records(self) -> int:
        """How many records wait in the inbox."""
        return int(str(fetch_value(self.system.postgres.url, "SELECT count(*) FROM inbox")))

    def post(self, event: Sent, *, ack: str = "journal") -> tuple[int, str | None]:
        """Report an event of an unpriced model once; the status and what `Retry-After` says.

        An empty `ack` leaves it to the receiver what an acknowledgement means.
        """
        body: dict[str, object] = {
            "id": event.event_id,
            "tenant": event.tenant,
            "agent": event.agent,
            "model": event.model,
        }
        body |= {"input": event.input, "output": event.output}
        connection = http.client.HTTPConnection(urlsplit(self.system.serves[0].url).netloc, timeout=60)
        headers = {"authorization": f"Bearer {self.system.key}", "content-type": "application/json"}
        with contextlib.closing(connection):
            connection.request("POST", f"/v1/events?ack={ack}" if ack else "/v1/events", json.dumps(body), headers)
            with connection.getresponse() as answer:
                answer.read()
                if answer.status == 202:
                    self.tally.sent[event.tenant, event.event_id] = event
                    self.tally.acked[event.tenant, event.event_id] = time.monotonic()
                return answer.status, answer.headers["retry-after"]


def unpriced(tenant: str, event_id: str, tokens: int) -> Sent:
    """An event that costs 20 micro-dollars a token, the ceiling of a model that has no price."""
    return Sent(tenant, event_id, "a", "nobody-prices-this", None, tokens, 0, 0, None, tokens * 20_000)


def eventually(condition: Callable[[], bool], what: str, deadline_seconds: float = PATIENCE_S) -> float:
    """Wait for a condition; how many seconds that took."""
    started = time.monotonic()
    assert wait_until(condition, deadline_seconds=deadline_seconds, every_seconds=0.05), f"never: {what}"
    return time.monotonic() - started


def more_acked(senders: Senders, events: int) -> None:
    """Wait until so many more events are acknowledged."""
    target = senders.acked + events
    eventually(lambda: senders.acked >= target, f"{events} more events acknowledged")
