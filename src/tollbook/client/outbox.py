"""Sends what the spool holds, in batches, from one background thread; an event leaves it only with an answer."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from tollbook.client.delivery import Backoff, Delivery, body_of, delivery_of
from tollbook.client.errors import SpoolFull, SpoolUnusable
from tollbook.client.flows import Ask, Reply
from tollbook.client.spool import Spool, Spooled, SpoolStatus

_LOG = logging.getLogger("tollbook.outbox")
_SEND_TIMEOUT_S = 30.0
_JOIN_S = 1.0
_IDLE_S = 5.0
"""How often a thread with nothing to do looks for events that another process left behind."""
_LINGER_S = 0.05
"""How long the first event waits for company."""


class Sender(Protocol):
    """What sends requests."""

    def send(self, ask: Ask, *, timeout_s: float | None = None) -> Reply:
        """One request; status 0 where the server is not reached."""
        ...


class OutboxStatus(NamedTuple):
    """How the outbox stands; `failure` is why the last try sent nothing, empty where it did."""

    spool: SpoolStatus
    failure: str


class Outbox:
    """One process's sender for a spool. `sender` is called once, in the thread, when there is something to send.

    `on_accepted` is told the ids that the server took, in the thread.
    """

    def __init__(
        self,
        spool: Spool,
        sender: Callable[[], Sender],
        *,
        ack: str = "ledger",
        batch_events: int = 500,
        on_accepted: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:
        self._spool = spool
        self._sender = sender
        self._path = "/v1/events" if ack == "auto" else f"/v1/events?ack={ack}"
        self._batch_events = self._batch_now = batch_events
        self._on_accepted = on_accepted
        self._backoff = Backoff()
        self._failure = ""
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="tollbook-outbox", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, event_id: str, body: bytes, *, durable: bool) -> None:
        """Take an event; with `durable` it is on disk when this returns. Raises `SpoolFull`, `SpoolUnusable`."""
        if durable:
            self._spool.add(event_id, body)
        else:
            self._spool.add_soon(event_id, body)
        if not self._wake.is_set():
            self._wake.set()

    def flush(self, timeout_s: float) -> int:
        """Send what waits, in the calling thread; how many of those events still wait when it ends."""
        deadline = time.monotonic() + timeout_s
        self._write_down()
        place = self._spool.last_place()
        if place is None:
            return 0
        while (left_s := deadline - time.monotonic()) > 0:
            delivery = self.send_batch(min(left_s, _SEND_TIMEOUT_S))
            if delivery is None or self._failure or self._spool.waiting_up_to(place) == 0:
                break
        return self._spool.waiting_up_to(place)

    def status(self) -> OutboxStatus:
        """How it stands."""
        return OutboxStatus(self._spool.status(), self._failure)

    def send_batch(self, timeout_s: float = _SEND_TIMEOUT_S) -> Delivery | None:
        """Send one batch and do what the answer says; None where nothing waits or another sends for all that time.

        Raises `SpoolFull`, `SpoolUnusable`.
        """
        if not self._sending.acquire(timeout=timeout_s):
            return None
        try:
            with self._spool.sending(timeout_s) as ours:
                return self._send(timeout_s) if ours else None
        finally:
            self._sending.release()

    def _send(self, timeout_s: float) -> Delivery | None:
        self._write_down()
        batch = self._spool.oldest(self._batch_now)
        if not batch:
            return None
        delivery = delivery_of(batch, self._sender().send(self._ask(batch), timeout_s=timeout_s))
        self._settle(delivery, len(batch))
        return delivery

    def _write_down(self) -> None:
        """Put on disk what has room; the rest waits in memory until sending has made room."""
        with suppress(SpoolFull):
            self._spool.write()

    def _ask(self, batch: Sequence[Spooled]) -> Ask:
        return Ask("POST", self._path, body_of(batch))

    def _settle(self, delivery: Delivery, size: int) -> None:
        if delivery.refused:
            self._spool.bury(delivery.refused)
            first = delivery.refused[0]
            _LOG.error(
                "%d events were refused and lie in %s; the first: %s, %s",
                len(delivery.refused), self._spool.path, first.code, first.detail,
            )  # fmt: skip
        if delivery.accepted:
            self._spool.remove(delivery.accepted)
            self._on_accepted([event.id for event in delivery.accepted])
        self._failure = "" if delivery.split else delivery.failure
        self._batch_now = max(1, size // 2) if delivery.split else min(self._batch_events, self._batch_now * 2)

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            self._wake.clear()
            delivery = self._step()
            if self._failure:
                asked_s = None if delivery is None else delivery.pause_s
                pause_s = self._backoff.failed(asked_s, random.random())  # noqa: S311 - spreads retries
                continue
            self._backoff.succeeded()
            pause_s = 0.0
            if delivery is None and self._wake.wait(_IDLE_S):
                pause_s = _LINGER_S

    def _step(self) -> Delivery | None:
        try:
            delivery = self.send_batch()
            if delivery is None:
                self._failure = ""
                self._spool.checkpoint()
        except (SpoolFull, SpoolUnusable) as error:
            _LOG.error("%s", error)
            self._failure = str(error)
            return None
        return delivery

    def before_fork(self) -> None:
        """Let the file go."""
        self._spool.before_fork()

    def after_fork(self) -> None:
        """In the parent: go on."""
        self._spool.after_fork()

    def close(self, flush_s: float) -> None:
        """Flush for so long, then stop; what is left stays on disk for the next process."""
        self._stop.set()
        self._wake.set()
        try:
            self.flush(flush_s)
        finally:
            if self._thread.is_alive():
                self._thread.join(_JOIN_S)
            self._spool.close()
