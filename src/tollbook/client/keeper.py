"""What goes on behind open calls, in one thread: holds are extended, leases asked for, extended and given back."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import quote

from tollbook.client.errors import GateRefused
from tollbook.client.flows import Ask, Reply, Step, extend_flow, lease_flow
from tollbook.client.leases import LeaseBook, LeaseKey
from tollbook.client.wire import CallAsk, ExtendAsk
from tollbook.domain.budget import Fail
from tollbook.domain.decision import Decision, Verdict
from tollbook.domain.money import usd_text

T = TypeVar("T")

_LOG = logging.getLogger("tollbook.keeper")
_UNREACHED_SHARE = 4
"""After an extension that did not reach the server the next try comes after this fraction (1/n) of a third."""


class Driver(Protocol):
    """What carries requests and flows out."""

    def send(self, ask: Ask) -> Reply:
        """One request."""
        ...

    def drive(self, flow: Generator[Step, Reply | None, T]) -> T:
        """A flow, to its end."""
        ...


class OpenHold:
    """A hold whose call is open. Times are seconds that only grow; `lost` is told why it cannot be kept."""

    __slots__ = ("due_at", "ends_at", "fail", "hold_id", "lost", "tenant", "ttl_ms")

    def __init__(
        self, hold_id: str, tenant: str | None, *, ttl_ms: int, now: float, fail: Fail, lost: Callable[[str], None]
    ) -> None:
        self.hold_id = hold_id
        self.tenant = tenant
        self.ttl_ms = ttl_ms
        self.fail = fail
        self.lost = lost
        self.renew(now)

    def renew(self, now: float) -> None:
        """It lives on: the next extension is due at a third of its life."""
        self.due_at = now + self.ttl_ms / 3000
        self.ends_at = now + self.ttl_ms / 1000


class LeaseWish(NamedTuple):
    """A lease to ask for."""

    key: LeaseKey
    ask: CallAsk


class Release(NamedTuple):
    """A hold or lease to give back; `keep_nanos` is what a lease's open parts may still cost."""

    hold_id: str
    tenant: str | None
    keep_nanos: int | None


class Keeper:
    """The thread. `step` does everything that is due at one instant, so that it can be driven without the thread."""

    def __init__(
        self, driver: Callable[[], Driver], book: LeaseBook, *, lease_ttl_ms: int, now: Callable[[], float]
    ) -> None:
        self._driver = driver
        self._book = book
        self._lease_ttl_ms = lease_ttl_ms
        self._now = now
        self._open: dict[str, OpenHold] = {}
        self._tasks: deque[LeaseWish | Release] = deque()
        self._tick_at = now() + lease_ttl_ms / 3000
        self._stopped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="tollbook-keeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def keep(self, hold: OpenHold) -> None:
        """Extend a hold from now on."""
        with self._changed:
            self._open[hold.hold_id] = hold
            self._changed.notify()

    def let_go(self, hold_id: str) -> None:
        """Extend a hold no more."""
        self._open.pop(hold_id, None)

    def want(self, task: LeaseWish | Release) -> None:
        """Do something soon."""
        with self._changed:
            self._tasks.append(task)
            self._changed.notify()

    def close(self, join_s: float) -> None:
        """Give every lease back and end the thread; what the server does not hear of expires by itself."""
        for lease, keep_nanos in self._book.close():
            self._tasks.append(Release(lease.id, lease.key.tenant, keep_nanos))
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(join_s)
        else:
            self.step()

    def _run(self) -> None:
        while True:
            pause_s = self.step()
            with self._changed:
                if self._stopped and not self._tasks:
                    return
                if not self._tasks:
                    self._changed.wait(pause_s)

    def step(self) -> float:
        """Everything that is due now; seconds until something is again."""
        while self._tasks:
            self._do(self._tasks.popleft())
        now = self._now()
        reached = True
        for hold in sorted(self._open.copy().values(), key=lambda one: one.due_at):
            # One request that finds the server away is enough for a round: each costs a time-out.
            if hold.due_at <= now and reached:
                reached = self._extend(hold)
            if hold.ends_at <= self._now():
                self._run_out(hold)
        if self._tick_at <= now:
            self._tick_at = now + self._lease_ttl_ms / 3000
            self._tick(now)
        due = min((hold.due_at for hold in self._open.copy().values()), default=self._tick_at)
        return max(0.005, min(due, self._tick_at) - self._now())

    def _extend(self, hold: OpenHold) -> bool:
        """Ask for another life; whether the server was reached."""
        now = self._now()
        decision = self._asked(hold.hold_id, ExtendAsk(tenant=hold.tenant, ttl_ms=hold.ttl_ms))
        if decision.verdict.admits:
            hold.renew(now)
            return True
        if decision.verdict is Verdict.UNSURE:
            hold.due_at = self._now() + hold.ttl_ms / 3000 / _UNREACHED_SHARE
            return False
        self._lose(hold, decision.detail)
        return True

    def _asked(self, hold_id: str, ask: ExtendAsk) -> Decision:
        try:
            return self._driver().drive(extend_flow(hold_id, ask, fail=Fail.CLOSED))
        except GateRefused as refused:
            return Decision(verdict=Verdict.SPENT, detail=str(refused))

    def _run_out(self, hold: OpenHold) -> None:
        if hold.fail is Fail.CLOSED:
            self._lose(hold, "its life is over and the server could not be reached")
        elif self._open.pop(hold.hold_id, None) is not None:
            _LOG.warning("hold %s is over before its call, which goes on: the server is away", hold.hold_id)

    def _lose(self, hold: OpenHold, why: str) -> None:
        if self._open.pop(hold.hold_id, None) is not None:
            hold.lost(why)

    def _tick(self, now: float) -> None:
        extend, give_back = self._book.due(now)
        for lease in extend:
            decision = self._asked(lease.id, ExtendAsk(tenant=lease.key.tenant, ttl_ms=self._lease_ttl_ms))
            if decision.verdict.admits:
                self._book.extended(lease, now + self._lease_ttl_ms / 1000)
            elif decision.verdict is not Verdict.UNSURE or lease.ends_at <= self._now():
                self._book.lost(lease, decision.detail)
        for lease, keep_nanos in give_back:
            self._release(Release(lease.id, lease.key.tenant, keep_nanos))

    def _do(self, task: LeaseWish | Release) -> None:
        if isinstance(task, Release):
            self._release(task)
            return
        asked_at = self._now()
        lease = None
        try:
            granted = self._driver().drive(lease_flow(task.ask))
            if granted.decision.verdict.admits and granted.answer is not None:
                lease = granted.answer.lease
        except GateRefused as refused:
            _LOG.warning("no lease for %s: %s", task.key.agent, refused)
        finally:
            self._book.granted(task.key, lease, asked_at + self._lease_ttl_ms / 1000)

    def _release(self, release: Release) -> None:
        query = [] if release.tenant is None else [f"tenant={quote(release.tenant, safe='')}"]
        if release.keep_nanos is not None:
            query.append(f"keep_usd={usd_text(release.keep_nanos)}")
        path = f"/v1/holds/{release.hold_id}" + (f"?{'&'.join(query)}" if query else "")
        reply = self._driver().send(Ask("DELETE", path))
        if reply.status != 200:
            _LOG.info("hold %s is left to expire: %s", release.hold_id, reply.status or "not reached")
