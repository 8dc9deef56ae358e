"""What both clients share: one outbox, one view, one keeper, one book of leases. Each part starts when it is needed."""

import asyncio
import atexit
import functools
import importlib
import os
import random
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from tollbook.client.direct import DirectCheck
from tollbook.client.flows import Patience
from tollbook.client.keeper import Keeper, LeaseWish
from tollbook.client.leases import LeaseBook, LeaseKey, Part
from tollbook.client.outbox import Outbox, OutboxStatus
from tollbook.client.settings import ClientSettings
from tollbook.client.spool import Spool
from tollbook.client.view import View
from tollbook.client.watcher import Watcher
from tollbook.client.wire import CallAsk
from tollbook.domain.budget import Fail, Mode
from tollbook.domain.errors import ConfigError

if TYPE_CHECKING:
    from tollbook.client.transport import AsyncTransport, Transport

_CLOSE_JOIN_S = 2.0
monotonic = time.monotonic


class Engine:
    """The parts behind a client. Close it."""

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self.tenant = settings.tenant or None
        self.hold_mode = None if settings.hold_mode == "auto" else Mode(settings.hold_mode)
        self.patience = Patience(settings.wait_s, monotonic, random.random)
        self._lock = threading.RLock()
        self._begin()
        self._weak = weakref.ref(self)
        self._at_exit = functools.partial(_at_exit, self._weak)
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            # Hooks cannot be taken back: they know the engine only as long as somebody else does.
            os.register_at_fork(
                before=functools.partial(_around_fork, self._weak, Engine.before_fork),
                after_in_parent=functools.partial(_around_fork, self._weak, Engine.after_fork),
                after_in_child=functools.partial(_around_fork, self._weak, Engine.forked),
            )

    def _begin(self) -> None:
        self.book = LeaseBook(calls=self.settings.lease_calls)
        self._transport: Transport | None = None
        self._async_transport: AsyncTransport | None = None
        self._outbox: Outbox | None = None
        self._keeper: Keeper | None = None
        self._view: View | None = None
        self._watcher: Watcher | None = None
        self._direct: DirectCheck | None = None
        self.closed = False

    def before_fork(self) -> None:
        """Let the outbox's file go for the moment of a fork."""
        self._lock.acquire()
        if self._outbox is not None and not self.closed:
            self._outbox.before_fork()

    def after_fork(self) -> None:
        """In the parent: go on."""
        if self._outbox is not None and not self.closed:
            self._outbox.after_fork()
        self._lock.release()

    def forked(self) -> None:
        """In a child process: begin anew, since threads, connections and leases are the parent's."""
        self._lock = threading.RLock()
        self._begin()

    def fails(self, mode: Mode | None) -> Fail:
        """What holds for a call of this mode while the server cannot be reached."""
        if self.settings.on_unreachable != "auto":
            return Fail(self.settings.on_unreachable)
        return Fail.CLOSED if mode is Mode.STRICT else Fail.OPEN

    def headers(self) -> dict[str, str]:
        """What every request bears."""
        return {"authorization": f"Bearer {self.settings.api_key}"} if self.settings.api_key else {}

    def transport(self) -> "Transport":
        """The connections of this process."""
        found = self._transport
        if found is None:
            with self._lock:
                found = self._transport
                if found is None:
                    # httpx2 costs a quarter of a second to import: no process pays that before its first request.
                    module = importlib.import_module("tollbook.client.transport")
                    found = module.Transport(self.settings.require_url(), self.headers(), self.settings.timeout_s)
                    self._transport = found
        return found

    def async_transport(self) -> "AsyncTransport":
        """The connections of this process's event loops."""
        found = self._async_transport
        if found is None:
            with self._lock:
                found = self._async_transport
                if found is None:
                    module = importlib.import_module("tollbook.client.transport")
                    found = module.AsyncTransport(self.settings.require_url(), self.headers(), self.settings.timeout_s)
                    self._async_transport = found
        return found

    @property
    def has_async_transport(self) -> bool:
        """Whether any event loop has used this client."""
        return self._async_transport is not None

    async def warm(self, *, view: bool) -> None:
        """Do in a thread what would hold an event loop up once: importing the HTTP library, waiting for the view."""
        if self.settings.mode == "direct" or not self.settings.url:
            return
        if self._async_transport is None:
            await asyncio.to_thread(self.async_transport)
        if view and self._view is None:
            await asyncio.to_thread(self.view)

    def outbox(self) -> Outbox:
        """The outbox, its thread started; raises `SpoolUnusable`."""
        found = self._outbox
        if found is None:
            with self._lock:
                found = self._outbox
                if found is None:
                    found = self._outbox = self._new_outbox()
                    found.start()
        return found

    def _new_outbox(self) -> Outbox:
        settings = self.settings
        if self.closed:
            raise ConfigError("the client is closed")
        return Outbox(
            Spool(settings.spool_file(), bytes_max=settings.spool_bytes_max, fsync=settings.spool_fsync),
            self.transport,
            ack=settings.outbox_ack,
            batch_events=settings.outbox_batch_events,
            on_accepted=self.book.accepted,
        )

    def keeper(self) -> Keeper:
        """The keeper, its thread started."""
        found = self._keeper
        if found is None:
            with self._lock:
                found = self._keeper
                if found is None:
                    ttl_ms = self.settings.lease_ttl_ms
                    found = self._keeper = Keeper(self.transport, self.book, lease_ttl_ms=ttl_ms, now=monotonic)
                    found.start()
        return found

    def view(self) -> View:
        """The view of the tenant's budgets; the first call opens it and waits a moment for what it says."""
        found = self._view
        if found is None:
            with self._lock:
                found = self._view
                if found is None:
                    found = self._view = self._new_view()
            found.wait(self.settings.watch_wait_s)
        return found

    def _new_view(self) -> View:
        silence_s = self.settings.watch_stale_s * 2 / 3
        view = View(self.settings.watch_stale_s - silence_s, self.fails(self.hold_mode))
        self.settings.require_url()
        self._watcher = Watcher(view, self.transport, tenant=self.tenant or "", silence_s=silence_s)
        self._watcher.start()
        return view

    def direct(self) -> DirectCheck:
        """The check by Valkey alone."""
        with self._lock:
            if self._direct is None:
                settings = self.settings
                self._direct = DirectCheck(
                    settings.valkey_url,
                    settings.valkey_key_prefix,
                    timeout_s=settings.timeout_s,
                    fail=self.fails(self.hold_mode),
                )
            return self._direct

    def take_part(self, key: LeaseKey, *, input_tokens: int, output_tokens: int, least: int) -> Part | None:
        """A part of a lease, None where the server has to be asked."""
        return self.book.take(key, monotonic(), input_tokens=input_tokens, output_tokens=output_tokens, least=least)

    def wish(self, key: LeaseKey, ask: CallAsk) -> None:
        """Ask for a lease behind the calls, where this is the time for it."""
        calls = self.book.wants(key)
        if calls is not None:
            self.keeper().want(LeaseWish(key, _lease_ask(ask, calls, self.settings.lease_ttl_ms)))

    def flush(self, timeout_s: float) -> int:
        """Send what the outbox holds; how many events still wait."""
        return self.outbox().flush(timeout_s)

    def outbox_status(self) -> OutboxStatus:
        """How the outbox stands."""
        return self.outbox().status()

    def close(self) -> None:
        """Flush, give leases back, end every thread. What could not be sent stays on disk."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
        atexit.unregister(self._at_exit)
        try:
            if self._outbox is not None:
                self._outbox.close(self.settings.outbox_flush_s)
        finally:
            if self._keeper is not None:
                self._keeper.close(_CLOSE_JOIN_S)
            if self._watcher is not None:
                self._watcher.stop()
            if self._direct is not None:
                self._direct.close()
            if self._transport is not None:
                self._transport.close()


def _lease_ask(ask: CallAsk, calls: int, ttl_ms: int) -> CallAsk:
    return CallAsk(
        agent=ask.agent,
        model=ask.model,
        tenant=ask.tenant,
        run=ask.run,
        provider=ask.provider,
        service_tier=ask.service_tier,
        context=ask.context,
        tags=ask.tags,
        input_tokens=ask.input_tokens,
        max_output_tokens=ask.max_output_tokens,
        mode=ask.mode,
        ttl_ms=ttl_ms,
        calls=calls,
    )


def _at_exit(weak: "weakref.ref[Engine]") -> None:
    engine = weak()
    if engine is not None:
        engine.close()


def _around_fork(weak: "weakref.ref[Engine]", do: Callable[[Engine], None]) -> None:
    engine = weak()
    if engine is not None:
        do(engine)
