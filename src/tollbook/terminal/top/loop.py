"""The live screen's two threads: one reads from the server, one shows and listens to keys."""

import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from types import FrameType

from tollbook.domain.errors import TollbookError
from tollbook.terminal.top.feed import Feed
from tollbook.terminal.top.frame import frame
from tollbook.terminal.top.screen import Screen, terminal
from tollbook.terminal.top.state import Key, State
from tollbook.terminal.top.view import Reading

_LISTEN_MS = 100
_END_S = 1.0


class Poller:
    """Reads what the screen wants, again and again, in a thread of its own."""

    def __init__(self, feed: Feed, state: State) -> None:
        self._feed = feed
        self._state = state
        self._wanted = state.wanted
        self._wake = threading.Event()
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="tollbook-top", daemon=True)
        self.found: SimpleQueue[Reading] = SimpleQueue()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def want(self, state: State, *, anew: bool = False) -> None:
        """Read for another place at once, or for this one `anew`."""
        if self._wanted != state.wanted or anew:
            self._wanted = state.wanted
            self._wake.set()

    def stop(self) -> None:
        """End; a question on its way is not waited for long."""
        self._ends = True
        self._wake.set()
        self._thread.join(_END_S)

    def _run(self) -> None:
        while not self._ends:
            self._wake.clear()
            place, kind = self._wanted
            try:
                self.found.put(self._feed.read(place, kind))
            # An amount that is none is a server of another kind, too.
            except (TollbookError, ValueError) as error:
                self.found.put(Reading(place=place, kind=kind, failure=str(error)))
            while not self._wake.wait(self._state.interval_s) and self._state.paused:
                pass


def show(feed: Feed, state: State, server: str) -> None:
    """Show the live screen until `q`, Ctrl-C or a signal to end; the terminal is then as it was."""
    poller = Poller(feed, state)
    with _ending_by_signal(), terminal() as screen:
        poller.start()
        try:
            _listen(screen, poller, state, server)
        except KeyboardInterrupt:
            return
        finally:
            poller.stop()


def _listen(screen: Screen, poller: Poller, state: State, server: str) -> None:
    painted = -1
    changed = True
    while not state.quits:
        while (reading := _taken(poller)) is not None:
            state.take(reading)
            changed = True
        second = int(time.time())
        changed = screen.resized() or changed
        if changed or second != painted:
            screen.paint(frame(state, screen.size, datetime.now(UTC), server))
            painted, changed = second, False
        key = screen.key(_LISTEN_MS)
        if key is None:
            continue
        changed = True
        if key is Key.RESIZE or key == "\x0c":
            screen.redraw()
            continue
        paused = state.paused
        state.press(key)
        poller.want(state, anew=paused and not state.paused)


def _taken(poller: Poller) -> Reading | None:
    try:
        return poller.found.get_nowait()
    except Empty:
        return None


class _ending_by_signal:  # noqa: N801 - reads as the sentence it is
    """Let SIGTERM and SIGHUP end as Ctrl-C does, so that the terminal is given back."""

    def __init__(self) -> None:
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> None:
        def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
            raise KeyboardInterrupt

        for number in (signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, interrupt)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
