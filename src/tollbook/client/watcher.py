"""Keeps a view in step with the server: one thread, one stream of server-sent events, opened again whenever it ends."""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol
from urllib.parse import quote

import msgspec

from tollbook.client.delivery import Backoff
from tollbook.client.view import View
from tollbook.client.wire import WatchState

_LOG = logging.getLogger("tollbook.watch")
_STATE = msgspec.json.Decoder(WatchState)


class Source(Protocol):
    """What opens streams of events."""

    def events(self, path: str, silence_s: float) -> AbstractContextManager[Iterator[tuple[str, str]]]:
        """Events as (name, data); `ConnectionError` where none can be had or nothing comes for `silence_s`."""
        ...


class Watcher:
    """The thread of one view. `source` is called once, in the thread."""

    def __init__(self, view: View, source: Callable[[], Source], *, tenant: str, silence_s: float) -> None:
        self._view = view
        self._source = source
        self._path = f"/v1/watch?tenant={quote(tenant, safe='')}" if tenant else "/v1/watch"
        self._silence_s = silence_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tollbook-watch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it does with the next event, or when its connection is closed."""
        self._stop.set()

    def _run(self) -> None:
        backoff = Backoff()
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            try:
                self._follow(backoff)
            except (ConnectionError, RuntimeError, msgspec.DecodeError, ValueError) as error:
                # RuntimeError: the transport was closed under the stream, which ends the thread.
                _LOG.info("the watch ended: %s", error)
            finally:
                self._view.disconnected()
            pause_s = backoff.failed(None, random.random())  # noqa: S311 - spreads retries

    def _follow(self, backoff: Backoff) -> None:
        with self._source().events(self._path, self._silence_s) as events:
            self._view.connected()
            for name, data in events:
                if self._stop.is_set():
                    return
                if name == "state":
                    self._view.take(_STATE.decode(data))
                    backoff.succeeded()
