"""Entries as they are booked: each once, none missed, across a server that goes away and comes back."""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from tollbook.terminal.answers import Entry
from tollbook.terminal.api import Reader, ServerAway

_WAIT_S = 20.0
_PAGE = 500
_LOOKS_MAX = 20
"""How many pages are looked through for the first lines: a filter that fits little must not keep the rest waiting."""
_PAUSE_S = 0.5
_PAUSE_MAX_S = 10.0


class Row(msgspec.Struct, frozen=True):
    """An entry as it is shown, and as the server wrote it."""

    entry: Entry
    raw: msgspec.Raw


class _Page(msgspec.Struct, frozen=True):
    rows: list[msgspec.Raw]
    next: str | None = None


class Follower:
    """Reads on from a place in the order of commits. `pause` waits so many seconds; `told` hears of a server away."""

    def __init__(
        self,
        reader: Reader,
        filters: Mapping[str, object],
        *,
        pause: Callable[[float], None],
        told: Callable[[str], None],
    ) -> None:
        self._reader = reader
        self._filters = dict(filters)
        self._pause = pause
        self._told = told
        self.cursor: str | None = None
        self._seen: set[str] = set()

    def latest(self, lines: int) -> list[Row]:
        """The newest entries, oldest first, or fewer where few fit; what is booked from here on comes by `follow`.

        The place to follow from is taken before they are read: what is booked in between comes twice and is known
        by its id.
        """
        self.cursor = self._follow(None, 0).next
        rows: list[Row] = []
        page: _Page | None = None
        for _ in range(_LOOKS_MAX):
            if len(rows) >= lines or (page is not None and page.next is None):
                break
            after = None if page is None else page.next
            wanted = min(lines - len(rows), _PAGE)
            page = self._reader.get("/v1/entries", _Page, {"limit": wanted, "cursor": after, **self._filters})
            rows += [_row(raw) for raw in page.rows]
        self._seen = {row.entry.entry_id for row in rows}
        return rows[::-1]

    def follow(self, *, once: bool = False) -> Iterator[list[Row]]:
        """What is booked behind the cursor, a page at a time; `cursor` is then behind what was handed out.

        With `once` it ends where nothing more is there. A server that is away is asked again until it answers.
        """
        pause_s = _PAUSE_S
        while True:
            try:
                page = self._follow(self.cursor, 0.0 if once else _WAIT_S)
            except ServerAway as away:
                if once:
                    raise
                self._told(f"{away}; trying again in {pause_s:g} s")
                self._pause(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_MAX_S)
                continue
            pause_s = _PAUSE_S
            self.cursor = page.next or self.cursor
            found = [_row(raw) for raw in page.rows]
            rows = [row for row in found if row.entry.entry_id not in self._seen]
            self._seen -= {row.entry.entry_id for row in found}
            if rows:
                yield rows
            if once and not page.rows:
                return

    def _follow(self, after: str | None, wait_s: float) -> _Page:
        query = {"after": after, "limit": _PAGE, "wait_s": int(wait_s), **self._filters}
        return self._reader.get("/v1/entries/follow", _Page, query, wait_s=wait_s)


def _row(raw: msgspec.Raw) -> Row:
    return Row(msgspec.json.decode(raw, type=Entry), raw)
